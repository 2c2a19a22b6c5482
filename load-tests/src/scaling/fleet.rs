//! A distributed shop for one measurement: the services' own programs, so many replicas of each, on topics and
//! databases of their own. Recommendation is not among them: no saga needs it.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::try_join_all;
use tempfile::TempDir;

use crate::{cli::ScalingOptions, floor::drop_databases, spawn::Spawned};

/// The services that a saga needs, and the flags that name their replicas.
const SERVICES: [(&str, &str); 4] = [
    ("order", "--target"),
    ("inventory", "--inventory"),
    ("shipping", "--shipping"),
    ("notification", "--notification"),
];

/// What replicas are started on, and from where.
#[derive(Clone, Debug)]
pub struct Servers {
    kafka: String,
    registry: String,
    postgres: String,
    programs: PathBuf,
}

impl Servers {
    /// What the command line says.
    ///
    /// # Errors
    /// When a server is not named, or a service is not built.
    pub fn of(options: &ScalingOptions) -> Result<Self> {
        let here = std::env::current_exe()?;
        let beside = here.parent().context("a program is in a directory")?;
        let named = &options.servers;
        let servers = Self {
            kafka: named.kafka()?,
            registry: named.registry()?,
            postgres: named.postgres()?,
            programs: options.programs.clone().unwrap_or_else(|| beside.to_owned()),
        };
        for (service, _) in SERVICES {
            let program = servers.program(service);
            if !program.is_file() {
                let build = "cargo build --release --workspace --bins";
                bail!("{} is not there: `{build}`", program.display());
            }
        }
        Ok(servers)
    }

    fn program(&self, service: &str) -> PathBuf {
        self.programs.join(format!("{service}-service"))
    }
}

/// Replicas at work.
pub struct Fleet {
    replicas: Vec<(&'static str, Spawned)>,
    servers: Servers,
    /// What its topics and databases are named after.
    name: String,
    partitions: u32,
    /// Their logs; removed with this.
    dir: TempDir,
}

impl Fleet {
    /// Starts so many replicas of each.
    ///
    /// # Errors
    /// When one does not start; the others are ended.
    pub async fn start(
        servers: &Servers,
        name: String,
        count: u32,
        partitions: u32,
    ) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("load-tests-").tempdir()?;
        let (servers, replicas) = (servers.clone(), Vec::new());
        let mut fleet = Self { replicas, servers, name, partitions, dir };
        for (service, _) in SERVICES {
            let starting = (0..count).map(|number| fleet.spawn(service, number));
            let started = try_join_all(starting).await?;
            fleet.replicas.extend(started.into_iter().map(|replica| (service, replica)));
        }
        Ok(fleet)
    }

    async fn spawn(&self, service: &str, number: u32) -> Result<Spawned> {
        let Servers { kafka, registry, postgres, .. } = &self.servers;
        let mut command = Spawned::command(&self.servers.program(service));
        command
            .env("SHOP_LISTEN", "127.0.0.1:0")
            .env("SHOP_KAFKA", kafka)
            .env("SHOP_KAFKA_PREFIX", format!("{}.", self.name))
            .env("SHOP_KAFKA_PARTITIONS", self.partitions.to_string())
            .env("SHOP_REGISTRY", registry)
            .env("SHOP_DATABASE", format!("{postgres}/{}", self.database(service)));
        Spawned::launch(command, &self.dir.path().join(format!("{service}-{number}.log"))).await
    }

    fn database(&self, service: &str) -> String {
        format!("{}_{service}", self.name.replace('-', "_"))
    }

    /// What a run against them is told.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        for (service, flag) in SERVICES {
            let mine = || self.replicas.iter().filter(|(name, _)| *name == service);
            let urls: Vec<_> = mine().map(|(_, replica)| replica.url.clone()).collect();
            let pids: Vec<_> = mine().map(|(_, one)| format!("{service}={}", one.pid)).collect();
            arguments.extend([flag.to_owned(), urls.join(","), "--pid".to_owned(), pids.join(",")]);
        }
        arguments
    }

    /// Stops them in order, all at once, and drops their databases. Their topics stay: `cargo xtask infra down --purge`.
    ///
    /// # Errors
    /// When one did not stop in order, or a database stays.
    pub async fn stop(mut self) -> Result<()> {
        let replicas = std::mem::take(&mut self.replicas);
        let stopped = try_join_all(replicas.into_iter().map(|(_, replica)| replica.stop())).await?;
        let databases = SERVICES.map(|(service, _)| self.database(service));
        drop_databases(&self.servers.postgres, databases).await?;
        ensure!(stopped.iter().all(|in_order| *in_order), "a replica did not stop in order");
        Ok(())
    }
}
