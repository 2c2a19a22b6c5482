//! The inventory service alone, configured by its environment.

use std::process::ExitCode;

use inventory_service::{Config, VARIABLES, build, http};
use platform::{host, service};

fn main() -> ExitCode {
    service::main("inventory", &[service::DATABASE, VARIABLES], async |environment, platform| {
        let app = build(Config::from_environment(environment)?, platform).await?;
        Ok(host::host(app, http::routes))
    })
}
