//! What the databases and the topics say in the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use events::{Envelope, topics};
use kernel::Timestamp;
use messaging::{
    kafka::{KafkaConfig, KafkaLog},
    log::{AT_ONCE, EventLog as _, LogEvent},
};
use order_service::store::{entity, read_body};
use saga_tests::{Checker, Expected};
use sea_orm::EntityTrait as _;

use crate::{
    fleet::Fleet,
    load::{Placed, goods, tally},
};

/// How long after the fault an order may be without an end.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// Waits until nothing moves, checks the invariants, prints the figures.
pub async fn judge(
    fault: &str,
    fleet: &Fleet,
    placed: Placed,
    fault_ended_at: (Instant, Timestamp),
) {
    let Placed { outcomes, took } = placed;
    let accepted = outcomes.iter().map(|o| (o.key.clone(), o.id.parse().unwrap())).collect();
    let stocked = goods().into_iter().map(|(sku, n)| (sku, [("first".to_owned(), n)].into()));
    let expected = Expected { accepted, stocked: stocked.collect() };
    let checker = fleet.checker().await;
    let quiet = tokio::time::timeout(STUCK_AFTER, quiet(&checker, &expected, fleet)).await;
    let after = fault_ended_at.0.elapsed();
    let rows = entity::Entity::find().all(&checker.order).await.unwrap();
    let known: BTreeSet<_> = rows.iter().map(|order| order.id.clone()).collect();
    let told: BTreeSet<_> = outcomes.iter().map(|outcome| outcome.id.clone()).collect();
    let stuck = rows.iter().filter(|row| row.status == "PENDING").count();
    let (median, longest) = waits(&rows);
    let caught_up = caught_up(&rows, fault_ended_at.1);
    println!(
        "{fault}: {} orders at {:.0}/s; {} lost, {} doubled, {stuck} stuck; {:.1} s after the fault \
         none of before was PENDING, after {:.1} s all was quiet; from PENDING to the next status: p50 {median:?}, longest {longest:?}; {:?}",
        outcomes.len(),
        outcomes.len() as f64 / took.as_secs_f64(),
        told.difference(&known).count(),
        known.difference(&told).count(),
        caught_up.as_secs_f64(),
        after.as_secs_f64(),
        tally(&outcomes),
    );
    let violations = checker.all(&expected, &published(fleet).await).await.unwrap();
    assert!(violations.is_empty(), "{:#?}\n{}", first(violations), fleet.complaints());
    assert!(quiet.is_ok(), "{:#?}", first(checker.residue().await.unwrap()));
    assert_eq!((known, stuck), (told, 0));
}

fn first<T>(mut all: Vec<T>) -> Vec<T> {
    all.truncate(10);
    all
}

/// Looks until it is as it should be. Timelines come last: the order service may have to take over the
/// partition of a replica that was killed.
async fn quiet(checker: &Checker, expected: &Expected, fleet: &Fleet) {
    let mut look = tokio::time::interval(Duration::from_millis(200));
    loop {
        look.tick().await;
        // Nothing is left to do before the topics are worth reading.
        let is_quiet = checker.residue().await.unwrap().is_empty()
            && checker.all(expected, &published(fleet).await).await.unwrap().is_empty();
        if is_quiet {
            return;
        }
    }
}

/// How long after its end the fault kept orders PENDING that were placed before.
fn caught_up(rows: &[entity::Model], fault_ended: Timestamp) -> Duration {
    let left = |row: &entity::Model| {
        let order = read_body(row).unwrap();
        let [placed, next, ..] = &order.history[..] else { return None };
        (placed.at <= fault_ended).then(|| next.at.since(fault_ended))
    };
    rows.iter().filter_map(left).max().unwrap_or_default()
}

/// How long orders were PENDING: the median and the longest.
fn waits(rows: &[entity::Model]) -> (Duration, Duration) {
    let wait = |row: &entity::Model| {
        let order = read_body(row).unwrap();
        let [placed, next, ..] = &order.history[..] else { return None };
        Some(next.at.since(placed.at))
    };
    let mut waits: Vec<_> = rows.iter().filter_map(wait).collect();
    waits.sort_unstable();
    let median = waits.get(waits.len() / 2).copied().unwrap_or_default();
    (median, waits.last().copied().unwrap_or_default())
}

/// The envelopes of the saga's events, as they stand in the topics; each key's events must stand
/// there in the order in which they were said, but for repeats.
async fn published(fleet: &Fleet) -> Vec<Envelope> {
    let config =
        KafkaConfig { prefix: fleet.prefix.clone(), ..KafkaConfig::new(&fleet.servers.kafka) };
    let log = KafkaLog::connect(config).unwrap();
    let saga: Vec<_> = topics::SAGA.iter().map(|topic| topic.name).collect();
    let ends = log.end_positions(&saga).await.unwrap();
    let starts = log.first_positions(&saga).await.unwrap();
    let mut left: BTreeMap<_, _> =
        ends.into_iter().filter(|end| end.offset > 0).map(|end| (end.at, end.offset)).collect();
    let mut reader = log.assign(&starts, AT_ONCE).await.unwrap();
    let mut found = Vec::new();
    // The end may be the marker of a transaction, which no reader gets: the last records have come
    // when there is nothing more for a while.
    let patience = Duration::from_secs(3);
    while let Ok(event) = tokio::time::timeout(patience, reader.next()).await {
        let LogEvent::Records(at, records) = event else { continue };
        if records.last().map(|record| record.offset + 1) >= left.get(&at).copied() {
            left.remove(&at);
        }
        let read = |record: &messaging::record::Record| {
            Envelope::from_headers(|name| record.header(name)).unwrap()
        };
        found.extend(records.iter().map(read));
        if left.is_empty() {
            break;
        }
    }
    found
}
