//! The distributed shop while processes, servers and networks fail, under load: nothing is lost,
//! nothing doubled, nothing stuck, and the invariants hold over all databases and topics.
//!
//! Needs the servers of `cargo xtask infra up`, told by `cargo xtask infra args --env`.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod fleet;
mod load;
mod login;
mod polyglot;
mod proxy;
mod servers;
mod verdict;

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use kernel::Clock as _;
use platform::SystemClock;
use tokio::sync::Mutex;

use crate::{
    fleet::{Fleet, SERVICES},
    load::Load,
    proxy::Proxy,
    servers::Servers,
    verdict::judge,
};

/// Orders before and after a fault.
const SOME: usize = 400;
/// Only a shop that hangs takes this long.
const GIVE_UP: Duration = Duration::from_secs(300);

/// One shop at a time: they would disturb each other, and some stop the servers.
static TURN: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);

/// Starts a shop with two replicas of each service, or says that the test was skipped.
async fn shop(test: &str) -> Option<(Fleet, Load)> {
    let servers = Servers::of_environment(test)?;
    let fleet = Fleet::start(servers, 2).await;
    let load = Load::begin(fleet.front()).await;
    load.more(SOME).await;
    Some((fleet, load))
}

async fn watched(test: impl Future<Output = ()>) {
    let _turn = TURN.lock().await;
    tokio::time::timeout(GIVE_UP, test).await.expect("the shop gets over it");
}

/// The rest of every test: more orders, their ends, and the verdict.
async fn afterwards(fault: &str, fleet: &Fleet, load: Load) {
    let ended_at = (Instant::now(), SystemClock.now());
    load.more(SOME).await;
    judge(fault, fleet, load.end().await, ended_at).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_replicas_of_each_service_is_killed() {
    watched(async {
        let Some((mut fleet, load)) = shop("kill -9 of replicas").await else { return };
        for service in SERVICES {
            fleet.kill(service, 0);
            load.more(SOME).await;
        }
        for service in SERVICES {
            fleet.spawn(service, 0);
        }
        afterwards("kill -9 of one replica of each service", &fleet, load).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_replicas_that_relay_are_killed() {
    watched(async {
        let Some((mut fleet, load)) = shop("kill -9 of the relays").await else { return };
        for service in SERVICES {
            let relay = fleet.relay_of(service);
            fleet.kill(service, relay);
        }
        load.more(SOME).await;
        for service in SERVICES {
            let number = usize::from(fleet.relay_of(service) == 0);
            fleet.spawn(service, number);
        }
        afterwards("kill -9 of the replicas that relay", &fleet, load).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_replicas_are_killed() {
    watched(async {
        let Some((mut fleet, load)) = shop("kill -9 of everything").await else { return };
        let all = fleet.replicas();
        // One service after the other is gone altogether for a moment, but somebody must be there
        // to take orders.
        for (service, number) in all {
            fleet.spawn(service, number + 2);
            fleet.kill(service, number);
        }
        afterwards("kill -9 of every replica, each replaced", &fleet, load).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_come_and_go_in_mid_batch() {
    watched(async {
        let Some((mut fleet, load)) = shop("rebalancing").await else { return };
        for service in SERVICES {
            fleet.spawn(service, 2);
            load.more(SOME / 4).await;
        }
        for service in SERVICES {
            fleet.stop(service, 1).await;
            load.more(SOME / 4).await;
        }
        afterwards("two replicas, three, two again", &fleet, load).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_hang() {
    watched(async {
        let Some((fleet, load)) = shop("SIGSTOP").await else { return };
        let hung: Vec<_> =
            SERVICES.into_iter().map(|service| (service, fleet.relay_of(service))).collect();
        for (service, number) in &hung {
            fleet.signal(service, *number, "STOP");
        }
        load.lasts(20).await;
        for (service, number) in &hung {
            fleet.signal(service, *number, "CONT");
        }
        afterwards("the replicas that relay hang for 20 s", &fleet, load).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_network_to_the_database_is_silent() {
    watched(async {
        let Some((mut fleet, load)) = shop("a silent network").await else { return };
        let server = fleet.servers.postgres.clone();
        let (login, address) = server.rsplit_once('@').unwrap();
        let proxy = Proxy::start(address.to_owned()).await;
        fleet.detour = Some(format!("{login}@{}", proxy.address));
        for service in SERVICES {
            fleet.spawn(service, 2);
            fleet.stop(service, 0).await;
            fleet.stop(service, 1).await;
        }
        // Those behind the proxy relay now; these would take over.
        fleet.detour = None;
        for service in SERVICES {
            fleet.spawn(service, 0);
        }
        load.more(SOME).await;
        proxy.silence(true);
        load.lasts(20).await;
        proxy.silence(false);
        afterwards("no byte between replicas and PostgreSQL for 20 s", &fleet, load).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_is_away_for_30_seconds() {
    watched(async {
        let Some((fleet, load)) = shop("Kafka stopped").await else { return };
        fleet.servers.control("stop", "kafka", &[]).await;
        load.lasts(30).await;
        fleet.servers.control("start", "kafka", &[]).await;
        afterwards("Kafka stopped for 30 s", &fleet, load).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_restarts() {
    watched(async {
        let Some((fleet, load)) = shop("PostgreSQL restarted").await else { return };
        fleet.servers.control("restart", "postgres", &[]).await;
        afterwards("PostgreSQL restarted", &fleet, load).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_registry_is_away_while_a_replica_starts() {
    watched(async {
        let Some((mut fleet, load)) = shop("registry stopped").await else { return };
        fleet.servers.control("stop", "registry", &[]).await;
        for service in SERVICES {
            fleet.spawn(service, 2);
            fleet.kill(service, 0);
        }
        load.more(SOME).await;
        fleet.servers.control("start", "registry", &[]).await;
        afterwards("the registry away while replicas start", &fleet, load).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_peoples_clients_read_the_same_events() {
    watched(async {
        let Some(servers) = Servers::of_environment("kcat and confluent-kafka") else { return };
        polyglot::compare(&Fleet::start(servers, 1).await).await;
    })
    .await;
}

#[test]
fn a_wrong_password_is_named_at_the_start() {
    if let Some(servers) = Servers::of_environment("wrong passwords") {
        SERVICES.into_iter().for_each(|service| login::refused(&servers, service));
    }
}
