//! The log over a store that fails or stops when told: group commit, who sees what when, back-pressure, errors.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard},
};

use bytes::Bytes;
use events::topics::Cleanup;
use futures::FutureExt;
use kernel::Timestamp;
use uuid::Uuid;

use super::{store::Batch, *};
use crate::{
    log::{AT_ONCE, LogEvent},
    record::NewRecord,
};

static TOPIC: Topic =
    Topic { name: "test", partitions: 1, cleanup: Cleanup::Delete { hours: 1, bytes: None } };

struct Midnight;

impl Clock for Midnight {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn new_id(&self) -> Uuid {
        Uuid::nil()
    }
}

/// A store in memory whose writes a test lets through one by one.
#[derive(Clone, Default)]
struct Gate {
    store: MemoryStore,
    control: Arc<(Mutex<Control>, Condvar)>,
}

#[derive(Default)]
struct Control {
    /// Results for the next writes; a write waits until there is one.
    verdicts: VecDeque<Result<(), LogError>>,
    /// Records and positions of each write so far.
    writes: Vec<(usize, usize)>,
    is_waiting: bool,
}

impl Gate {
    fn allow(&self, verdict: Result<(), LogError>) {
        self.control.0.lock().unwrap().verdicts.push_back(verdict);
        self.control.1.notify_all();
    }

    /// Returns once a write waits for its verdict.
    fn wait_for_a_write(&self) {
        self.wait_until(|control| control.is_waiting);
    }

    fn wait_until(&self, condition: impl Fn(&Control) -> bool) {
        drop(self.wait(self.control.0.lock().unwrap(), |control| !condition(control)));
    }

    /// Waits, but not for ever: then the test fails.
    fn wait<'a>(
        &'a self,
        control: MutexGuard<'a, Control>,
        condition: impl Fn(&Control) -> bool,
    ) -> MutexGuard<'a, Control> {
        let (limit, condition) = (Duration::from_secs(60), |own: &mut Control| condition(own));
        let (control, result) =
            self.control.1.wait_timeout_while(control, limit, condition).unwrap();
        assert!(!result.timed_out(), "it waits for something that never comes");
        control
    }

    fn writes(&self) -> Vec<(usize, usize)> {
        self.control.0.lock().unwrap().writes.clone()
    }
}

impl Store for Gate {
    fn write(&mut self, batch: &Batch) -> Result<(), LogError> {
        let mut control = self.control.0.lock().unwrap();
        control.is_waiting = true;
        self.control.1.notify_all();
        let mut control = self.wait(control, |control| control.verdicts.is_empty());
        control.is_waiting = false;
        control.writes.push((batch.records.len(), batch.positions.len()));
        self.control.1.notify_all();
        control.verdicts.pop_front().unwrap()?;
        drop(control);
        self.store.write(batch)
    }
}

fn full() -> LogError {
    LogError::Storage("the disk is full".to_owned())
}

/// A log over a gate, with the topic made.
async fn gated(queue_bytes: usize) -> (EmbeddedLog, Gate) {
    let gate = Gate::default();
    let settings = Settings { queue_bytes, ..Settings::new(Arc::new(Midnight)) };
    let reader = Arc::new(gate.store.clone());
    let store = Box::new(gate.clone());
    let log = EmbeddedLog::start(store, reader, Catalog::default(), None, settings).unwrap();
    gate.allow(Ok(()));
    log.ensure_topics(&[&TOPIC]).await.unwrap();
    (log, gate)
}

fn record(value: &str) -> NewRecord {
    NewRecord {
        topic: TOPIC.name.to_owned(),
        key: Bytes::new(),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: Vec::new(),
    }
}

async fn end(log: &EmbeddedLog) -> u64 {
    log.end_positions(&[TOPIC.name]).await.unwrap()[0].offset
}

/// A member of the group, which has been told that the partition is its own.
async fn member(log: &EmbeddedLog) -> Box<dyn Consumer> {
    let mut member = log.subscribe("group", &[TOPIC.name], AT_ONCE).await.unwrap();
    member.next().await;
    member
}

