//! What the measurement of scaling can be told.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Platform, ServerOptions, Watched};

/// A part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Throughput by replicas and partitions, on Kafka and PostgreSQL.
    Replicas,
    /// The cost of an order by how many there are already.
    Growth,
}

/// What is measured, how much of it, and where.
#[derive(Args, Clone, Debug)]
pub struct ScalingOptions {
    /// What is measured.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "replicas,growth")]
    pub parts: Vec<Part>,
    /// Processes of each service.
    #[arg(long, value_delimiter = ',', default_value = "1,2,3", value_parser = clap::value_parser!(u32).range(1..=8), value_name = "COUNTS")]
    pub replicas: Vec<u32>,
    /// Partitions of the sagas' topics.
    #[arg(long, value_delimiter = ',', default_value = "1,3,6,12", value_parser = clap::value_parser!(u32).range(1..=64), value_name = "COUNTS")]
    pub partitions: Vec<u32>,
    /// Orders of each measurement by replicas and partitions, in a burst.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000), value_name = "COUNT")]
    pub orders: u64,
    /// Orders there are before the next --probe are measured.
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000", value_parser = clap::value_parser!(u64).range(1..=10_000_000), value_name = "COUNTS")]
    pub sizes: Vec<u64>,
    /// A million as well: takes the better part of an hour, and some 10 GB of disk.
    #[arg(long)]
    pub million: bool,
    /// Orders of each measurement of growth, by --clients.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000), value_name = "COUNT")]
    pub probe: u64,
    /// Visitors at the same time, each of whom waits for the end of its order.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "COUNT")]
    pub clients: u32,
    /// What growth is measured on.
    #[arg(long, value_enum, default_value_t = Platform::Embedded)]
    pub on: Platform,
    /// Where the programs are: `order-service` and so on, and `shop` (default: beside this program).
    #[arg(long, value_name = "DIR")]
    pub programs: Option<PathBuf>,
    #[command(flatten)]
    pub servers: ServerOptions,
    /// More processes whose CPU is shown, such as Kafka's; may be repeated.
    #[arg(long, value_delimiter = ',', value_name = "[NAME=]PID")]
    pub pid: Vec<Watched>,
    /// Write all figures there.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl ScalingOptions {
    /// All sizes, smallest first.
    pub fn all_sizes(&self) -> Vec<u64> {
        let million = self.million.then_some(1_000_000);
        let mut sizes: Vec<_> = self.sizes.iter().copied().chain(million).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }
}
