//! How throughput goes with replicas and partitions, and the cost of an order with how many there are already.
//! Every measurement is a run of `checkout` against processes that are started for it, checked as any other run.

mod fleet;
mod table;

use std::fs;

use anyhow::{Context as _, Result, ensure};
use clap::Parser as _;

use self::{
    fleet::{Fleet, Servers},
    table::{Cell, Point, Scaling},
};
use crate::{
    cli::{Cli, Part, Platform, ScalingOptions, Scenario, Spawn, Task, Watched},
    clock::Clock,
    outcome::{About, Outcome},
    run,
    spawn::Spawned,
    stop::Stop,
};

/// Products of each run.
const PRODUCTS: &str = "1000";
/// What new processes get before anything counts.
const WARM_UP: &str = "2s";
/// The longest that filling up may take.
const FILLING: &str = "2h";

/// Measures, and prints what came out. Returns whether nothing was lost.
///
/// # Errors
/// When something does not start, or the figures cannot be written.
pub async fn run(options: &ScalingOptions, stop: Stop) -> Result<bool> {
    let clock = Clock::start();
    let mut scaling = Scaling::default();
    if options.parts.contains(&Part::Replicas) {
        scaling.replicas = replicas(options, &clock.run_name(), &stop).await?;
        println!("{}", table::replicas(&scaling.replicas));
    }
    if options.parts.contains(&Part::Growth) {
        scaling.growth = growth(options, &stop).await?;
        println!("{}", table::growth(&scaling.growth));
    }
    scaling.about = about(clock);
    if let Some(file) = &options.json {
        let json = serde_json::to_vec_pretty(&scaling)?;
        fs::write(file, json).with_context(|| format!("--json {}", file.display()))?;
    }
    Ok(scaling.violations() == 0)
}

/// Each number of replicas with each number of partitions, on topics and databases of their own.
async fn replicas(options: &ScalingOptions, run: &str, stop: &Stop) -> Result<Vec<Cell>> {
    let servers =
        Servers::of(options).context("replicas run on servers, --parts growth does not")?;
    let mut cells = Vec::new();
    for &partitions in &options.partitions {
        for &replicas in &options.replicas {
            eprintln!("{replicas} replicas of each service, {partitions} partitions");
            let name = format!("{run}-{partitions}x{replicas}");
            let fleet = Fleet::start(&servers, name, replicas, partitions).await?;
            let words =
                [fleet.arguments(), burst(options.orders), words(["--warm-up", WARM_UP])].concat();
            let outcome = checkout(&words, &options.pid, stop).await;
            fleet.stop().await?;
            cells.push(Cell::new(replicas, partitions, &outcome?));
        }
    }
    Ok(cells)
}

/// One shop that gets more and more orders.
async fn growth(options: &ScalingOptions, stop: &Stop) -> Result<Vec<Point>> {
    let ScalingOptions { programs, servers, .. } = options.clone();
    let shop = programs.map(|dir| dir.join("shop"));
    let spawn = Spawn { spawn: Some(options.on), shop, servers };
    if options.on == Platform::Local {
        eprintln!("sizes do not count orders that are there from earlier runs");
    }
    let shop = Spawned::start(&spawn, options.on).await?;
    let points = grow(&shop, options, stop).await;
    ensure!(shop.stop().await?, "the shop did not stop in order");
    points
}

async fn grow(shop: &Spawned, options: &ScalingOptions, stop: &Stop) -> Result<Vec<Point>> {
    let (url, pid) = (shop.url.clone(), format!("shop={}", shop.pid));
    let there = words(["--target", &url, "--pid", &pid]);
    let (mut orders, mut points) = (0, Vec::new());
    for size in options.all_sizes() {
        if size > orders {
            eprintln!("filling up to {size} orders");
            let fill = [there.clone(), burst(size - orders)].concat();
            let filled = checkout(&fill, &options.pid, stop).await?;
            ensure!(filled.passed, "an order was lost while filling up:\n{filled}");
            orders += ended(&filled);
        }
        let visits = [there.clone(), visits(options)].concat();
        let outcome = checkout(&visits, &options.pid, stop).await?;
        points.push(Point::new(orders, &outcome));
        orders += ended(&outcome);
    }
    Ok(points)
}

/// A run of `checkout`. One that is ended early has measured something else.
async fn checkout(words: &[String], more: &[Watched], stop: &Stop) -> Result<Outcome> {
    let scenario = scenario(words, more)?;
    let outcome = run::measured(&scenario, stop.clone()).await?;
    ensure!(!*stop.borrow(), "interrupted");
    Ok(outcome)
}

/// As it is on the command line.
fn scenario(words: &[String], more: &[Watched]) -> Result<Box<Scenario>> {
    let line = ["load-tests", "checkout", "--products", PRODUCTS].map(str::to_owned);
    let task = Cli::try_parse_from(line.iter().chain(words))?.task;
    let Task::Load(mut scenario) = task else { unreachable!("it is a checkout") };
    scenario.options_mut().sites.pid.extend(more.iter().cloned());
    Ok(scenario)
}

fn burst(orders: u64) -> Vec<String> {
    words(["--orders", &orders.to_string(), "--duration", FILLING])
}

/// Visitors who wait for the end of each order.
fn visits(options: &ScalingOptions) -> Vec<String> {
    let (clients, probe) = (options.clients.to_string(), options.probe.to_string());
    words(["--clients", &clients, "--requests", &probe, "--duration", FILLING])
}

fn words<'w>(words: impl IntoIterator<Item = &'w str>) -> Vec<String> {
    words.into_iter().map(str::to_owned).collect()
}

/// Orders that a run has added, warm-up included.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count that was made an f64"
)]
fn ended(outcome: &Outcome) -> u64 {
    outcome.figures.get("orders").copied().unwrap_or_default() as u64
}

fn about(clock: Clock) -> About {
    About {
        run: clock.run_name(),
        command: run::command(std::env::args().skip(1)),
        started_at: clock.started_at(),
        wait: "Throughput is ended sagas / time from the first request to the last end.".to_owned(),
        seconds: clock.elapsed().as_secs_f64(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;
    use crate::{cli::ServerOptions, plan::Plan};

    fn options(line: &str) -> ScalingOptions {
        let words = ["load-tests", "scaling"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words).unwrap().task {
            Task::Scaling(options) => options,
            _ => panic!("it is the measurement of scaling"),
        }
    }

    #[test]
    fn sizes_grow_and_a_million_is_asked_for() {
        assert_eq!([1_000, 10_000, 100_000], *options("").all_sizes());
        assert_eq!([10, 1_000, 1_000_000], *options("--sizes 1000,10,10 --million").all_sizes());
    }

    #[test]
    fn every_run_is_a_command_line_that_makes_sense() {
        let options = options("--probe 7 --clients 3 --pid kafka=4711");
        for (words, count) in [(burst(5), 5), (visits(&options), 7)] {
            let scenario = scenario(&words, &options.pid).unwrap();
            assert_eq!(count, Plan::new(&scenario, "run").unwrap().load.count);
            assert_eq!(options.pid, scenario.options().sites.pid);
        }
    }

    #[tokio::test]
    async fn servers_that_are_not_named_are_asked_for() {
        let unset = ScalingOptions { servers: ServerOptions::default(), ..options("") };
        let error = format!("{:#}", run(&unset, watch::channel(false).1).await.unwrap_err());
        assert!(error.contains("TEST_KAFKA") && error.contains("--parts growth"), "{error}");
    }
}
