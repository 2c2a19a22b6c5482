//! Where a floor is measured: databases and a log of its own, made before and removed afterwards.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use events::topics::Topic;
use messaging::{
    database::{Database, Postgres},
    embedded::{EmbeddedLog, Settings},
    kafka::{KafkaConfig, KafkaLog},
    log::EventLog,
};
use platform::SystemClock;
use sea_orm::{
    ConnectionTrait as _,
    sqlx::{self, ConnectOptions as _, Connection as _},
};
use sea_orm_migration::MigratorTrait;
use tempfile::TempDir;
use tokio::{task::JoinSet, time::Instant};

use super::{
    database, log,
    sagas::Sagas,
    table::{SERVICES, Service},
};
use crate::cli::{FloorOptions, Platform};

/// What a database on PostgreSQL is told: a plan is made once, while the tables are empty, and must
/// be good when they are full. SQLite does both by itself.
const PLANS: [&str; 2] = ["plan_cache_mode = force_generic_plan", "enable_seqscan = off"];

/// What it is made on.
#[derive(Clone, Debug)]
pub enum Ground {
    /// A temporary directory.
    Embedded,
    /// Kafka and PostgreSQL.
    Local {
        /// `host:port`.
        kafka: String,
        /// The server's URL, without a database.
        postgres: String,
    },
}

impl Ground {
    /// What the command line says.
    ///
    /// # Errors
    /// When a server is not named.
    pub fn of(options: &FloorOptions) -> Result<Self> {
        if options.on == Platform::Embedded {
            return Ok(Self::Embedded);
        }
        let servers = &options.servers;
        Ok(Self::Local { kafka: servers.kafka()?, postgres: servers.postgres()? })
    }
}

/// Databases, or a log, or both.
pub struct Place {
    /// By service, those that have one.
    pub databases: Vec<(&'static Service, Database)>,
    /// The log.
    pub log: Option<Arc<dyn EventLog>>,
    ground: Ground,
    /// What its topics and databases are named after.
    name: String,
    /// Removed with this.
    dir: TempDir,
}

impl Place {
    /// A place with nothing in it.
    ///
    /// # Errors
    /// When there is no temporary directory.
    pub fn new(ground: &Ground, name: &str) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("load-tests-").tempdir()?;
        let (name, ground) = (name.to_owned(), ground.clone());
        Ok(Self { databases: Vec::new(), log: None, ground, name, dir })
    }

    /// Makes the services' databases, with the tables that the services themselves make.
    ///
    /// # Errors
    /// When a server refuses.
    pub async fn add_databases(&mut self, sagas: Sagas) -> Result<()> {
        for service in SERVICES.iter().filter(|service| !service.steps.is_empty()) {
            let database = self.database(service.name).await?;
            database::furnish(&database, service, sagas).await?;
            self.databases.push((service, database));
        }
        Ok(())
    }

    async fn database(&self, service: &str) -> Result<Database> {
        match service {
            "order" => self.open::<order_service::store::migration::Migrator>(service).await,
            "inventory" => {
                self.open::<inventory_service::store::migration::Migrator>(service).await
            }
            "shipping" => self.open::<shipping_service::store::migration::Migrator>(service).await,
            "notification" => {
                self.open::<notification_service::store::migration::Migrator>(service).await
            }
            other => anyhow::bail!("{other} has no tables"),
        }
    }

    async fn open<M: MigratorTrait>(&self, service: &str) -> Result<Database> {
        let Ground::Local { postgres, .. } = &self.ground else {
            return Ok(Database::sqlite::<M>(self.dir.path(), service).await?);
        };
        let name = self.database_name(service);
        let database = Database::on_server::<M>(postgres, &name).await?;
        for setting in PLANS {
            let alter = format!("ALTER DATABASE \"{name}\" SET {setting}");
            database.reader().execute_unprepared(&alter).await?;
        }
        // It holds for new connections.
        database.close().await?;
        Ok(Database::on_server::<M>(postgres, &name).await?)
    }

    /// PostgreSQL takes 63 characters.
    fn database_name(&self, service: &str) -> String {
        format!("{}_{service}", self.name.replace('-', "_"))
    }

    /// Makes a log with the topics.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn add_log(&mut self) -> Result<()> {
        let log: Arc<dyn EventLog> = match &self.ground {
            Ground::Embedded => {
                let settings = Settings::new(Arc::new(SystemClock));
                Arc::new(EmbeddedLog::open(&self.dir.path().join("log"), settings)?)
            }
            Ground::Local { kafka, .. } => {
                let prefix = format!("{}.", self.name);
                Arc::new(KafkaLog::connect(KafkaConfig { prefix, ..KafkaConfig::new(kafka) })?)
            }
        };
        log.ensure_topics(&topics()).await?;
        self.log = Some(log);
        Ok(())
    }

    /// Does what is there is for, all at the same time: a task for each database, each producer and
    /// each consumer. Returns how long it took.
    ///
    /// # Errors
    /// When any of it fails.
    pub async fn work(&self, sagas: Sagas) -> Result<Duration> {
        let (mut producers, mut consumers) = (Vec::new(), Vec::new());
        if let Some(log) = &self.log {
            for service in SERVICES {
                consumers.push((service, log::join(&**log, service).await?));
                if service.says().next().is_some() {
                    producers.push((service, log.producer(None).await?));
                }
            }
        }
        let mut tasks = JoinSet::new();
        let began_at = Instant::now();
        for (service, database) in &self.databases {
            tasks.spawn(database::work(database.clone(), service, sagas));
        }
        for (service, consumer) in consumers {
            tasks.spawn(log::consume(consumer, service, sagas));
        }
        for (service, producer) in producers {
            tasks.spawn(log::produce(producer, service, sagas));
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(began_at.elapsed())
    }

    /// Removes what can be removed: topics cannot.
    ///
    /// # Errors
    /// When a database stays.
    pub async fn remove(self) -> Result<()> {
        for (_, database) in &self.databases {
            database.close().await?;
        }
        let Ground::Local { postgres, .. } = &self.ground else { return Ok(()) };
        let names = SERVICES.iter().map(|service| self.database_name(service.name));
        drop_databases(postgres, names).await
    }
}

/// Drops databases of ours, if they are there.
///
/// # Errors
/// When one stays.
pub async fn drop_databases(server: &str, names: impl IntoIterator<Item = String>) -> Result<()> {
    let options = Postgres::new(server).connection("floor")?.database("postgres");
    let mut connection = options.connect().await?;
    for name in names {
        // Not by force: that would need a role that may end autovacuum, which gives way by itself.
        let drop = format!("DROP DATABASE IF EXISTS \"{name}\"");
        let dropped = sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&mut connection).await;
        dropped.with_context(|| format!("database {name} stays"))?;
    }
    Ok(connection.close().await?)
}

/// Those that anything is said in.
fn topics() -> Vec<&'static Topic> {
    SERVICES.iter().flat_map(Service::says).map(|event| event.topic).collect()
}