fn start() -> Position {
    Position { at: at(TOPIC.name, 0), offset: 0 }
}

async fn values(log: &EmbeddedLog, count: u64) -> Vec<Bytes> {
    let mut consumer = log.assign(&[start()], AT_ONCE).await.unwrap();
    let mut values = Vec::new();
    while (values.len() as u64) < count {
        if let LogEvent::Records(_, records) = consumer.next().await {
            values.extend(records.into_iter().filter_map(|record| record.value));
        }
    }
    values
}

#[tokio::test]
async fn all_appends_that_wait_are_written_together() {
    let (log, gate) = gated(1 << 20).await;
    let producer = log.producer(None).await.unwrap();
    let mut first = producer.append(vec![record("first")]);
    assert!((&mut first).now_or_never().is_none());
    gate.wait_for_a_write();
    let mut others: Vec<_> = (0..50).map(|_| producer.append(vec![record("other")])).collect();
    assert!(others.iter_mut().all(|other| other.now_or_never().is_none()));
    assert_eq!(end(&log).await, 0, "nothing is on disk yet");
    gate.allow(Ok(()));
    first.await.unwrap();
    gate.allow(Ok(()));
    futures::future::try_join_all(others).await.unwrap();
    assert_eq!(gate.writes()[1..], [(1, 0), (50, 0)]);
    assert_eq!(end(&log).await, 51);
}

#[tokio::test]
async fn appending_waits_while_the_queue_is_full() {
    let (log, gate) = gated(1000).await;
    let producer = log.producer(None).await.unwrap();
    let large = "x".repeat(400);
    let mut appends: Vec<_> = (0..4).map(|_| producer.append(vec![record(&large)])).collect();
    for append in &mut appends {
        assert!(append.now_or_never().is_none());
    }
    gate.wait_for_a_write();
    // As many writes as it may take: how many wait for the next one is not for us to say.
    (0..4).for_each(|_| gate.allow(Ok(())));
    futures::future::try_join_all(appends).await.unwrap();
    let most = gate.writes().iter().map(|(records, _)| *records).max();
    assert!(most <= Some(2), "no more than fit in the queue: {:?}", gate.writes());
    gate.allow(Ok(()));
    producer.append(vec![record(&"x".repeat(5000))]).await.unwrap();
}

#[tokio::test]
async fn members_of_groups_see_what_is_not_on_disk_and_nobody_else_does() {
    let (log, gate) = gated(1 << 20).await;
    let producer = log.producer(None).await.unwrap();
    let mut member = member(&log).await;
    let mut other = log.assign(&[start()], AT_ONCE).await.unwrap();
    other.next().await;
    let receipt = producer.begin(vec![record("0")]).await.unwrap();
    assert!(matches!(member.next().await, LogEvent::Records(_, records) if records.len() == 1));
    gate.wait_for_a_write();
    assert!(other.next().now_or_never().is_none());
    assert_eq!(end(&log).await, 0);
    gate.allow(Ok(()));
    receipt.await.unwrap();
    assert!(matches!(other.next().await, LogEvent::Records(_, records) if records.len() == 1));
    assert!(member.next().now_or_never().is_none());
    assert_eq!(end(&log).await, 1);
}

#[tokio::test]
async fn no_position_is_on_disk_before_the_records_behind_which_it_is() {
    let (log, gate) = gated(1 << 20).await;
    let producer = log.producer(None).await.unwrap();
    let mut member = member(&log).await;
    let first = producer.begin(vec![record("0")]).await.unwrap();
    gate.wait_for_a_write();
    let second = producer.begin(vec![record("1")]).await.unwrap();
    member.next().await;
    member.store(Position { at: at(TOPIC.name, 0), offset: 2 });
    // The position with the records or behind them: how long it waits is not for us to say.
    gate.allow(Err(full()));
    (0..2).for_each(|_| gate.allow(Ok(())));
    first.await.unwrap_err();
    second.await.unwrap();
    log.close().await.unwrap();
    let writes = gate.writes().split_off(1);
    assert!(matches!(writes[..], [(1, 0), (2, 1)] | [(1, 0), (2, 0), (0, 1)]), "{writes:?}");
}

