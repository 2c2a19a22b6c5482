//! Which servers are used by what does not run embedded.

use anyhow::{Context as _, Result};
use clap::Args;

/// As `cargo xtask infra args --env` prints them.
#[derive(Args, Clone, Debug, Default)]
pub struct ServerOptions {
    /// For what does not run embedded; `cargo xtask infra args --env` prints it, and the next two.
    #[arg(long, env = "TEST_KAFKA", value_name = "HOST:PORT")]
    pub kafka: Option<String>,
    /// The schema registry beside it.
    #[arg(long, env = "TEST_REGISTRY", value_name = "URL")]
    pub registry: Option<String>,
    /// The server, without a database.
    #[arg(long, env = "TEST_POSTGRES", hide_env_values = true, value_name = "URL")]
    pub postgres: Option<String>,
}

impl ServerOptions {
    /// The brokers.
    ///
    /// # Errors
    /// When none is named.
    pub fn kafka(&self) -> Result<String> {
        named(&self.kafka, "--kafka or TEST_KAFKA")
    }

    /// The registry.
    ///
    /// # Errors
    /// When none is named.
    pub fn registry(&self) -> Result<String> {
        named(&self.registry, "--registry or TEST_REGISTRY")
    }

    /// The database server.
    ///
    /// # Errors
    /// When none is named.
    pub fn postgres(&self) -> Result<String> {
        named(&self.postgres, "--postgres or TEST_POSTGRES")
    }
}

fn named(value: &Option<String>, names: &str) -> Result<String> {
    let how = "eval \"$(cargo xtask infra args --env)\", or run it embedded";
    value.clone().with_context(|| format!("a server is missing, {names}: {how}"))
}
