//! The whole shop in one process: all services on the embedded platform, and a page to look at.

mod catalogue;
mod cli;
mod dead_letters;
mod ground;
mod lock;
mod page;
mod shop;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Task};

fn main() -> ExitCode {
    // Not by returning the error: that prints a stack trace, and our errors are for users.
    match try_main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn try_main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    platform::logging::init(&cli.logging)?;
    let system = actix_web::rt::System::with_tokio_rt(platform::host::runtime);
    system.block_on(async {
        match cli.task {
            None => shop::run(cli.serve).await,
            Some(Task::DeadLetters(args)) => dead_letters::run(args).await,
        }
    })
}
