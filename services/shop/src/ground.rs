//! What the shop stands on: everything in this process, or real servers.

use std::{fs::File, net::SocketAddr, sync::Arc, time::Duration};

use actix_web::web;
use anyhow::Result;
use events::{Codec, topics};
use kernel::Clock;
use messaging::{
    app::{Databases, Platform},
    embedded::{EmbeddedLog, Settings},
    telemetry::Telemetry,
};
use platform::{
    SystemClock,
    distributed::{self, SECURITY, Servers},
    environment::Environment,
    host,
    shutdown::Stopping,
};
use schema_registry::Registry;
use schema_registry_converter::async_impl::schema_registry::SrSettings;

use crate::{cli::Serve, lock, page};

/// The longest a call to the registry may take.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(5);

/// What the services are handed, and what of it is ours to close.
pub struct Ground {
    pub platform: Platform,
    own: Option<Own>,
}

struct Own {
    log: EmbeddedLog,
    registry: Registry,
    _lock: File,
}

impl Ground {
    /// In this process: a log, a registry that answers on `address`, and SQLite.
    pub async fn embedded(args: &Serve, address: SocketAddr, telemetry: Telemetry) -> Result<Self> {
        let lock = lock::lock(&args.data_dir)?;
        let registry = Registry::open(&args.data_dir.join("registry.db")).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let log = EmbeddedLog::open(&args.data_dir.join("log"), Settings::new(clock.clone()))?;
        let platform = Platform {
            log: Arc::new(log.clone()),
            codec: Arc::new(Codec::new(registry_settings(address)?)),
            clock,
            databases: Databases::Sqlite(args.data_dir.clone()),
            telemetry,
        };
        let all: Vec<_> = topics::ALL.iter().copied().chain(topics::DEAD_LETTERS).collect();
        platform.log.ensure_topics(&all).await?;
        Ok(Self { platform, own: Some(Own { log, registry, _lock: lock }) })
    }

    /// On real servers.
    pub async fn distributed(servers: Servers, telemetry: Telemetry) -> Result<Self> {
        let environment = Environment::of_process(&[SECURITY]);
        let platform = distributed::connect(servers, &environment, telemetry).await?;
        Ok(Self { platform, own: None })
    }

    /// The page, and the registry if it is ours, beside the services' own calls.
    pub fn extra(&self) -> host::Extra {
        let registry = self.own.as_ref().map(|own| own.registry.clone());
        Arc::new(move |config| {
            if let Some(registry) = registry.clone() {
                let routes = schema_registry::configure(registry);
                config.service(web::scope("/registry").configure(routes));
            }
            config.configure(page::routes);
        })
    }

    /// Closes what is ours, after the services have stopped.
    pub async fn close(self, stopping: Stopping) -> Result<()> {
        if let Some(own) = self.own {
            stopping.step("event log", own.log.close()).await.transpose()?;
            own.registry.close().await?;
        }
        Ok(())
    }
}

fn registry_settings(address: SocketAddr) -> Result<SrSettings> {
    let mut settings = SrSettings::new_builder(format!("http://{address}/registry"));
    // Ours is on this machine; a proxy meant for others would not find it.
    Ok(settings.no_proxy().set_timeout(REGISTRY_TIMEOUT).build()?)
}
