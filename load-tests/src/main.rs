//! Load for the shop: scenarios in an open loop, a closed loop or a burst; what a saga costs, from the
//! moment somebody wanted it to its final event; a checker, because a fast run that lost an order is
//! no good run; and a report. `README.md` has the commands.

mod checker;
mod cli;
mod clock;
mod driver;
mod expect;
mod floor;
mod ledger;
mod outcome;
mod plan;
mod recorder;
mod replay;
mod report;
mod run;
mod sampler;
mod scaling;
mod scenario;
mod schedule;
mod shop;
mod spawn;
mod sse;
mod stocking;
mod stop;
mod visitors;
mod waiting;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

use crate::cli::{Cli, Task};

#[tokio::main]
async fn main() -> ExitCode {
    match perform(Cli::parse().task).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether all that was asked for holds.
async fn perform(task: Task) -> Result<bool> {
    let stop = stop::requested()?;
    match task {
        Task::Load(scenario) => run::run(&scenario, stop).await.map(|outcome| outcome.passed),
        Task::Floor(options) => floor::run(&options, stop).await.map(|()| true),
        Task::Scaling(options) => scaling::run(&options, stop).await,
    }
}
