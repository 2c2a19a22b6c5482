//! What the floor can be told.

use std::path::PathBuf;

use clap::Args;

use super::{Platform, ServerOptions, values};

/// How much, where, and what it is compared with.
#[derive(Args, Clone, Debug)]
pub struct FloorOptions {
    /// How many sagas.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000), value_name = "COUNT")]
    pub sagas: u64,
    /// How many of them share a transaction.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1000), value_name = "COUNT")]
    pub batch: u64,
    /// Which databases and which log.
    #[arg(long, value_enum, default_value_t = Platform::Embedded)]
    pub on: Platform,
    #[command(flatten)]
    pub servers: ServerOptions,
    /// What a shop came to on this machine: say which part of the floor that is.
    #[arg(long, value_parser = values::positive, value_name = "SAGAS_PER_S")]
    pub measured: Option<f64>,
    /// The same, from the file that a run wrote with --json.
    #[arg(long, conflicts_with = "measured", value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Write all figures there.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}
