//! What every implementation of [`EventLog`] must hold: one suite, any log.
//!
//! To add a log: implement [`Harness`] for it in `tests/log.rs` and write
//! `log_suite!(name, TheHarness);` beside the others.

mod appending;
mod groups;
mod reading;
mod topics;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use events::topics::{Cleanup, Topic};
use kernel::{Clock, Timestamp};
use messaging::{
    log::{AT_ONCE, Consumer, EventLog, LogEvent},
    record::{NewRecord, Position, Record, RecordRef, RecordSink, TopicPartition},
};
use uuid::Uuid;

pub use self::{appending::*, groups::*, reading::*, topics::*};

/// A log to test, and how to restart it.
#[async_trait]
pub trait Harness: Sized {
    /// Starts it; otherwise says what is missing, and the test says that it was skipped.
    async fn start() -> Result<Self, String>;

    /// The log.
    fn log(&self) -> Arc<dyn EventLog>;

    /// Restarts it. Whoever holds the old log, or something made by it, has dropped it.
    async fn restart(&mut self);
}

/// Makes a module with one test per property for one harness.
#[macro_export]
macro_rules! log_suite {
    ($name:ident, $harness:ty) => {
        mod $name {
            use super::*;
            log_suite! { @tests $harness,
                records_of_a_key_keep_their_order
                a_key_goes_to_the_partition_that_murmur2_says
                headers_keep_their_order_duplicates_and_binary_values
                a_tombstone_is_not_an_empty_value
                a_record_may_have_nearly_1_mib_and_no_more
                offsets_are_dense_and_positions_say_so
                an_append_is_visible_when_it_returns
                what_is_begun_keeps_its_order_and_is_there_with_its_receipt
                an_older_producer_is_fenced_by_a_newer_one_of_its_identity
                concurrent_producers_lose_nothing_and_keep_their_order
                a_backlog_of_50_000_records_is_read_completely
                reading_starts_in_the_middle_where_it_was_told
                reading_starts_at_a_time
                an_append_wakes_a_waiting_reader
                a_cancelled_next_loses_nothing
                a_paused_partition_delivers_nothing_until_it_is_resumed
                what_was_being_read_when_its_partition_was_paused_comes_after_it_is_resumed
                a_sink_is_given_what_would_have_been_returned
                a_sink_is_given_nothing_of_a_paused_partition
                what_a_member_s_sink_was_given_is_not_done_before_it_is_stored
                a_reader_without_a_group_stores_nothing
                a_new_group_starts_at_the_beginning
                groups_do_not_disturb_each_other
                patience_ends_and_misses_nothing
                committed_positions_survive_a_restart
                a_dropped_consumer_is_continued_where_it_had_stored
                a_group_of_1_2_1_3_members_handles_every_record_once
                a_revocation_is_waited_for
                what_is_stored_before_the_answer_is_where_the_next_owner_starts
                an_unknown_topic_is_named
                topics_are_ensured_again_and_again
                a_topic_unlike_the_table_is_a_mismatch
                a_log_that_runs_answers_the_ping
            }
        }
    };
    (@tests $harness:ty, $($property:ident)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $property() {
            match <$harness as $crate::log_suite::Harness>::start().await {
                Ok(harness) => $crate::log_suite::watched($crate::log_suite::$property(harness)).await,
                Err(reason) => println!("skipped {}: {reason}", stringify!($property)),
            }
        }
    )+};
}

/// A test that waits for ever fails instead.
pub async fn watched<T>(test: impl Future<Output = T>) -> T {
    let limit = std::time::Duration::from_secs(60);
    tokio::time::timeout(limit, test).await.expect("the test waits for something that never comes")
}

/// A clock that a test sets, or that goes on by a millisecond each time it is read.
pub struct TestClock {
    now_ms: AtomicI64,
    step_ms: i64,
}

impl TestClock {
    /// Goes on by itself.
    pub fn ticking() -> Arc<Self> {
        Arc::new(Self { now_ms: AtomicI64::new(1_700_000_000_000), step_ms: 1 })
    }

    /// Stands still until it is set.
    pub fn standing(now_ms: i64) -> Arc<Self> {
        Arc::new(Self { now_ms: AtomicI64::new(now_ms), step_ms: 0 })
    }

    /// Sets it.
    pub fn set(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now_ms.fetch_add(self.step_ms, Ordering::SeqCst) * 1000)
    }

    fn new_id(&self) -> Uuid {
        Uuid::nil()
    }
}

/// A week, as most of our topics.
pub const WEEK: Cleanup = Cleanup::Delete { hours: 7 * 24, bytes: None };

/// A topic that no other test has, on a log that outlives the tests too.
pub fn topic(partitions: u32) -> &'static Topic {
    topic_with(partitions, WEEK)
}

