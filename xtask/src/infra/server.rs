//! What the commands need to know of a server: one trait, one implementation per server.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::ports::PortSpec;
use super::process::Signal;
use super::site::Site;
use super::state::State;
use super::{jaeger, kafka, postgres, registry};

/// The servers, in the order in which they are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ServerName {
    /// PostgreSQL
    Postgres,
    /// Apache Kafka
    Kafka,
    /// Apicurio Registry
    Registry,
    /// Jaeger v2
    Jaeger,
}

impl ServerName {
    /// The name in messages, folders and flags.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Kafka => "kafka",
            Self::Registry => "registry",
            Self::Jaeger => "jaeger",
        }
    }

    /// The implementation behind the name.
    pub fn server(self) -> &'static dyn Server {
        match self {
            Self::Postgres => &postgres::Postgres,
            Self::Kafka => &kafka::Kafka,
            Self::Registry => &registry::Registry,
            Self::Jaeger => &jaeger::Jaeger,
        }
    }
}

/// A server that can be installed and run on this machine.
///
/// Every step may be repeated; `command` must mention a path inside the server's own data folder, because that
/// is how a recorded pid is recognised as still being this server.
pub trait Server {
    /// The ports it listens on, the clients' one first.
    fn ports(&self, state: &State) -> Vec<PortSpec>;
    /// Downloads or builds its programs unless they are there, and returns its version.
    fn install(&self, site: &Site) -> Result<String>;
    /// Writes its settings and initialises its data folder if that is empty.
    fn prepare(&self, site: &Site, state: &State) -> Result<()>;
    /// The process to start.
    fn command(&self, site: &Site, state: &State) -> Result<Command>;
    /// Whether it answers a client's request.
    fn is_ready(&self, site: &Site, state: &State) -> Result<bool>;
    /// What must be done through the running server (roles, users, modes).
    fn configure(&self, site: &Site, state: &State) -> Result<()>;
    /// Where its data is.
    fn data_path(&self, site: &Site) -> PathBuf;
    /// The signal that asks it to shut down in good order.
    fn stop_signal(&self) -> Signal {
        Signal::Term
    }
}
