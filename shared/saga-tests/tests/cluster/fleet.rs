//! A distributed shop: the services' own binaries, any number of replicas each, on databases and
//! topics of their own.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use messaging::database::Database;
use saga_tests::{Checker, customers::Front};
use sea_orm::DatabaseConnection;
use sea_orm_migration::MigratorTrait;
use uuid::Uuid;

use crate::servers::Servers;

pub const SERVICES: [&str; 3] = ["order", "inventory", "shipping"];

/// One replica.
struct Replica {
    process: Child,
    address: String,
    log: PathBuf,
}

impl Drop for Replica {
    fn drop(&mut self) {
        // It may be dead already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The addresses of the replicas that are meant to be alive.
type Addresses = Arc<Mutex<BTreeMap<&'static str, Vec<String>>>>;

/// All replicas. They die with the test.
pub struct Fleet {
    pub servers: Servers,
    /// Before the names of topics, groups and databases.
    pub prefix: String,
    dir: tempfile::TempDir,
    replicas: BTreeMap<(&'static str, usize), Replica>,
    addresses: Addresses,
    /// Instead of the database's own address, for one replica.
    pub detour: Option<String>,
}

impl Fleet {
    /// Makes the databases and starts `count` replicas of each service.
    pub async fn start(servers: Servers, count: usize) -> Self {
        let prefix = format!("c{}_", &Uuid::now_v7().simple().to_string()[16..]);
        let dir = tempfile::tempdir().unwrap();
        let (replicas, addresses) = Default::default();
        let mut fleet = Self { servers, prefix, dir, replicas, addresses, detour: None };
        // Opening them creates them.
        fleet.checker().await;
        for number in 0..count {
            for service in SERVICES {
                fleet.spawn(service, number);
            }
        }
        fleet
    }

    /// Starts a replica, and waits until it says where it listens.
    pub fn spawn(&mut self, service: &'static str, number: usize) {
        let Servers { kafka, registry, postgres, .. } = &self.servers;
        let log = self.dir.path().join(format!("{service}-{number}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let server = self.detour.as_ref().unwrap_or(postgres);
        let mut process = Command::new(binary(service))
            .env("SHOP_LISTEN", "127.0.0.1:0")
            .env("SHOP_KAFKA", kafka)
            .env("SHOP_KAFKA_PREFIX", &self.prefix)
            .env("SHOP_REGISTRY", registry)
            .env("SHOP_DATABASE", format!("{server}/{}{service}", self.prefix))
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            line.find("http://").map(|start| line[start..].to_owned())
        });
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        let address = address.unwrap_or_else(|| panic!("{service} did not start: {}", said()));
        self.addresses.lock().unwrap().entry(service).or_default().push(address.clone());
        self.replicas.insert((service, number), Replica { process, address, log });
    }

    /// SIGKILL, and nobody asks it any more.
    pub fn kill(&mut self, service: &'static str, number: usize) {
        let replica = self.replicas.remove(&(service, number)).unwrap();
        self.addresses
            .lock()
            .unwrap()
            .entry(service)
            .or_default()
            .retain(|a| *a != replica.address);
    }

    /// SIGTERM, waited for.
    pub async fn stop(&mut self, service: &'static str, number: usize) {
        self.signal(service, number, "TERM");
        let mut replica = self.replicas.remove(&(service, number)).unwrap();
        self.addresses
            .lock()
            .unwrap()
            .entry(service)
            .or_default()
            .retain(|a| *a != replica.address);
        let status = tokio::task::spawn_blocking(move || replica.process.wait().unwrap());
        assert!(status.await.unwrap().success(), "{service} stops in order");
    }

    /// Sends a signal to a replica's process.
    pub fn signal(&self, service: &'static str, number: usize, signal: &str) {
        let pid = self.replicas[&(service, number)].process.id().to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// The replica that relays for a service now, by what it has logged last.
    pub fn relay_of(&self, service: &'static str) -> usize {
        let said = |replica: &Replica| {
            let text = std::fs::read_to_string(&replica.log).unwrap_or_default();
            let line = text.lines().rev().find(|line| line.contains("this replica relays"))?;
            Some(line[..27].to_owned())
        };
        let of_service = self.replicas.iter().filter(|((name, _), _)| *name == service);
        let newest = of_service.max_by_key(|(_, replica)| said(replica));
        newest.unwrap().0.1
    }

    /// The replicas of all services.
    pub fn replicas(&self) -> Vec<(&'static str, usize)> {
        self.replicas.keys().copied().collect()
    }

    /// What the replicas have logged as errors, and warnings if nothing else.
    pub fn complaints(&self) -> String {
        let logs = self.replicas.values().map(|replica| std::fs::read_to_string(&replica.log));
        let text: String = logs.map(Result::unwrap).collect();
        let lines: Vec<_> = text.lines().filter(|line| line.contains(" ERROR ")).collect();
        lines.join("\n")
    }

    /// The databases.
    pub async fn checker(&self) -> Checker {
        Checker {
            order: self.database::<order_service::store::migration::Migrator>("order").await,
            inventory: self
                .database::<inventory_service::store::migration::Migrator>("inventory")
                .await,
            shipping: self
                .database::<shipping_service::store::migration::Migrator>("shipping")
                .await,
        }
    }

    async fn database<M: MigratorTrait>(&self, service: &str) -> DatabaseConnection {
        let name = format!("{}{service}", self.prefix);
        let database = Database::on_server::<M>(&self.servers.postgres, &name).await;
        database.unwrap().reader().clone()
    }

    /// The way customers take into the shop.
    pub fn front(&self) -> Replicas {
        Replicas { addresses: self.addresses.clone(), next: Arc::default() }
    }
}

/// The services' binaries stand beside the tests.
fn binary(service: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let dir = own.ancestors().nth(2).unwrap();
    let binary = dir.join(format!("{service}-service"));
    assert!(binary.exists(), "{} is missing: cargo build --workspace", binary.display());
    binary
}

/// Each call goes to the next replica of its service, as a load balancer has it.
#[derive(Clone)]
pub struct Replicas {
    addresses: Addresses,
    next: Arc<AtomicUsize>,
}

#[async_trait]
impl Front for Replicas {
    fn address(&self, path: &str) -> String {
        let service = match path.split(['/', '?']).nth(3) {
            Some("orders") => "order",
            Some("shipments") => "shipping",
            _ => "inventory",
        };
        let addresses = self.addresses.lock().unwrap();
        let alive = &addresses[service];
        alive[self.next.fetch_add(1, Ordering::Relaxed) % alive.len()].clone()
    }

    async fn look_elsewhere(&mut self) {
        // A customer who is turned away by all of them must not keep the machine busy.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
