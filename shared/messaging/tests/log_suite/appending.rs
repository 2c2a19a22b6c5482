//! What is appended is kept as it was, where it belongs, and in order.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use messaging::{log::LogError, murmur2, record::NewRecord};

use super::*;

pub async fn records_of_a_key_keep_their_order(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 6).await;
    append(&*log, numbered(topic, 2000)).await;
    let records = read(&mut *reader(&*log, topic).await, 2000).await;
    let mut last: HashMap<Bytes, usize> = HashMap::new();
    for record in &records {
        let number = text(record).parse().unwrap();
        if let Some(before) = last.insert(record.key.clone().unwrap(), number) {
            assert_eq!(number, before + 100, "of key {:?}", record.key);
        }
    }
    assert_eq!(last.len(), 100);
    assert_eq!(numbers(&records), (0..2000).collect::<Vec<_>>());
}

pub async fn a_key_goes_to_the_partition_that_murmur2_says(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 6).await;
    let keys = ["", "foobar", "kafka", "0197c9a0-7c1e-7d4b-9f32-5f0c5f5d8a11", "SKU-1", "ä"];
    append(&*log, keys.iter().map(|key| record(topic, key, "")).collect()).await;
    for record in read(&mut *reader(&*log, topic).await, keys.len()).await {
        let key = record.key.as_deref().unwrap();
        assert_eq!(record.at.partition, murmur2::partition(key, 6), "{key:?}");
    }
    // Known answers of Kafka's Java client, so that not both are wrong.
    assert_eq!(murmur2::partition(b"foobar", 6), (3_504_634_814_u32 & 0x7fff_ffff) % 6);
    assert_eq!(murmur2::partition(b"21", 6), (3_321_034_988_u32 & 0x7fff_ffff) % 6);
}

pub async fn headers_keep_their_order_duplicates_and_binary_values(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 1).await;
    let headers = vec![
        ("ce_type".into(), Bytes::from_static(b"OrderPlaced")),
        ("twice".into(), Bytes::from_static(&[0, 159, 146, 150, 255])),
        ("ünïcode".into(), Bytes::new()),
        ("twice".into(), Bytes::from_static(b"second")),
    ];
    let new = NewRecord { headers: headers.clone(), ..record(topic, "key", "value") };
    append(&*log, vec![new, record(topic, "key", "bare")]).await;
    let records = read(&mut *reader(&*log, topic).await, 2).await;
    assert_eq!(records[0].headers, headers);
    assert_eq!(records[0].header("ce_type"), Some("OrderPlaced"));
    assert!(records[1].headers.is_empty());
}

pub async fn a_tombstone_is_not_an_empty_value(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 1).await;
    let tombstone = NewRecord { value: None, ..record(topic, "key", "") };
    append(&*log, vec![record(topic, "key", ""), tombstone, record(topic, "", "x")]).await;
    let records = read(&mut *reader(&*log, topic).await, 3).await;
    let values: Vec<Option<&[u8]>> = records.iter().map(|own| own.value.as_deref()).collect();
    assert_eq!(values, [Some(&b""[..]), None, Some(b"x")]);
    assert_eq!(records[2].key.as_deref(), Some(&b""[..]));
}

pub async fn a_record_may_have_nearly_1_mib_and_no_more(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 1).await;
    let large =
        |bytes: usize| NewRecord { value: Some(vec![7; bytes].into()), ..record(topic, "key", "") };
    let producer = log.producer(None).await.unwrap();
    producer.append(vec![large(1_048_000), large(1_048_000)]).await.unwrap();
    let refused = producer.append(vec![large(1_048_577)]).await.unwrap_err();
    assert!(matches!(refused, LogError::Refused(_)), "{refused}");
    assert!(!refused.is_transient());
    producer.append(vec![record(topic, "key", "after")]).await.unwrap();
    let records = read(&mut *reader(&*log, topic).await, 3).await;
    assert_eq!(records[1].value.as_deref(), Some(&vec![7; 1_048_000][..]));
    assert_eq!(text(&records[2]), "after");
}

