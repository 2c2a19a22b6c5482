//! Groups: shared partitions, stored positions, and a rebalance that neither loses nor doubles.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use messaging::log::{AT_ONCE, LogEvent, Revocation};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};

use super::*;

pub async fn a_new_group_starts_at_the_beginning(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 3).await;
    append(&*log, numbered(topic, 300)).await;
    let group = group();
    assert!(log.committed(&group, &[topic.name]).await.unwrap().is_empty());
    let mut consumer = log.subscribe(&group, &[topic.name], AT_ONCE).await.unwrap();
    let LogEvent::Assigned(partitions) = consumer.next().await else {
        panic!("records before their partition was assigned");
    };
    assert_eq!(partitions.len(), 3);
    assert_eq!(numbers(&read(&mut *consumer, 300).await), (0..300).collect::<Vec<_>>());
}

pub async fn groups_do_not_disturb_each_other(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 3).await;
    append(&*log, numbered(topic, 300)).await;
    let (one, two) = (group(), group());
    for group in [&one, &two] {
        let mut consumer = log.subscribe(group, &[topic.name], AT_ONCE).await.unwrap();
        let records = read(&mut *consumer, 300).await;
        store_all(&*consumer, &records);
    }
    let ends = log.end_positions(&[topic.name]).await.unwrap();
    assert_eq!(offsets(&log.committed(&one, &[topic.name]).await.unwrap()), offsets(&ends));
    assert_eq!(offsets(&log.committed(&two, &[topic.name]).await.unwrap()), offsets(&ends));
}

pub async fn patience_ends_and_misses_nothing(harness: impl Harness) {
    const PATIENCE: Duration = Duration::from_millis(100);
    let log = harness.log();
    let topic = create(&*log, 3).await;
    let first = log.first_positions(&[topic.name]).await.unwrap();
    let mut member = log.subscribe(&group(), &[topic.name], PATIENCE).await.unwrap();
    let mut reader = log.assign(&first, PATIENCE).await.unwrap();
    for count in [1, 300] {
        append(&*log, numbered(topic, count)).await;
        for consumer in [&mut member, &mut reader] {
            let records = read(&mut **consumer, count).await;
            assert_eq!(numbers(&records), (0..count).collect::<Vec<_>>());
        }
    }
}

pub async fn committed_positions_survive_a_restart(mut harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 3).await;
    append(&*log, numbered(topic, 300)).await;
    let group = group();
    let mut consumer = log.subscribe(&group, &[topic.name], AT_ONCE).await.unwrap();
    let records = read(&mut *consumer, 300).await;
    store_all(&*consumer, &records);
    drop(consumer);
    drop(log);
    harness.restart().await;
    let log = harness.log();
    let ends = offsets(&log.end_positions(&[topic.name]).await.unwrap());
    assert_eq!(ends.iter().sum::<u64>(), 300);
    assert_eq!(offsets(&log.committed(&group, &[topic.name]).await.unwrap()), ends);
    append(&*log, vec![record(topic, "key 1", "300")]).await;
    let mut consumer = log.subscribe(&group, &[topic.name], AT_ONCE).await.unwrap();
    assert_eq!(numbers(&read(&mut *consumer, 1).await), [300]);
    assert_eq!(numbers(&read(&mut *reader(&*log, topic).await, 301).await).len(), 301);
}

pub async fn a_dropped_consumer_is_continued_where_it_had_stored(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 1).await;
    append(&*log, numbered(topic, 1000)).await;
    let group = group();
    let mut first = log.subscribe(&group, &[topic.name], AT_ONCE).await.unwrap();
    let seen = next_records(&mut *first).await;
    assert!(seen.len() > 137, "all are waiting");
    // It has read more than it has stored: that must come again.
    first.store(position(topic, 0, 137));
    drop(first);
    let mut second = log.subscribe(&group, &[topic.name], AT_ONCE).await.unwrap();
    let rest = read(&mut *second, 1000 - 137).await;
    assert_eq!(rest[0].offset, 137);
}

pub async fn a_revocation_is_waited_for(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 4).await;
    let group = group();
    let mut owner = log.subscribe(&group, &[topic.name], AT_ONCE).await.unwrap();
    assert_eq!(assigned(&mut *owner).await.len(), 4);
    let mut newcomer = log.subscribe(&group, &[topic.name], AT_ONCE).await.unwrap();
    let (going, revocation) = revoked(&mut *owner, &mut *newcomer).await;
    assert!(going.len() >= 2, "{going:?}");
    for _ in 0..100 {
        let early = newcomer.next().now_or_never();
        assert!(early.is_none(), "{early:?} before the revocation was answered");
        tokio::task::yield_now().await;
    }
    revocation.done();
    let got = assigned(&mut *newcomer).await;
    assert_eq!(got.len(), 2);
    assert!(got.iter().all(|partition| going.contains(partition)), "{got:?}");
}

pub async fn what_is_stored_before_the_answer_is_where_the_next_owner_starts(
    harness: impl Harness,
) {
    let log = harness.log();
    let topic = create(&*log, 2).await;
    append(&*log, numbered(topic, 100)).await;
    let group = group();
    let mut owner = log.subscribe(&group, &[topic.name], AT_ONCE).await.unwrap();
    let records = by_partition(read(&mut *owner, 100).await);
    let mut newcomer = log.subscribe(&group, &[topic.name], AT_ONCE).await.unwrap();
    let (going, revocation) = revoked(&mut *owner, &mut *newcomer).await;
    // The work in flight is finished now, and one record is left over.
    for partition in &going {
        let end = records[&partition.partition].len() as u64;
        owner.store(position(topic, partition.partition, end - 1));
    }
    revocation.done();
    let got = assigned(&mut *newcomer).await;
    let next = next_records(&mut *newcomer).await;
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].at, got[0]);
    assert_eq!(Some(&next[0]), records[&got[0].partition].last());
}

