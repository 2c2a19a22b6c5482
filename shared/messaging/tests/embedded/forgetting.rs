//! Retention and compaction, at a time that the test says, on disk and in memory.

use std::{collections::BTreeMap, sync::Arc};

use events::topics::{Cleanup, Topic};
use messaging::record::NewRecord;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tempfile::TempDir;

use super::*;
use crate::log_suite::{offsets, position, record, topic_with};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A log with a clock to set, and the directory if it has one.
struct Fixture {
    log: EmbeddedLog,
    clock: Arc<TestClock>,
    dir: Option<TempDir>,
}

impl Fixture {
    /// One on disk and one in memory.
    fn both() -> [Self; 2] {
        let clock = TestClock::standing(0);
        let memory = Self { log: EmbeddedLog::in_memory(clock.clone()), clock, dir: None };
        let clock = TestClock::standing(0);
        let dir = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(dir.path(), Settings::new(clock.clone())).unwrap();
        [memory, Self { log, clock, dir: Some(dir) }]
    }

    /// Restarts the log on disk.
    fn reopen(&mut self) {
        if let Some(dir) = &self.dir {
            self.log = EmbeddedLog::in_memory(self.clock.clone());
            self.log = EmbeddedLog::open(dir.path(), Settings::new(self.clock.clone())).unwrap();
        }
    }

    async fn append(&self, records: Vec<NewRecord>) {
        crate::log_suite::append(&self.log, records).await;
    }

    async fn maintain(&self, now_ms: i64) -> u64 {
        self.log.maintain(now_ms).await.unwrap()
    }

    async fn first(&self, topic: &Topic) -> u64 {
        offsets(&self.log.first_positions(&[topic.name]).await.unwrap())[0]
    }

    /// Appends a last record and reads everything up to it.
    async fn values(&self, topic: &Topic) -> Vec<(u64, String, Option<String>)> {
        let end = NewRecord { value: None, ..record(topic, "the end", "") };
        self.append(vec![end]).await;
        let mut consumer = reader(&self.log, topic).await;
        let mut found: Vec<(u64, String, Option<String>)> = Vec::new();
        while found.last().is_none_or(|(_, key, _)| key != "the end") {
            for record in crate::log_suite::next_records(&mut *consumer).await {
                let key = String::from_utf8(record.key.clone().unwrap().to_vec()).unwrap();
                let value = record.value.as_ref().map(|_| text(&record).to_owned());
                found.push((record.offset, key, value));
            }
        }
        found.retain(|(_, key, _)| key != "the end");
        found
    }
}

fn offsets_of(values: &[(u64, String, Option<String>)]) -> Vec<u64> {
    values.iter().map(|(offset, ..)| *offset).collect()
}