#[tokio::test]
async fn what_could_not_be_written_is_kept_and_nothing_is_added_until_it_can_be() {
    let (log, gate) = gated(1 << 20).await;
    let producer = log.producer(None).await.unwrap();
    gate.allow(Ok(()));
    producer.append(vec![record("0")]).await.unwrap();
    gate.allow(Err(full()));
    let error = producer.append(vec![record("1"), record("2")]).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(end(&log).await, 1);
    gate.allow(Err(full()));
    producer.append(vec![record("refused")]).await.unwrap_err();
    gate.allow(Err(full()));
    log.ping().await.unwrap_err();
    gate.allow(Ok(()));
    log.ping().await.unwrap();
    log.ping().await.unwrap();
    assert_eq!(end(&log).await, 3);
    gate.allow(Ok(()));
    producer.append(vec![record("3")]).await.unwrap();
    assert_eq!(gate.writes()[1..], [(1, 0), (2, 0), (2, 0), (2, 0), (2, 0), (1, 0)]);
    assert_eq!(values(&log, 4).await, [&b"0"[..], b"1", b"2", b"3"]);
}

#[tokio::test]
async fn positions_are_saved_soon_and_once_more_after_a_failure() {
    let (log, gate) = gated(1 << 20).await;
    let consumer = member(&log).await;
    for offset in 1..=100 {
        consumer.store(Position { at: at(TOPIC.name, 0), offset });
    }
    let committed = log.committed("group", &[TOPIC.name]).await.unwrap();
    assert_eq!(committed[0].offset, 100, "known before it is on disk");
    gate.allow(Err(full()));
    gate.allow(Ok(()));
    gate.wait_until(|control| control.writes.len() == 3);
    log.close().await.unwrap();
    assert_eq!(gate.writes()[1..], [(0, 1), (0, 1)]);
}

#[tokio::test]
async fn a_producer_that_was_fenced_while_its_append_waited_is_told() {
    let (log, gate) = gated(10).await;
    let older = log.producer(Some("relay")).await.unwrap();
    let mut under_way = older.append(vec![record("under way")]);
    assert!((&mut under_way).now_or_never().is_none());
    gate.wait_for_a_write();
    let mut waiting = older.append(vec![record("for room")]);
    assert!((&mut waiting).now_or_never().is_none());
    let mut newer = log.producer(Some("relay"));
    assert!((&mut newer).now_or_never().is_none(), "until the older one's fate is known");
    gate.allow(Ok(()));
    newer.await.unwrap();
    under_way.await.unwrap();
    assert!(matches!(waiting.await, Err(LogError::Fenced(_))));
    assert_eq!(values(&log, 1).await, [&b"under way"[..]]);
}

#[tokio::test]
async fn an_append_whose_caller_went_away_is_done_all_the_same() {
    let (log, gate) = gated(1 << 20).await;
    let producer = log.producer(None).await.unwrap();
    assert!(producer.append(vec![record("0")]).now_or_never().is_none());
    gate.allow(Ok(()));
    gate.allow(Ok(()));
    producer.append(vec![record("1")]).await.unwrap();
    assert_eq!(values(&log, 2).await, [&b"0"[..], b"1"]);
}

#[tokio::test]
async fn a_closed_log_shows_nothing_and_keeps_nobody_waiting() {
    let (log, gate) = gated(1 << 20).await;
    let producer = log.producer(None).await.unwrap();
    let mut member = member(&log).await;
    let receipt = producer.begin(vec![record("0")]).await.unwrap();
    gate.allow(Ok(()));
    log.close().await.unwrap();
    receipt.await.unwrap();
    assert!(matches!(member.next().await, LogEvent::Records(_, records) if records.len() == 1));
    for _ in 0..2 {
        let closed = producer.begin(vec![record("late")]).await.err().unwrap();
        assert!(matches!(closed, LogError::Unavailable(_)), "{closed}");
    }
    assert!(member.next().now_or_never().is_none());
}
