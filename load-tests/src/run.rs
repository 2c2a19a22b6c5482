//! One run, from its command line to its report.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tokio::sync::watch;

use crate::{
    checker,
    cli::{Options, Platform, Scenario, Wait, Watched},
    clock::Clock,
    driver::{self, Load, Pace},
    ledger::Ledger,
    outcome::{About, Measured, Outcome},
    plan::Plan,
    report,
    sampler::{self, Processes, Sample},
    shop::Shop,
    spawn::Spawned,
    stocking::{self, Goods},
    stop::Stop,
    visitors::Visitors,
};

/// How long the shop may take to be ready.
const READY: Duration = Duration::from_secs(60);
/// Between two looks at that.
const PAUSE: Duration = Duration::from_millis(100);

/// Does all of it, and prints what came out.
///
/// # Errors
/// When there is nothing to measure: no shop, or a wrong command line.
pub async fn run(scenario: &Scenario, stop: Stop) -> Result<Outcome> {
    let clock = Clock::start();
    let plan = Plan::new(scenario, &clock.run_name())?;
    let mut options = scenario.options().clone();
    let spawned = match options.spawn.spawn {
        Some(platform) => Some(spawn(&mut options, platform).await?),
        None => None,
    };
    let result = measure(plan, &options, clock, stop).await;
    if let Some(spawned) = spawned
        && !spawned.stop().await?
    {
        eprintln!("the shop did not stop in order");
    }
    let outcome = result?;
    if let Some(file) = &options.json {
        let json = serde_json::to_vec_pretty(&outcome)?;
        std::fs::write(file, json).with_context(|| format!("--json {}", file.display()))?;
    }
    if let Some(file) = &options.report {
        let page = report::page(&outcome);
        std::fs::write(file, page).with_context(|| format!("--report {}", file.display()))?;
    }
    println!("{outcome}");
    Ok(outcome)
}

/// Measures what is there already; nothing is printed or written but the progress.
///
/// # Errors
/// As [`run`].
pub async fn measured(scenario: &Scenario, stop: Stop) -> Result<Outcome> {
    let clock = Clock::start();
    let plan = Plan::new(scenario, &clock.run_name())?;
    measure(plan, scenario.options(), clock, stop).await
}

async fn spawn(options: &mut Options, platform: Platform) -> Result<Spawned> {
    let spawned = Spawned::start(&options.spawn, platform).await?;
    eprintln!("the shop is at {}, process {}", spawned.url, spawned.pid);
    options.sites.target = vec![spawned.url.clone()];
    options.sites.operator_token = None;
    options.sites.pid.push(Watched { name: Some("shop".to_owned()), pid: spawned.pid });
    Ok(spawned)
}

async fn measure(plan: Plan, options: &Options, clock: Clock, stop: Stop) -> Result<Outcome> {
    let shop = Arc::new(Shop::new(&options.sites, options.orders.patience)?);
    wait_until_ready(&shop).await?;
    let warm_up = plan.warm_up(options.pace.warm_up);
    let about = about(&plan, clock);
    let setup = visitors(shop, plan.goods, options, clock, plan.wait);

    eprintln!("stocking {} products", setup.goods.skus.len());
    setup.goods.stock(&setup.shop).await?;
    let has_orders = plan.load.behaviour.has_orders();
    if has_orders {
        stocking::wait_until_orderable(&setup).await?;
    }
    if !warm_up.duration.is_zero() {
        eprintln!("warming up for {:?}", warm_up.duration);
        let phase = Arc::new(Visitors { recorder: Arc::default(), ..setup.clone() });
        driver::drive(&phase, &Arc::new(warm_up), stop.clone()).await;
    }
    eprintln!("measuring");
    let phase = Visitors { recorder: Arc::default(), measured: true, ..setup };
    let phase = Arc::new(phase);
    let began_at = Instant::now();
    let samples = drive_and_watch(&phase, plan.load, options, stop).await?;
    let about = About { seconds: began_at.elapsed().as_secs_f64(), ..about };

    eprintln!("checking");
    let violations = if has_orders { checker::inspect(&phase).await } else { Vec::new() };
    let measured = Measured { entries: phase.ledger.entries(), samples, violations };
    Ok(Outcome::new(about, &phase.recorder, measured, &options.expect))
}

fn visitors(
    shop: Arc<Shop>,
    goods: Goods,
    options: &Options,
    clock: Clock,
    wait: Wait,
) -> Visitors {
    Visitors {
        shop,
        ledger: Arc::new(Ledger::new(&goods.run)),
        goods: Arc::new(goods),
        recorder: Arc::default(),
        clock,
        measured: false,
        refused: options.orders.refused,
        wait,
        poll: options.orders.poll,
        patience: options.orders.patience,
    }
}

async fn drive_and_watch(
    phase: &Arc<Visitors>,
    load: Load,
    options: &Options,
    stop: Stop,
) -> Result<Vec<Sample>> {
    let (over, is_over) = watch::channel(false);
    let processes = Processes::new(&options.sites.pid);
    let watching = tokio::spawn(sampler::watch(phase.clone(), processes, is_over));
    driver::drive(phase, &Arc::new(load), stop).await;
    over.send_replace(true);
    Ok(watching.await?)
}

async fn wait_until_ready(shop: &Shop) -> Result<()> {
    let began_at = Instant::now();
    for url in shop.all() {
        loop {
            let answer = shop.http().get(format!("{url}/health/ready")).timeout(READY).send().await;
            let last = match answer {
                Ok(answer) if answer.status().is_success() => break,
                Ok(answer) => answer.text().await.unwrap_or_default(),
                // Nobody is there, rather than not ready yet.
                Err(error) if error.is_connect() => {
                    return Err(error).with_context(|| {
                        format!("no shop at {url}: start one, name it with --target, or use --spawn embedded")
                    });
                }
                Err(error) => error.to_string(),
            };
            ensure!(began_at.elapsed() < READY, "{url} does not become ready: {last}");
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

fn about(plan: &Plan, clock: Clock) -> About {
    let end = match plan.wait {
        Wait::Stream => "when its event arrives in a stream",
        Wait::Poll => "when a poll sees it",
        Wait::List => "the `updated_at` that the shop gave it",
    };
    let begin = match plan.load.pace {
        Pace::Open(_) => "the time that was fixed for it before",
        Pace::Closed(_) | Pace::Burst(_) => "when its visitor's turn came",
    };
    let wait = match plan.load.behaviour.has_orders() {
        true => format!(
            "A saga lasts from {begin} until its order is CONFIRMED, REJECTED or CANCELLED: {end}."
        ),
        false => format!("Times count from {begin}."),
    };
    About {
        run: plan.goods.run.clone(),
        command: command(std::env::args().skip(1)),
        started_at: clock.started_at(),
        wait,
        seconds: 0.0,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
    }
}

/// The command line, without what must not be in a report.
pub fn command(words: impl Iterator<Item = String>) -> String {
    const SECRETS: [&str; 2] = ["--operator-token", "--postgres"];
    let mut is_secret = false;
    let shown = words.map(|word| {
        let hidden = std::mem::replace(&mut is_secret, SECRETS.contains(&&*word));
        match word.split_once('=') {
            _ if hidden => "***".to_owned(),
            Some((flag, _)) if SECRETS.contains(&flag) => format!("{flag}=***"),
            _ => word,
        }
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_no_secrets() {
        let line = "checkout --operator-token s3cret --rate 5 --postgres=postgres://u:s3cret@h";
        let shown = command(line.split(' ').map(str::to_owned));
        assert_eq!("checkout --operator-token *** --rate 5 --postgres=***", shown);
    }
}
