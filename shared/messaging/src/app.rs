//! A service put together: built the same way by its own binary, by `shop` and by tests.

use std::{path::PathBuf, sync::Arc};

use events::Codec;
use kernel::Clock;
use sea_orm::DbErr;
use sea_orm_migration::MigratorTrait;

use crate::{
    database::{Database, Postgres},
    executor::{Executor, Queue},
    log::EventLog,
    runtime::Running,
    service::{Context, Service},
    telemetry::Telemetry,
};

/// What a service is handed; it cannot tell which kind.
#[derive(Clone)]
pub struct Platform {
    /// The event log.
    pub log: Arc<dyn EventLog>,
    /// The codec, and the registry behind it.
    pub codec: Arc<Codec>,
    /// Time and ids.
    pub clock: Arc<dyn Clock>,
    /// Where the services' databases are.
    pub databases: Databases,
    /// Where spans and numbers go; by default, numbers are kept and no spans are made.
    pub telemetry: Telemetry,
}

/// Where the services' databases are; each has its own.
#[derive(Clone, Debug)]
pub enum Databases {
    /// One SQLite file each in this directory.
    Sqlite(PathBuf),
    /// One SQLite database each in memory.
    InMemory,
    /// This PostgreSQL database, of the only service.
    One(Postgres),
    /// One PostgreSQL database each, named `<prefix><service>`; created unless they are there.
    Postgres {
        /// The server's URL; the database in it is replaced.
        server: String,
        /// Keeps suites apart that share a server, such as `shop_`.
        prefix: String,
    },
}

impl Databases {
    /// Opens the database of `service` and brings it up to date.
    ///
    /// # Errors
    /// When it cannot be opened or a migration fails.
    pub async fn open<M: MigratorTrait>(&self, service: &str) -> Result<Database, DbErr> {
        match self {
            Self::Sqlite(dir) => Database::sqlite::<M>(dir, service).await,
            Self::InMemory => Database::in_memory::<M>().await,
            Self::One(database) => Database::postgres::<M>(database.clone()).await,
            Self::Postgres { server, prefix } => {
                Database::on_server::<M>(server, &format!("{prefix}{service}")).await
            }
        }
    }
}

/// One service, ready to be started and to serve. Cheap to clone.
pub struct App<S: Service> {
    /// The service and what it needs.
    pub ctx: Arc<Context<S>>,
    /// Gives work to its transactions.
    pub executor: Executor<S>,
    /// The event log.
    pub log: Arc<dyn EventLog>,
    queue: Queue<S>,
}

impl<S: Service> Clone for App<S> {
    fn clone(&self) -> Self {
        Self {
            ctx: self.ctx.clone(),
            executor: self.executor.clone(),
            log: self.log.clone(),
            queue: self.queue.clone(),
        }
    }
}

impl<S: Service> App<S> {
    /// Opens the service's database and puts it together; nothing runs yet.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub async fn build<M: MigratorTrait>(service: S, platform: &Platform) -> Result<Self, DbErr> {
        let database = platform.databases.open::<M>(S::NAME).await?;
        let Platform { log, codec, clock, telemetry, .. } = platform.clone();
        let (executor, queue) = Executor::new();
        let (tracer, metrics) = (telemetry.tracer(S::NAME), telemetry.metrics.of(S::NAME));
        let ctx = Arc::new(Context { service, database, codec, clock, tracer, metrics });
        Ok(Self { ctx, executor, log, queue })
    }

    /// Starts the service's actors on this thread's actix system.
    pub fn start(&self) -> Running<S> {
        Running::start(&self.ctx, &self.log, self.executor.clone(), &self.queue)
    }
}
