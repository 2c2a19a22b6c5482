//! The real servers, and how they are stopped and started. Without them the tests are skipped.

use std::process::Command;

/// The servers that `cargo xtask infra args --env` tells of.
#[derive(Clone)]
pub struct Servers {
    pub kafka: String,
    pub registry: String,
    pub postgres: String,
    /// The command that stops and starts them.
    control: Vec<String>,
}

impl Servers {
    /// Those of the environment; without, says that `test` was skipped.
    #[allow(clippy::disallowed_methods, reason = "the environment says which servers to test on")]
    pub fn of_environment(test: &str) -> Option<Self> {
        let variable = |name: &str| match std::env::var(name) {
            Ok(value) if !value.is_empty() => Some(value),
            _ => {
                println!("skipped {test}: {name} is not set");
                None
            }
        };
        Some(Self {
            kafka: variable("TEST_KAFKA")?,
            registry: variable("TEST_REGISTRY")?,
            postgres: variable("TEST_POSTGRES")?,
            control: variable("TEST_INFRA")?.split(' ').map(str::to_owned).collect(),
        })
    }

    /// `infra start`, `stop` or `restart` of one server; returns when it is done.
    pub async fn control(&self, action: &str, server: &str, more: &[&str]) {
        let mut command = Command::new(&self.control[0]);
        command.args(&self.control[1..]).args([action, "--only", server]).args(more);
        let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}
