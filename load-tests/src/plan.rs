//! From a command line to a load: what is left out is filled in, what does not go together is refused.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};

use crate::{
    cli::{Options, Scenario, Wait},
    driver::{Load, Pace},
    replay::Recording,
    scenario::Behaviour,
    schedule::Schedule,
    stocking::Goods,
};

/// Visits a second, unless told.
const RATE: f64 = 20.0;
/// How long, unless told.
const DURATION: Duration = Duration::from_secs(30);
const LONG_DURATION: Duration = Duration::from_mins(10);

/// What a run does.
#[derive(Debug)]
pub struct Plan {
    /// The measurement.
    pub load: Load,
    /// What is sold.
    pub goods: Goods,
    /// How an order's end is awaited.
    pub wait: Wait,
}

impl Plan {
    /// What the command line asks for.
    ///
    /// # Errors
    /// Names the flags that do not go together, or the file that cannot be read.
    pub fn new(scenario: &Scenario, run: &str) -> Result<Self> {
        let options = scenario.options();
        let numbered = || Goods::numbered(run, options.orders.products, options.orders.stock);
        let is_long = matches!(scenario, Scenario::Soak(_)) || options.pace.orders.is_some();
        let mut duration = if is_long { LONG_DURATION } else { DURATION };
        let (behaviour, pace, goods) = match scenario {
            Scenario::Checkout(_) => (Behaviour::Checkout, pace(options), numbered()),
            Scenario::Browse(_) => (Behaviour::Browse, pace(options), numbered()),
            Scenario::Mixed(_) | Scenario::Soak(_) => (Behaviour::Mixed, pace(options), numbered()),
            Scenario::FlashSale { hot, .. } => {
                ensure!(*hot <= options.orders.products, "--hot must not be more than --products");
                (Behaviour::FlashSale { hot: *hot as usize }, pace(options), numbered())
            }
            Scenario::Replay { file, speed, .. } => {
                let pace = &options.pace;
                let own_times =
                    pace.rate.is_none() && pace.clients.is_none() && pace.orders.is_none();
                ensure!(
                    own_times,
                    "replay has its own times: use --speed instead of --rate, --clients or --orders"
                );
                let recording = Recording::open(file)?;
                let schedule = Schedule::Times(recording.times(), *speed);
                let goods = Goods::named(run, &recording.products, options.orders.stock);
                (Behaviour::Replay(Arc::new(recording.clicks)), Pace::Open(schedule), goods)
            }
        };
        duration = options.pace.duration.unwrap_or(duration);
        let load = Load {
            behaviour,
            pace,
            duration,
            count: options.pace.requests.min(options.pace.orders.unwrap_or(u64::MAX)),
            max_in_flight: options.pace.max_in_flight,
            seed: options.seed,
        };
        Ok(Self { load, goods, wait: wait(options)? })
    }

    /// The same before, for so long.
    pub fn warm_up(&self, duration: Duration) -> Load {
        Load { duration, seed: self.load.seed.wrapping_add(1), ..self.load.clone() }
    }
}

fn pace(options: &Options) -> Pace {
    let pace = &options.pace;
    match (pace.clients, pace.orders) {
        (Some(clients), _) => Pace::Closed(clients),
        (_, Some(_)) => Pace::Burst(pace.connections),
        _ => Pace::Open(Schedule::Constant(pace.rate.unwrap_or(RATE))),
    }
}

fn wait(options: &Options) -> Result<Wait> {
    let wait = options.orders.wait;
    if options.pace.orders.is_some() {
        ensure!(
            wait.is_none_or(|wait| wait == Wait::List),
            "--orders does not wait in between: it goes with --wait list only"
        );
        return Ok(Wait::List);
    }
    ensure!(
        options.pace.clients.is_none() || wait != Some(Wait::List),
        "--clients wait for each order's end: --wait must be stream or poll"
    );
    Ok(wait.unwrap_or(Wait::Stream))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn plan(line: &str) -> Result<Plan> {
        let words = std::iter::once("load-tests").chain(line.split_whitespace());
        Plan::new(Cli::try_parse_from(words).unwrap().scenario(), "run")
    }

    #[test]
    fn a_run_is_bounded_even_when_nothing_is_said() {
        let load = plan("checkout").unwrap().load;
        assert_eq!(Pace::Open(Schedule::Constant(20.0)), load.pace);
        assert_eq!((DURATION, 1_000_000), (load.duration, load.count));
        assert_eq!(LONG_DURATION, plan("soak").unwrap().load.duration);
    }

    #[test]
    fn the_pace_decides_how_ends_are_awaited() {
        assert_eq!(Wait::Stream, plan("checkout --rate 5").unwrap().wait);
        let burst = plan("checkout --orders 20000 --connections 8").unwrap();
        assert_eq!((Wait::List, Pace::Burst(8)), (burst.wait, burst.load.pace));
        assert_eq!(20_000, burst.load.count);
    }

    #[test]
    fn what_does_not_go_together_is_refused_by_name() {
        for (line, flag) in [
            ("checkout --orders 5 --wait stream", "--orders"),
            ("checkout --clients 5 --wait list", "--clients"),
            ("flash-sale --hot 20 --products 10", "--hot"),
            ("replay clicks.txt --rate 5", "--speed"),
            ("replay /no/such/clicks.txt", "/no/such/clicks.txt"),
        ] {
            let error = format!("{:#}", plan(line).unwrap_err());
            assert!(error.contains(flag), "{line}: {error}");
        }
    }
}
