//! What the databases and the log say in the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use events::{Envelope, topics};
use messaging::{
    embedded::{EmbeddedLog, Settings},
    log::{AT_ONCE, EventLog as _, LogEvent},
};
use order_service::store::entity;
use platform::SystemClock;
use saga_tests::{Checker, Expected, Violation, customers::Outcome};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, EntityTrait as _};

/// How often it is looked whether the last events have arrived; each look reads everything.
const MAX_LOOKS: usize = 5_000;

/// Figures, and what they were made from.
pub struct Verdict {
    /// Orders that were acknowledged.
    pub accepted: usize,
    /// Of these, those that came to an end (or wait for a person).
    pub ended: usize,
    /// Of these, those that no longer exist.
    pub lost: usize,
    /// Orders that nobody was told of: a repeat became another order.
    pub doubled: usize,
    expected: Expected,
}

impl Verdict {
    /// Waits until nothing moves, and counts.
    pub async fn of(dir: &Path, outcomes: &[Outcome], stocked: BTreeMap<String, i64>) -> Self {
        let accepted = outcomes.iter().map(|o| (o.key.clone(), o.id.parse().unwrap())).collect();
        let stocked = stocked.into_iter().map(|(sku, n)| (sku, [("first".to_owned(), n)].into()));
        let expected = Expected { accepted, stocked: stocked.collect() };
        let checker = open(dir).await;
        for _ in 0..MAX_LOOKS {
            if is_quiet(&checker, &expected).await {
                break;
            }
        }
        let orders = entity::Entity::find().all(&checker.order).await.unwrap();
        let known: BTreeSet<_> = orders.into_iter().map(|order| order.id).collect();
        let told: BTreeSet<_> = outcomes.iter().map(|outcome| outcome.id.clone()).collect();
        Self {
            accepted: outcomes.len(),
            ended: outcomes.iter().filter(|outcome| outcome.status != "PENDING").count(),
            lost: told.difference(&known).count(),
            doubled: known.difference(&told).count(),
            expected,
        }
    }

    /// What is wrong, now that the shop is dead.
    pub async fn violations(&self, dir: &Path) -> Vec<Violation> {
        let checker = open(dir).await;
        checker.all(&self.expected, &published(dir).await).await.unwrap()
    }
}

async fn is_quiet(checker: &Checker, expected: &Expected) -> bool {
    checker.residue().await.unwrap().is_empty()
        && checker.ends(expected).await.unwrap().is_empty()
        && checker.stock(expected).await.unwrap().is_empty()
}

async fn open(dir: &Path) -> Checker {
    Checker {
        order: connect(dir, "order").await,
        inventory: connect(dir, "inventory").await,
        shipping: connect(dir, "shipping").await,
    }
}

async fn connect(dir: &Path, service: &str) -> DatabaseConnection {
    let url = format!("sqlite://{}?mode=rw", dir.join(format!("{service}.db")).display());
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

/// The envelopes of the saga's events, as they stand in the log.
async fn published(dir: &Path) -> Vec<Envelope> {
    let log = EmbeddedLog::open(&dir.join("log"), Settings::new(Arc::new(SystemClock))).unwrap();
    let saga: Vec<_> = topics::SAGA.iter().map(|topic| topic.name).collect();
    let ends = log.end_positions(&saga).await.unwrap();
    let starts = log.first_positions(&saga).await.unwrap();
    let mut left: BTreeMap<_, _> =
        ends.into_iter().filter(|end| end.offset > 0).map(|end| (end.at, end.offset)).collect();
    let mut reader = log.assign(&starts, AT_ONCE).await.unwrap();
    let mut found = Vec::new();
    while !left.is_empty() {
        let LogEvent::Records(at, records) = reader.next().await else { continue };
        if records.last().map(|record| record.offset + 1) >= left.get(&at).copied() {
            left.remove(&at);
        }
        let read = |record: &messaging::record::Record| {
            Envelope::from_headers(|name| record.header(name)).unwrap()
        };
        found.extend(records.iter().map(read));
    }
    drop(reader);
    log.close().await.unwrap();
    found
}
