//! The shipping service alone, configured by its environment.

use std::process::ExitCode;

use platform::{host, service};
use shipping_service::{Config, VARIABLES, build, http};

fn main() -> ExitCode {
    service::main("shipping", &[service::DATABASE, VARIABLES], async |environment, platform| {
        let app = build(Config::from_environment(environment)?, platform).await?;
        Ok(host::host(app, http::routes))
    })
}
