//! The command line.

mod floor;
mod scaling;
mod servers;
mod values;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::{
    floor::FloorOptions,
    scaling::{Part, ScalingOptions},
    servers::ServerOptions,
    values::Watched,
};
use crate::expect::Expectation;

/// Puts load on a running shop, checks that it lost nothing, and reports what it measured.
#[derive(Debug, Parser)]
#[command(name = "load-tests", version, after_help = AFTER_HELP)]
pub struct Cli {
    /// What is to be done.
    #[command(subcommand)]
    pub task: Task,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Load.
    #[command(flatten)]
    Load(Box<Scenario>),
    /// Measure the least work that sagas need of this machine's database and log, without a shop.
    Floor(FloorOptions),
    /// Measure throughput by replicas and partitions, and the cost of an order by how many there are.
    Scaling(ScalingOptions),
}

const AFTER_HELP: &str = "Exit code: 0 when all expectations hold and nothing was lost, 1 otherwise, 2 for a wrong command line.";

#[cfg(test)]
impl Cli {
    /// What the visitors do.
    pub fn scenario(&self) -> &Scenario {
        match &self.task {
            Task::Load(scenario) => scenario,
            Task::Floor(_) | Task::Scaling(_) => panic!("it has no visitors of its own"),
        }
    }
}

/// What the visitors do.
#[derive(Debug, Subcommand)]
pub enum Scenario {
    /// Order one to three products, and wait until the order is CONFIRMED, REJECTED or CANCELLED.
    Checkout(Options),
    /// Look at lists, products, related products and recommendations, and report it as activity.
    Browse(Options),
    /// A storefront's proportions of both: one visit in twenty is an order.
    Mixed(Options),
    /// Everybody orders one piece of the same few products.
    FlashSale {
        /// How many products everybody wants.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
        hot: u32,
        #[command(flatten)]
        options: Options,
    },
    /// Real click sessions in their own time order: each click is reported, and recommendations are asked for.
    Replay {
        /// Tab-separated SessionId, ItemId, Time (seconds since 1970), with a line of headings.
        file: PathBuf,
        /// How many times faster than it happened.
        #[arg(long, default_value = "1000", value_parser = values::positive)]
        speed: f64,
        #[command(flatten)]
        options: Options,
    },
    /// Mixed for a long time, ten minutes unless told; `saga.drift` and `memory.drift` say whether it stays flat.
    Soak(Options),
}

impl Scenario {
    /// What all scenarios can be told.
    pub fn options(&self) -> &Options {
        match self {
            Self::Checkout(options)
            | Self::Browse(options)
            | Self::Mixed(options)
            | Self::Soak(options)
            | Self::FlashSale { options, .. }
            | Self::Replay { options, .. } => options,
        }
    }

    /// The same, to be changed.
    pub fn options_mut(&mut self) -> &mut Options {
        match self {
            Self::Checkout(options)
            | Self::Browse(options)
            | Self::Mixed(options)
            | Self::Soak(options)
            | Self::FlashSale { options, .. }
            | Self::Replay { options, .. } => options,
        }
    }
}

/// How much, where, and what is expected.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    pub pace: Pace,
    #[command(flatten)]
    pub sites: Sites,
    #[command(flatten)]
    pub spawn: Spawn,
    #[command(flatten)]
    pub orders: Orders,
    /// Fail unless this holds, such as 'saga.p99<30ms', 'sagas_per_s>1000', 'errors<1'; may be repeated.
    #[arg(long, value_name = "NAME<VALUE")]
    pub expect: Vec<Expectation>,
    /// Write all figures there.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a page with plots there.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// What the visitors choose is derived from it.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// How much, and for how long.
#[derive(Args, Clone, Debug)]
pub struct Pace {
    /// Open loop: visits a second, whether the shop keeps up or not (20 unless told).
    #[arg(long, group = "pace", value_parser = values::positive, value_name = "PER_SECOND")]
    pub rate: Option<f64>,
    /// Closed loop: so many visitors, each of which begins anew when it is done.
    #[arg(long, group = "pace", value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "COUNT")]
    pub clients: Option<u32>,
    /// Burst: so many visits as fast as they are admitted, over --connections.
    #[arg(long, group = "pace", value_parser = clap::value_parser!(u64).range(1..=10_000_000), value_name = "COUNT")]
    pub orders: Option<u64>,
    /// How many requests a burst has under way.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "COUNT")]
    pub connections: u32,
    /// No visit begins after this time (30 s unless told; 10 min for soak and bursts).
    #[arg(long, value_parser = values::duration, value_name = "TIME")]
    pub duration: Option<Duration>,
    /// No visit begins after so many.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000), value_name = "COUNT")]
    pub requests: u64,
    /// The same load before, unmeasured.
    #[arg(long, default_value = "0s", value_parser = values::duration_or_none, value_name = "TIME")]
    pub warm_up: Duration,
    /// Visits under way at the same time; those that come on top are not begun, and count as errors.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "COUNT")]
    pub max_in_flight: u32,
}