/// Members come and go by the number of records handled, never by time.
pub async fn a_group_of_1_2_1_3_members_handles_every_record_once(harness: impl Harness) {
    const RECORDS: usize = 4000;
    let log = harness.log();
    let topic = create(&*log, 6).await;
    let group = group();
    let handled = Arc::new(Handled::default());
    let join = async || {
        let consumer = log.subscribe(&group, &[topic.name], AT_ONCE).await.unwrap();
        Member::start(consumer, Arc::clone(&handled))
    };
    let producer = log.producer(None).await.unwrap();
    let records = numbered(topic, RECORDS);
    let appending = tokio::spawn(async move {
        for batch in records.chunks(10) {
            producer.append(batch.to_vec()).await.unwrap();
        }
    });
    let one = join().await;
    handled.wait_for(RECORDS / 5).await;
    let two = join().await;
    handled.wait_for(2 * RECORDS / 5).await;
    one.stop().await;
    handled.wait_for(3 * RECORDS / 5).await;
    let three = [join().await, join().await];
    handled.wait_for(RECORDS).await;
    appending.await.unwrap();
    two.stop().await;
    let [three, four] = three;
    three.stop().await;
    four.stop().await;
    handled.assert_each_once_and_in_order(RECORDS);
    let committed = offsets(&log.committed(&group, &[topic.name]).await.unwrap());
    assert_eq!(committed, offsets(&log.end_positions(&[topic.name]).await.unwrap()));
}

/// What all members have handled, in the order they did.
#[derive(Default)]
struct Handled {
    records: Mutex<Vec<(TopicPartition, u64)>>,
    count: AtomicUsize,
    changed: Notify,
}

impl Handled {
    fn add(&self, record: &Record) {
        self.records.lock().unwrap().push((record.at.clone(), record.offset));
        self.count.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_one();
    }

    async fn wait_for(&self, count: usize) {
        while self.count.load(Ordering::SeqCst) < count {
            self.changed.notified().await;
        }
    }

    fn assert_each_once_and_in_order(&self, count: usize) {
        let records = self.records.lock().unwrap();
        assert_eq!(records.len(), count);
        let mut next: BTreeMap<TopicPartition, u64> = BTreeMap::new();
        for (at, offset) in records.iter() {
            let expected = next.entry(at.clone()).or_default();
            assert_eq!(offset, expected, "in {at}");
            *expected += 1;
        }
    }
}

/// A member that handles records one by one, giving way after each.
struct Member {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Member {
    fn start(mut consumer: Box<dyn Consumer>, handled: Arc<Handled>) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            while !*stopped.borrow() {
                let event = tokio::select! {
                    event = consumer.next() => event,
                    _ = stopped.changed() => return,
                };
                match event {
                    LogEvent::Records(_, records) => {
                        handle(&mut *consumer, &handled, &records).await
                    }
                    LogEvent::Revoked(_, revocation) => revocation.done(),
                    LogEvent::Assigned(_) => {}
                    LogEvent::Error(error) => assert!(error.is_transient(), "{error}"),
                }
            }
        });
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        self.task.await.unwrap();
    }
}

async fn handle(consumer: &mut dyn Consumer, handled: &Handled, records: &[Record]) {
    for record in records {
        handled.add(record);
        tokio::task::yield_now().await;
        consumer.store(Position { at: record.at.clone(), offset: record.offset + 1 });
    }
}

fn store_all(consumer: &dyn Consumer, records: &[Record]) {
    for record in records {
        consumer.store(Position { at: record.at.clone(), offset: record.offset + 1 });
    }
}

/// The partitions that `consumer` is assigned next.
async fn assigned(consumer: &mut dyn Consumer) -> Vec<TopicPartition> {
    loop {
        match consumer.next().await {
            LogEvent::Assigned(partitions) if !partitions.is_empty() => return partitions,
            LogEvent::Records(at, _) => panic!("records of {at}"),
            LogEvent::Assigned(_) | LogEvent::Revoked(..) | LogEvent::Error(_) => {}
        }
    }
}

/// What `owner` must let go for `newcomer`, which must be polled to join.
async fn revoked(
    owner: &mut dyn Consumer,
    newcomer: &mut dyn Consumer,
) -> (Vec<TopicPartition>, Revocation) {
    loop {
        tokio::select! {
            biased;
            event = owner.next() => match event {
                LogEvent::Revoked(partitions, revocation) => {
                    let distinct: BTreeSet<_> = partitions.iter().collect();
                    assert_eq!(distinct.len(), partitions.len());
                    return (partitions, revocation);
                }
                LogEvent::Records(..) | LogEvent::Assigned(_) | LogEvent::Error(_) => {}
            },
            event = newcomer.next() => match event {
                LogEvent::Assigned(partitions) => assert!(partitions.is_empty()),
                LogEvent::Error(_) => {}
                event => panic!("{event:?} before anything was revoked"),
            },
        }
    }
}
