//! The recommendation service alone, configured by its environment.

use std::{io, process::ExitCode, sync::Arc};

use platform::{host::Hosted, service};
use recommendation_service::{Config, VARIABLES, build};

fn main() -> ExitCode {
    service::main("recommendation", &[VARIABLES], async |environment, platform| {
        let built = build(Config::from_environment(environment)?, platform);
        let service: Arc<dyn Hosted> = Arc::new(built.map_err(io::Error::other)?);
        Ok(service)
    })
}
