//! The workspace's own commands: whatever a person would otherwise do by hand (`cargo xtask <task>`).

mod infra;
mod profile;
#[cfg(test)]
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tasks of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

/// One variant per task; each has a module of its own that parses its flags and runs.
#[derive(Debug, Subcommand)]
enum Task {
    /// Real servers (Kafka, registry, PostgreSQL, Jaeger) on loopback, without Docker
    Infra(infra::Infra),
    /// Where a shop's time goes under load, and what a saga costs it
    Profile(profile::Profile),
}

impl Task {
    fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Infra(infra) => infra.run(),
            Self::Profile(profile) => profile.run(),
        }
    }
}

fn main() -> ExitCode {
    // Not by returning the error: that prints a stack trace, and our errors are for users of the command.
    Cli::parse().task.run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
