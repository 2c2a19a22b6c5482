//! Transaction markers take offsets that no record has: ends are reached all the same.

use std::time::Duration;

use messaging::gate::has_reached;
use rdkafka::producer::Producer as _;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(20);

/// Handles records until the group has committed all that the topic holds; returns them.
async fn handle_all(
    log: &KafkaLog,
    group: &str,
    topic: &'static events::topics::Topic,
) -> Vec<Record> {
    let mut consumer = log.subscribe(group, &[topic.name], AT_ONCE).await.unwrap();
    let ends = log.end_positions(&[topic.name]).await.unwrap();
    let mut handled = Vec::new();
    let reached = async {
        while !has_reached(log, group, &[topic.name], &ends).await.unwrap() {
            tokio::task::yield_now().await;
        }
    };
    tokio::pin!(reached);
    loop {
        tokio::select! {
            () = &mut reached => return handled,
            event = consumer.next() => if let LogEvent::Records(at, records) = event {
                let offset = records.last().unwrap().offset + 1;
                consumer.store(messaging::record::Position { at, offset });
                handled.extend(records);
            },
        }
    }
}

/// Waits until the partition's end is here: markers are written after the commit is answered.
async fn end_is(log: &KafkaLog, topic: &'static events::topics::Topic, end: u64) {
    while offsets(&log.end_positions(&[topic.name]).await.unwrap()) != [end] {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_reaches_the_end_past_the_marker_of_the_last_transaction() {
    let Some(harness) = kafka("commit markers").await else { return };
    let log = harness.another();
    let topic = compacted(&[&log], 1).await;
    let producer = log.producer(Some(&group())).await.unwrap();
    for i in 0..3 {
        producer.append(vec![record(topic, "key", &i.to_string())]).await.unwrap();
    }
    end_is(&log, topic, 6).await;
    let group = group();
    let records = handle_all(&log, &group, topic).await;
    assert_eq!(records.iter().map(|own| own.offset).collect::<Vec<_>>(), [0, 2, 4]);
    assert_eq!(offsets(&log.committed(&group, &[topic.name]).await.unwrap()), [6]);
    // The next member begins after the marker and has nothing left to do.
    assert!(handle_all(&log, &group, topic).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_reaches_the_end_of_a_partition_with_nothing_but_an_aborted_transaction() {
    let Some(harness) = kafka("aborted transactions").await else { return };
    let log = harness.another();
    let topic = create(&log, 1).await;
    let foreign = foreign_producer(&harness);
    let client = foreign.clone();
    blocking(move || client.init_transactions(TIMEOUT).unwrap()).await;
    foreign.begin_transaction().unwrap();
    send_foreign(&harness, &foreign, topic, "aborted").await;
    blocking(move || foreign.abort_transaction(TIMEOUT).unwrap()).await;
    end_is(&log, topic, 2).await;
    assert!(handle_all(&log, &group(), topic).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_is_before_a_transaction_that_is_still_open() {
    let Some(harness) = kafka("open transactions").await else { return };
    let log = harness.another();
    let topic = create(&log, 1).await;
    let foreign = foreign_producer(&harness);
    let client = foreign.clone();
    blocking(move || client.init_transactions(TIMEOUT).unwrap()).await;
    append(&log, vec![record(topic, "key", "0")]).await;
    foreign.begin_transaction().unwrap();
    send_foreign(&harness, &foreign, topic, "1").await;
    append(&log, vec![record(topic, "key", "2")]).await;
    assert_eq!(offsets(&log.end_positions(&[topic.name]).await.unwrap()), [1]);
    let handled = handle_all(&log, &group(), topic).await;
    assert_eq!(handled.iter().map(text).collect::<Vec<_>>(), ["0"]);
    blocking(move || foreign.commit_transaction(TIMEOUT).unwrap()).await;
    end_is(&log, topic, 4).await;
    let handled = handle_all(&log, &group(), topic).await;
    assert_eq!(handled.iter().map(text).collect::<Vec<_>>(), ["0", "1", "2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_keys_land_where_murmur2_says() {
    let Some(harness) = kafka("murmur2").await else { return };
    let log = harness.another();
    let topic = create(&log, 7).await;
    let keys = (0..3000_usize).map(|i| {
        "ключ-order-".chars().cycle().take(i % 40).chain(i.to_string().chars()).collect::<String>()
    });
    append(&log, keys.map(|key| record(topic, &key, "")).collect()).await;
    for record in read(&mut *reader(&log, topic).await, 3000).await {
        let key = record.key.as_deref().unwrap();
        assert_eq!(record.at.partition, messaging::murmur2::partition(key, 7), "{key:?}");
    }
}