pub async fn offsets_are_dense_and_positions_say_so(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 3).await;
    assert_eq!(offsets(&log.first_positions(&[topic.name]).await.unwrap()), [0, 0, 0]);
    assert_eq!(offsets(&log.end_positions(&[topic.name]).await.unwrap()), [0, 0, 0]);
    append(&*log, numbered(topic, 1000)).await;
    let records = by_partition(read(&mut *reader(&*log, topic).await, 1000).await);
    for (partition, records) in &records {
        for (offset, record) in records.iter().enumerate() {
            assert_eq!(record.offset, offset as u64, "in partition {partition}");
            assert!(record.timestamp_ms >= records[0].timestamp_ms);
        }
    }
    let ends: Vec<u64> = records.values().map(|records| records.len() as u64).collect();
    assert_eq!(offsets(&log.end_positions(&[topic.name]).await.unwrap()), ends);
    assert_eq!(offsets(&log.first_positions(&[topic.name]).await.unwrap()), [0, 0, 0]);
}

pub async fn an_append_is_visible_when_it_returns(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 1).await;
    let producer = log.producer(None).await.unwrap();
    let mut consumer = reader(&*log, topic).await;
    for i in 0..50 {
        producer.append(vec![record(topic, "key", &i.to_string())]).await.unwrap();
        assert_eq!(offsets(&log.end_positions(&[topic.name]).await.unwrap()), [i + 1]);
        assert_eq!(read(&mut *consumer, 1).await[0].offset, i);
    }
}

pub async fn what_is_begun_keeps_its_order_and_is_there_with_its_receipt(harness: impl Harness) {
    let log = harness.log();
    let topics = [create(&*log, 1).await, topic_with(1, Cleanup::Compact)];
    log.ensure_topics(&topics).await.unwrap();
    let producer = log.producer(Some(&group())).await.unwrap();
    let mut receipts = Vec::new();
    for i in 0..50 {
        let batch = topics.map(|topic| record(topic, &format!("key {i}"), &i.to_string()));
        receipts.push(producer.begin(batch.to_vec()).await.unwrap());
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
    for topic in topics {
        let records = read(&mut *reader(&*log, topic).await, 50).await;
        let values: Vec<usize> = records.iter().map(|one| text(one).parse().unwrap()).collect();
        assert!(values.is_sorted() && values.len() == 50, "{topic:?}: {values:?}");
    }
}

pub async fn an_older_producer_is_fenced_by_a_newer_one_of_its_identity(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 1).await;
    let (relay, other) = (group(), group());
    let older = log.producer(Some(&relay)).await.unwrap();
    let stranger = log.producer(Some(&other)).await.unwrap();
    older.append(vec![record(topic, "key", "0")]).await.unwrap();
    let newer = log.producer(Some(&relay)).await.unwrap();
    newer.append(vec![record(topic, "key", "1")]).await.unwrap();
    for _ in 0..2 {
        let error = older.append(vec![record(topic, "key", "fenced")]).await.unwrap_err();
        assert!(matches!(error, LogError::Fenced(_)), "{error}");
        assert!(!error.is_transient());
    }
    stranger.append(vec![record(topic, "key", "2")]).await.unwrap();
    newer.append(vec![record(topic, "key", "3")]).await.unwrap();
    let records = read(&mut *reader(&*log, topic).await, 4).await;
    assert_eq!(records.iter().map(text).collect::<Vec<_>>(), ["0", "1", "2", "3"]);
}

pub async fn concurrent_producers_lose_nothing_and_keep_their_order(harness: impl Harness) {
    const PRODUCERS: usize = 16;
    const EACH: usize = 100;
    let log = harness.log();
    let topic = create(&*log, 4).await;
    let mut tasks = tokio::task::JoinSet::new();
    for name in 0..PRODUCERS {
        let producer = log.producer(None).await.unwrap();
        tasks.spawn(async move {
            for i in 0..EACH {
                let key = format!("producer {name}");
                producer.append(vec![record(topic, &key, &i.to_string())]).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let mut found: BTreeMap<Bytes, Vec<usize>> = BTreeMap::new();
    for record in read(&mut *reader(&*log, topic).await, PRODUCERS * EACH).await {
        let number = text(&record).parse().unwrap();
        found.entry(record.key.unwrap()).or_default().push(number);
    }
    assert_eq!(found.len(), PRODUCERS);
    for (name, numbers) in found {
        assert_eq!(numbers, (0..EACH).collect::<Vec<_>>(), "of {name:?}");
    }
}
