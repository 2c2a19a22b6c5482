//! The order service alone, configured by its environment.

use std::process::ExitCode;

use order_service::{Config, VARIABLES, build, http};
use platform::{host, service};

fn main() -> ExitCode {
    service::main("order", &[service::DATABASE, VARIABLES], async |environment, platform| {
        let app = build(Config::from_environment(environment)?, platform).await?;
        Ok(host::host(app, http::routes))
    })
}
