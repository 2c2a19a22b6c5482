//! The whole shop in one process: all services on the embedded platform, and a page to look at.

mod catalogue;
mod cli;
mod dead_letters;
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
    // One runtime for all threads: a database connection belongs to the runtime it was made on.
    let system = actix_web::rt::System::with_tokio_rt(|| {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.enable_all().build().expect("the operating system has threads left")
    });
    system.block_on(async {
        match cli.task {
            None => shop::run(cli.serve).await,
            Some(Task::DeadLetters(args)) => dead_letters::run(args).await,
        }
    })
}
