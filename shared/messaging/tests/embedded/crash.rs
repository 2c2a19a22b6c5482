//! `kill -9` in the middle of appending: what was acknowledged is there.

use std::{collections::BTreeMap, process::Command};

use super::*;
use crate::log_suite::{position, record};

const PRODUCERS: usize = 4;
const GROUP: &str = "group";

#[tokio::test]
async fn after_kill_9_every_acknowledged_record_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    let mut found = 0;
    for round in 1..=3 {
        append_until_killed(dir.path(), 150 * round, &mut acknowledged);
        let log = open(dir.path());
        let records = all_records(&log).await;
        assert_nothing_lost(&records, &acknowledged);
        let committed = log.committed(GROUP, &[TOPIC.name]).await.unwrap();
        assert!(committed.iter().all(|position| position.offset <= records.len() as u64));
        found = records.len();
    }
    let acknowledged: usize = acknowledged.values().sum();
    println!("kill -9, 3 times: {acknowledged} records acknowledged, {found} found, 0 lost");
}

/// Lets a child append until it has acknowledged so many appends; then kills it.
fn append_until_killed(dir: &Path, appends: usize, acknowledged: &mut BTreeMap<String, usize>) {
    let name = "embedded::crash::child_that_appends_until_it_is_killed";
    let mut child = ChildTest::start(Command::new(this()), name, dir);
    let mut seen = 0;
    while let Some(line) = child.line() {
        let (producer, count) = line.split_once(' ').unwrap();
        acknowledged.insert(producer.to_owned(), count.parse().unwrap());
        seen += 1;
        if seen == appends {
            // What it acknowledged until it died is still in the pipe and is read by the loop.
            child.kill();
        }
    }
    assert!(seen >= appends, "the child ended after {seen} appends");
}

/// Every producer's numbers go up from 0 without a gap, at least as far as was acknowledged.
fn assert_nothing_lost(records: &[Record], acknowledged: &BTreeMap<String, usize>) {
    for (producer, count) in acknowledged {
        let own = records.iter().filter(|own| own.key.as_deref() == Some(producer.as_bytes()));
        let numbers: Vec<usize> = own.map(|record| text(record).parse().unwrap()).collect();
        assert!(numbers.len() >= *count, "{producer}: {} of {count}", numbers.len());
        assert!(numbers.iter().copied().eq(0..numbers.len()), "{producer} has gaps or repeats");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "is started, and killed, by another test"]
async fn child_that_appends_until_it_is_killed() {
    let Some(dir) = input() else { return };
    let log = open(Path::new(&dir));
    log.ensure_topics(&[&TOPIC]).await.unwrap();
    let before = all_records(&log).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..PRODUCERS {
        let key = format!("producer-{number}");
        let next = before.iter().filter(|own| own.key.as_deref() == Some(key.as_bytes())).count();
        tasks.spawn(append_for_ever(log.clone(), key, next));
    }
    let mut consumer = log.subscribe(GROUP, &[TOPIC.name], AT_ONCE).await.unwrap();
    loop {
        for record in crate::log_suite::next_records(&mut *consumer).await {
            consumer.store(Position { at: record.at, offset: record.offset + 1 });
        }
    }
}

async fn append_for_ever(log: EmbeddedLog, key: String, mut next: usize) {
    let producer = log.producer(Some(&key)).await.unwrap();
    loop {
        let batch: Vec<_> =
            (next..next + 3).map(|i| record(&TOPIC, &key, &i.to_string())).collect();
        producer.append(batch).await.unwrap();
        next += 3;
        tell(&format!("{key} {next}"));
    }
}

#[tokio::test]
async fn stored_positions_survive_when_the_log_is_only_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.ensure_topics(&[&TOPIC]).await.unwrap();
    let mut consumer = log.subscribe(GROUP, &[TOPIC.name], AT_ONCE).await.unwrap();
    consumer.next().await;
    consumer.store(position(&TOPIC, 2, 42));
    drop((consumer, log));
    let committed = open(dir.path()).committed(GROUP, &[TOPIC.name]).await.unwrap();
    assert_eq!(committed, [position(&TOPIC, 2, 42)]);
}
