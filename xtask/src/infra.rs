//! `cargo xtask infra`: Kafka, a schema registry, PostgreSQL and Jaeger on loopback, from package registries.
//!
//! Here: the command line. What is done with several servers at once is in `fleet`, what differs from
//! server to server in one module each, behind `server::Server`.

mod fleet;
mod install;
mod jaeger;
mod kafka;
mod ports;
mod postgres;
mod probe;
pub mod process;
mod registry;
mod report;
mod server;
mod site;
mod state;
mod template;
pub mod wait;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use fleet::Fleet;
use ports::PortFlags;
use server::ServerName;
use site::Site;

/// The arguments of `cargo xtask infra`.
#[derive(Debug, Args)]
pub struct Infra {
    /// Folder for data, logs, settings and passwords [default: target/infra]
    #[arg(long, global = true)]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Install what is missing, start what is not running, wait until all answer
    Up(UpFlags),
    /// Stop the servers; their data stays
    Down {
        #[command(flatten)]
        stop: StopFlags,
        /// Also delete the data
        #[arg(long)]
        purge: bool,
    },
    /// Start servers that were up before, as they were
    Start {
        /// Only these servers (comma separated)
        #[arg(long, value_delimiter = ',')]
        only: Vec<ServerName>,
    },
    /// Stop servers, for fault tests
    Stop(StopFlags),
    /// Stop and start servers
    Restart(StopFlags),
    /// Show what runs; exit code 0 if all of it is up
    Status,
    /// Print the arguments that put the `shop` binary on these servers
    Args {
        /// Print `export TEST_...=...` lines for the tests instead
        #[arg(long)]
        env: bool,
    },
}

/// What `up` can be told; anything left out stays as it was recorded in the data folder.
#[derive(Debug, Args)]
struct UpFlags {
    /// Only these servers (comma separated) [default: kafka,registry,postgres]
    #[arg(long, value_delimiter = ',')]
    only: Vec<ServerName>,
    /// Jaeger as well (its first build takes minutes)
    #[arg(long)]
    jaeger: bool,
    /// A Kafka listener with TLS and SASL beside the plain one; `--sasl=false` removes it
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    sasl: Option<bool>,
    /// The registry's compatibility mode for all subjects [default: FULL_TRANSITIVE]
    #[arg(long)]
    compatibility: Option<String>,
    #[command(flatten)]
    ports: PortFlags,
}

#[derive(Debug, Args)]
struct StopFlags {
    /// Only these servers (comma separated)
    #[arg(long, value_delimiter = ',')]
    only: Vec<ServerName>,
    /// SIGKILL at once, as a crash would
    #[arg(long)]
    kill: bool,
}

impl Infra {
    /// Runs the command; the exit code is what `status` reports.
    ///
    /// # Errors
    /// When a server cannot be installed, started or stopped; the message says which and why.
    pub fn run(self) -> Result<ExitCode> {
        let site = Site::at(self.data_dir.as_deref())?;
        match self.action {
            Action::Up(flags) => up(site, &flags)?,
            Action::Down { stop, purge } => {
                let mut fleet = Fleet::open(site)?;
                let names = fleet.recorded(&stop.only)?;
                fleet.stop(&names, stop.kill)?;
                if purge {
                    fleet.purge(&names)?;
                }
            }
            Action::Stop(stop) => {
                let mut fleet = Fleet::open(site)?;
                let names = fleet.recorded(&stop.only)?;
                fleet.stop(&names, stop.kill)?;
            }
            Action::Start { only } => {
                let mut fleet = Fleet::open(site)?;
                let names = fleet.recorded(&only)?;
                fleet.start(&names)?;
            }
            Action::Restart(stop) => {
                let mut fleet = Fleet::open(site)?;
                let names = fleet.recorded(&stop.only)?;
                fleet.stop(&names, stop.kill)?;
                fleet.start(&names)?;
            }
            Action::Status => return report::status(&site),
            Action::Args { env } => report::print_args(&site, env)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The arguments that put a shop on the servers of `target/infra`, and the folder of Kafka's data.
///
/// # Errors
/// When they were never started.
pub fn local() -> Result<(Vec<String>, PathBuf)> {
    let site = Site::at(None)?;
    let data = server::ServerName::Kafka.server().data_path(&site);
    Ok((report::words(&site)?, data))
}

fn up(site: Site, flags: &UpFlags) -> Result<()> {
    let mut fleet = Fleet::open(site)?;
    if let Some(sasl) = flags.sasl
        && sasl != fleet.state.sasl
    {
        if fleet.is_running(ServerName::Kafka) {
            bail!(
                "kafka is running with sasl={}: stop it first (infra stop --only kafka)",
                fleet.state.sasl
            );
        }
        fleet.state.sasl = sasl;
    }
    if let Some(mode) = &flags.compatibility {
        fleet.state.compatibility.clone_from(mode);
    }
    let mut names = flags.only.clone();
    if names.is_empty() {
        names = vec![ServerName::Postgres, ServerName::Kafka, ServerName::Registry];
    }
    if flags.jaeger && !names.contains(&ServerName::Jaeger) {
        names.push(ServerName::Jaeger);
    }
    for name in &names {
        fleet.enlist(*name, &flags.ports)?;
    }
    fleet.start(&names)
}
