//! The notification service alone, configured by its environment.

use std::process::ExitCode;

use notification_service::{Config, VARIABLES, build, http};
use platform::{host, service};

fn main() -> ExitCode {
    service::main("notification", &[service::DATABASE, VARIABLES], async |environment, platform| {
        let app = build(Config::from_environment(environment)?, platform).await?;
        Ok(host::host(app, http::routes))
    })
}