#[tokio::test]
async fn records_older_than_the_topic_keeps_them_are_forgotten() {
    for fixture in Fixture::both() {
        let topic = topic_with(1, Cleanup::Delete { hours: 24, bytes: None });
        fixture.log.ensure_topics(&[topic]).await.unwrap();
        for hour in 0..48 {
            fixture.clock.set(hour * HOUR_MS);
            fixture.append((0..50).map(|_| record(topic, "key", "x")).collect()).await;
        }
        assert_eq!(fixture.maintain(23 * HOUR_MS).await, 0);
        assert_eq!(fixture.maintain(40 * HOUR_MS).await, 16 * 50);
        assert_eq!(fixture.maintain(40 * HOUR_MS).await, 0);
        assert_eq!(fixture.first(topic).await, 16 * 50);
        let kept = fixture.values(topic).await;
        assert_eq!(offsets_of(&kept), (16 * 50..48 * 50).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_clock_that_steps_back_does_not_take_the_log_with_it() {
    for mut fixture in Fixture::both() {
        let topic = topic_with(1, Cleanup::Delete { hours: 24, bytes: None });
        fixture.log.ensure_topics(&[topic]).await.unwrap();
        for now_ms in [5000, 3000, 6000] {
            fixture.clock.set(now_ms);
            fixture.append(vec![record(topic, "key", "x"); 2]).await;
            fixture.reopen();
        }
        let records = read(&mut *reader(&fixture.log, topic).await, 6).await;
        let times: Vec<i64> = records.iter().map(|record| record.timestamp_ms).collect();
        assert_eq!(times, [5000, 5000, 5000, 5000, 6000, 6000]);
        let found = fixture.log.positions_at(topic.name, 5001).await.unwrap();
        assert_eq!(found, [position(topic, 0, 4)]);
    }
}

#[tokio::test]
async fn a_partition_is_cut_to_the_size_the_topic_allows() {
    for mut fixture in Fixture::both() {
        let topic = topic_with(1, Cleanup::Delete { hours: 1000, bytes: Some(50_000) });
        fixture.log.ensure_topics(&[topic]).await.unwrap();
        let records = (0..2000).map(|_| record(topic, "", &"x".repeat(100))).collect();
        fixture.append(records).await;
        assert_eq!(fixture.maintain(0).await, 1500);
        assert_eq!(fixture.first(topic).await, 1500);
        fixture.reopen();
        assert_eq!(fixture.maintain(0).await, 0);
        fixture.append(vec![record(topic, "", &"x".repeat(250))]).await;
        assert_eq!(fixture.maintain(0).await, 2, "what is left is still at least the size");
    }
}

#[tokio::test]
async fn offsets_never_repeat_even_when_all_records_are_forgotten() {
    for mut fixture in Fixture::both() {
        let topic = topic_with(1, Cleanup::Delete { hours: 1, bytes: None });
        fixture.log.ensure_topics(&[topic]).await.unwrap();
        fixture.append((0..700).map(|_| record(topic, "key", "x")).collect()).await;
        assert_eq!(fixture.maintain(2 * HOUR_MS).await, 700);
        for _ in 0..2 {
            fixture.reopen();
            let end = offsets(&fixture.log.end_positions(&[topic.name]).await.unwrap());
            assert_eq!((fixture.first(topic).await, end), (700, vec![700]));
        }
        assert!(fixture.values(topic).await.is_empty());
        let end = offsets(&fixture.log.end_positions(&[topic.name]).await.unwrap());
        assert_eq!(end, [701]);
    }
}

#[tokio::test]
async fn a_group_whose_position_was_forgotten_goes_on_at_the_first_record() {
    for fixture in Fixture::both() {
        let topic = topic_with(1, Cleanup::Delete { hours: 1, bytes: None });
        fixture.log.ensure_topics(&[topic]).await.unwrap();
        fixture.append((0..10).map(|_| record(topic, "key", "old")).collect()).await;
        let mut consumer = fixture.log.subscribe("group", &[topic.name], AT_ONCE).await.unwrap();
        consumer.next().await;
        consumer.store(position(topic, 0, 3));
        drop(consumer);
        fixture.clock.set(3 * HOUR_MS);
        assert_eq!(fixture.maintain(3 * HOUR_MS).await, 10);
        fixture.append(vec![record(topic, "key", "new")]).await;
        let mut consumer = fixture.log.subscribe("group", &[topic.name], AT_ONCE).await.unwrap();
        assert_eq!(read(&mut *consumer, 1).await[0].offset, 10);
    }
}

#[tokio::test]
async fn a_reader_of_records_that_are_all_forgotten_waits_for_the_next() {
    for fixture in Fixture::both() {
        let topic = topic_with(1, Cleanup::Delete { hours: 1, bytes: None });
        fixture.log.ensure_topics(&[topic]).await.unwrap();
        fixture.append((0..10).map(|_| record(topic, "key", "old")).collect()).await;
        let mut consumer = reader(&fixture.log, topic).await;
        consumer.next().await;
        fixture.clock.set(3 * HOUR_MS);
        assert_eq!(fixture.maintain(3 * HOUR_MS).await, 10);
        let next = crate::log_suite::watched(read(&mut *consumer, 1));
        let (next, ()) = tokio::join!(next, fixture.append(vec![record(topic, "key", "new")]));
        assert_eq!(next[0].offset, 10);
    }
}

#[tokio::test]
async fn how_long_a_topic_keeps_records_may_change() {
    for mut fixture in Fixture::both() {
        let topic = topic_with(1, Cleanup::Delete { hours: 10, bytes: None });
        let shorter = Topic { cleanup: Cleanup::Delete { hours: 1, bytes: None }, ..*topic };
        fixture.log.ensure_topics(&[topic]).await.unwrap();
        fixture.append(vec![record(topic, "key", "x")]).await;
        assert_eq!(fixture.maintain(2 * HOUR_MS).await, 0);
        fixture.log.ensure_topics(&[&shorter]).await.unwrap();
        fixture.reopen();
        assert_eq!(fixture.maintain(2 * HOUR_MS).await, 1);
    }
}

#[tokio::test]
async fn compaction_keeps_the_newest_record_of_each_key_where_it_was() {
    for mut fixture in Fixture::both() {
        let topic = topic_with(1, Cleanup::Compact);
        fixture.log.ensure_topics(&[topic]).await.unwrap();
        fixture.append((0..1000).map(|i| versioned(topic, i)).collect()).await;
        assert_eq!(fixture.maintain(0).await, 993);
        assert_eq!(fixture.maintain(0).await, 0);
        assert_eq!(fixture.first(topic).await, 993);
        fixture.append((1000..1003).map(|i| versioned(topic, i)).collect()).await;
        fixture.reopen();
        assert_eq!(fixture.maintain(0).await, 3);
        let kept = fixture.values(topic).await;
        assert_eq!(offsets_of(&kept), [996, 997, 998, 999, 1000, 1001, 1002]);
        assert_eq!(kept[0], (996, "key 2".to_owned(), Some("996".to_owned())));
    }
}

fn versioned(topic: &Topic, i: u64) -> NewRecord {
    record(topic, &format!("key {}", i % 7), &i.to_string())
}

#[tokio::test]
async fn a_tombstone_stays_a_day_and_then_goes_too() {
    for mut fixture in Fixture::both() {
        let topic = topic_with(1, Cleanup::Compact);
        fixture.log.ensure_topics(&[topic]).await.unwrap();
        let tombstone = NewRecord { value: None, ..record(topic, "gone", "") };
        fixture
            .append(vec![record(topic, "gone", "1"), record(topic, "kept", "2"), tombstone])
            .await;
        assert_eq!(fixture.maintain(1000).await, 1);
        assert_eq!(fixture.maintain(DAY_MS - 1).await, 0);
        fixture.reopen();
        assert_eq!(fixture.maintain(DAY_MS).await, 1);
        let kept = fixture.values(topic).await;
        assert_eq!(kept, [(1, "kept".to_owned(), Some("2".to_owned()))]);
    }
}

#[tokio::test]
async fn compaction_takes_several_passes_when_there_are_many_keys() {
    const KEYS: u64 = 45_000;
    for fixture in Fixture::both() {
        let topic = topic_with(1, Cleanup::Compact);
        fixture.log.ensure_topics(&[topic]).await.unwrap();
        let key = |i: u64| record(topic, &format!("key {}", i % KEYS), &i.to_string());
        fixture.append((0..2 * KEYS).map(key).collect()).await;
        assert_eq!(fixture.maintain(0).await, KEYS);
        let kept = fixture.values(topic).await;
        assert_eq!(offsets_of(&kept), (KEYS..2 * KEYS).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn compaction_never_changes_what_the_newest_of_each_key_says() {
    for seed in 0..20 {
        for mut fixture in Fixture::both() {
            check_compaction(&mut fixture, StdRng::seed_from_u64(seed), seed).await;
        }
    }
}

async fn check_compaction(fixture: &mut Fixture, mut random: StdRng, seed: u64) {
    let topic = topic_with(1, Cleanup::Compact);
    fixture.log.ensure_topics(&[topic]).await.unwrap();
    let mut newest: BTreeMap<String, Option<String>> = BTreeMap::new();
    for round in 0..8 {
        let records = (0..random.random_range(1..60)).map(|i| {
            let key = format!("key {}", random.random_range(0..12));
            let value = random.random_bool(0.7).then(|| format!("{round} {i}"));
            newest.insert(key.clone(), value.clone());
            NewRecord { value: value.map(Into::into), ..record(topic, &key, "") }
        });
        fixture.append(records.collect()).await;
        if random.random_bool(0.6) {
            fixture.maintain(0).await;
        }
        if random.random_bool(0.2) {
            fixture.reopen();
        }
    }
    fixture.maintain(0).await;
    let kept = fixture.values(topic).await;
    let found: BTreeMap<_, _> =
        kept.iter().map(|(_, key, value)| (key.clone(), value.clone())).collect();
    assert_eq!(found, newest, "seed {seed}");
    assert_eq!(kept.len(), newest.len(), "seed {seed}");
}