/// [`topic`] with another clean-up. Its name lives as long as the process: the table of topics
/// is static everywhere else.
pub fn topic_with(partitions: u32, cleanup: Cleanup) -> &'static Topic {
    let name = format!("test.{:016x}", rand::random::<u64>()).leak();
    Box::leak(Box::new(Topic { name, partitions, cleanup }))
}

/// A group that no other test has.
pub fn group() -> String {
    format!("group-{:016x}", rand::random::<u64>())
}

/// Creates a topic.
pub async fn create(log: &dyn EventLog, partitions: u32) -> &'static Topic {
    let topic = topic(partitions);
    log.ensure_topics(&[topic]).await.unwrap();
    topic
}

/// A record without headers.
pub fn record(topic: &Topic, key: &str, value: &str) -> NewRecord {
    NewRecord {
        topic: topic.name.to_owned(),
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: Vec::new(),
    }
}

/// Records with the values `0` to `count - 1`, over 100 keys.
pub fn numbered(topic: &Topic, count: usize) -> Vec<NewRecord> {
    (0..count).map(|i| record(topic, &format!("key {}", i % 100), &i.to_string())).collect()
}

/// Appends in batches of 500.
pub async fn append(log: &dyn EventLog, records: Vec<NewRecord>) {
    let producer = log.producer(None).await.unwrap();
    for batch in records.chunks(500) {
        producer.append(batch.to_vec()).await.unwrap();
    }
}

/// Position `offset` in a partition of `topic`.
pub fn position(topic: &Topic, partition: u32, offset: u64) -> Position {
    Position { at: TopicPartition::new(topic.name, partition), offset }
}

/// A reader of the whole topic, outside any group.
pub async fn reader(log: &dyn EventLog, topic: &Topic) -> Box<dyn Consumer> {
    let first: Vec<Position> = (0..topic.partitions).map(|i| position(topic, i, 0)).collect();
    log.assign(&first, AT_ONCE).await.unwrap()
}

/// The next records, of whichever partition.
pub async fn next_records(consumer: &mut dyn Consumer) -> Vec<Record> {
    loop {
        match consumer.next().await {
            LogEvent::Records(at, records) => {
                assert!(!records.is_empty(), "an empty batch of {at}");
                assert!(records.len() <= 500, "a batch of {}", records.len());
                assert!(records.iter().all(|record| record.at == at), "a batch of two partitions");
                return records;
            }
            LogEvent::Error(error) => assert!(error.is_transient(), "{error}"),
            LogEvent::Assigned(_) | LogEvent::Revoked(..) => {}
        }
    }
}

/// The next `count` records.
pub async fn read(consumer: &mut dyn Consumer, count: usize) -> Vec<Record> {
    let mut records = Vec::new();
    while records.len() < count {
        records.extend(next_records(consumer).await);
    }
    assert_eq!(records.len(), count, "more than were appended");
    records
}

/// Copies what it is given, and checks that the copy is of what it saw.
#[derive(Default)]
pub struct Copies(pub Vec<Record>);

impl RecordSink for Copies {
    fn take(&mut self, record: &RecordRef<'_>) {
        let copy = record.to_record();
        assert_eq!(copy.at, *record.at);
        assert_eq!((copy.offset, copy.timestamp_ms), (record.offset, record.timestamp_ms));
        assert_eq!((copy.key.as_deref(), copy.value.as_deref()), (record.key, record.value));
        self.0.push(copy);
    }
}

/// Reads into a sink until it has `count` records.
pub async fn read_into(consumer: &mut dyn Consumer, copies: &mut Copies, count: usize) {
    while copies.0.len() < count {
        let before = copies.0.len();
        match consumer.next_into(copies).await {
            None => assert!(copies.0.len() > before, "it was given nothing"),
            Some(LogEvent::Error(error)) => assert!(error.is_transient(), "{error}"),
            Some(LogEvent::Records(..)) => panic!("they are for the sink"),
            Some(LogEvent::Assigned(_) | LogEvent::Revoked(..)) => {}
        }
    }
    assert_eq!(copies.0.len(), count, "more than were appended");
}

/// The records by partition.
pub fn by_partition(records: Vec<Record>) -> BTreeMap<u32, Vec<Record>> {
    let mut partitions: BTreeMap<u32, Vec<Record>> = BTreeMap::new();
    for record in records {
        partitions.entry(record.at.partition).or_default().push(record);
    }
    partitions
}

/// The value as text.
pub fn text(record: &Record) -> &str {
    std::str::from_utf8(record.value.as_deref().unwrap()).unwrap()
}

/// The values as texts, sorted as numbers.
pub fn numbers<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<usize> {
    let mut numbers: Vec<usize> =
        records.into_iter().map(|record| text(record).parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

/// The offsets of all partitions, by number.
pub fn offsets(positions: &[Position]) -> Vec<u64> {
    let sorted: BTreeMap<u32, u64> =
        positions.iter().map(|position| (position.at.partition, position.offset)).collect();
    sorted.into_values().collect()
}