/// Where the shop is.
#[derive(Args, Clone, Debug)]
pub struct Sites {
    /// The shop, or its gateway; several are used in turn.
    #[arg(long, value_delimiter = ',', value_parser = values::url, default_value = "http://127.0.0.1:8080", value_name = "URLS")]
    pub target: Vec<String>,
    /// Replicas of the order service.
    #[arg(long, value_delimiter = ',', value_parser = values::url, value_name = "URLS")]
    pub order: Vec<String>,
    /// Replicas of the inventory service.
    #[arg(long, value_delimiter = ',', value_parser = values::url, value_name = "URLS")]
    pub inventory: Vec<String>,
    /// Replicas of the shipping service, for their metrics.
    #[arg(long, value_delimiter = ',', value_parser = values::url, value_name = "URLS")]
    pub shipping: Vec<String>,
    /// Replicas of the notification service, for their metrics.
    #[arg(long, value_delimiter = ',', value_parser = values::url, value_name = "URLS")]
    pub notification: Vec<String>,
    /// Replicas of the recommendation service.
    #[arg(long, value_delimiter = ',', value_parser = values::url, value_name = "URLS")]
    pub recommendation: Vec<String>,
    /// Let the load go to other machines. Only to those that you may load.
    #[arg(long)]
    pub allow_remote: bool,
    /// The bearer token that operators' calls need, if they need one.
    #[arg(long, env = "SHOP_OPERATOR_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub operator_token: Option<String>,
    /// Processes whose CPU and memory are measured; may be repeated.
    #[arg(long, value_delimiter = ',', value_name = "[NAME=]PID")]
    pub pid: Vec<Watched>,
}

/// Whether to start the shop first.
#[derive(Args, Clone, Debug)]
pub struct Spawn {
    /// Start the shop first, in a temporary directory on a free port, and stop it at the end.
    #[arg(long, conflicts_with_all = ["target", "order", "inventory", "shipping", "notification", "recommendation"])]
    pub spawn: Option<Platform>,
    /// The program to start (default: `shop` beside this program).
    #[arg(long, requires = "spawn", value_name = "FILE")]
    pub shop: Option<PathBuf>,
    #[command(flatten)]
    pub servers: ServerOptions,
}

/// What a spawned shop runs on, or the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Platform {
    /// Everything in its own process and directory.
    Embedded,
    /// Kafka, a registry and PostgreSQL: those of `cargo xtask infra up`.
    Local,
}

/// What is ordered, and how its end is awaited.
#[derive(Args, Clone, Debug)]
pub struct Orders {
    /// Products that are listed and stocked before, for this run only.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "COUNT")]
    pub products: u32,
    /// Pieces of each; few let orders be rejected.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "PIECES")]
    pub stock: u32,
    /// Of a hundred orders, how many go where nobody ships to, and are cancelled.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100), value_name = "PERCENT")]
    pub refused: u32,
    /// How an order's end is awaited (stream unless told; list for bursts).
    #[arg(long)]
    pub wait: Option<Wait>,
    /// How often --wait poll asks.
    #[arg(long, default_value = "5ms", value_parser = values::duration, value_name = "TIME")]
    pub poll: Duration,
    /// How long an order may take to end, and a request to be answered.
    #[arg(long, default_value = "60s", value_parser = values::duration, value_name = "TIME")]
    pub patience: Duration,
}

/// How an order's end is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Wait {
    /// A stream of Server-Sent Events per order; the end is when its event arrives here.
    Stream,
    /// The order is asked for until it has ended.
    Poll,
    /// All orders are listed now and then; the end is the order's `updated_at`. Costs the least.
    List,
}

#[cfg(test)]
mod tests;
