//! What was appended is read: all of it, from any place, and only when it is wanted.

use futures::FutureExt;
use messaging::log::{AT_ONCE, LogEvent};

use super::*;

pub async fn a_backlog_of_50_000_records_is_read_completely(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 6).await;
    append(&*log, numbered(topic, 50_000)).await;
    let mut consumer = log.subscribe(&group(), &[topic.name], AT_ONCE).await.unwrap();
    let records = read(&mut *consumer, 50_000).await;
    assert_eq!(numbers(&records), (0..50_000).collect::<Vec<_>>());
    for (partition, records) in by_partition(records) {
        let dense = records.iter().enumerate().all(|(i, record)| record.offset == i as u64);
        assert!(dense, "gaps in partition {partition}");
    }
}

pub async fn reading_starts_in_the_middle_where_it_was_told(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 1).await;
    append(&*log, numbered(topic, 1200)).await;
    for from in [0, 1, 499, 500, 501, 777, 1199] {
        let mut consumer = log.assign(&[position(topic, 0, from)], AT_ONCE).await.unwrap();
        let records = read(&mut *consumer, 1200 - from as usize).await;
        assert_eq!(records[0].offset, from);
        assert_eq!(text(&records[0]), from.to_string());
    }
    // At the end there is nothing yet, and then only what is new.
    let mut consumer = log.assign(&[position(topic, 0, 1200)], AT_ONCE).await.unwrap();
    append(&*log, vec![record(topic, "key", "new")]).await;
    assert_eq!(text(&read(&mut *consumer, 1).await[0]), "new");
}

pub async fn reading_starts_at_a_time(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 1).await;
    let mut consumer = reader(&*log, topic).await;
    let mut records = Vec::new();
    // Until the log's clock has moved a few times, whatever clock it is.
    while records.last().map_or(0, |last: &Record| last.timestamp_ms - records[0].timestamp_ms) < 5
    {
        append(&*log, vec![record(topic, "key", "0")]).await;
        records.extend(read(&mut *consumer, 1).await);
    }
    let last_ms = records.last().unwrap().timestamp_ms;
    for at_ms in [0, records[0].timestamp_ms, last_ms - 2, last_ms, last_ms + 1] {
        let before = records.iter().filter(|record| record.timestamp_ms < at_ms).count();
        let found = log.positions_at(topic.name, at_ms).await.unwrap();
        assert_eq!(found, [position(topic, 0, before as u64)], "{at_ms}");
    }
}

pub async fn an_append_wakes_a_waiting_reader(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 4).await;
    let mut consumer = log.subscribe(&group(), &[topic.name], AT_ONCE).await.unwrap();
    assert!(matches!(consumer.next().await, LogEvent::Assigned(_)));
    for i in 0..20 {
        let mut waiting = std::pin::pin!(read(&mut *consumer, 1));
        assert!(waiting.as_mut().now_or_never().is_none(), "nothing is there yet");
        append(&*log, vec![record(topic, &format!("key {i}"), &i.to_string())]).await;
        assert_eq!(text(&waiting.await[0]), i.to_string());
    }
}

pub async fn a_cancelled_next_loses_nothing(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 2).await;
    append(&*log, numbered(topic, 5000)).await;
    let mut consumer = log.subscribe(&group(), &[topic.name], AT_ONCE).await.unwrap();
    let mut records = Vec::new();
    while records.len() < 5000 {
        tokio::select! {
            biased;
            next = next_records(&mut *consumer) => records.extend(next),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(numbers(&records), (0..5000).collect::<Vec<_>>());
    for (_, records) in by_partition(records) {
        assert!(records.iter().enumerate().all(|(i, record)| record.offset == i as u64));
    }
}

pub async fn a_paused_partition_delivers_nothing_until_it_is_resumed(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 2).await;
    let mut consumer = reader(&*log, topic).await;
    assert!(matches!(consumer.next().await, LogEvent::Assigned(_)));
    let paused = [TopicPartition::new(topic.name, 0)];
    consumer.pause(&paused);
    append(&*log, numbered(topic, 1000)).await;
    let ends = offsets(&log.end_positions(&[topic.name]).await.unwrap());
    let others = read(&mut *consumer, ends[1] as usize).await;
    assert!(others.iter().all(|record| record.at.partition == 1));
    assert!(next_records(&mut *consumer).now_or_never().is_none(), "delivered while paused");
    consumer.resume(&paused);
    let resumed = read(&mut *consumer, ends[0] as usize).await;
    assert!(resumed.iter().enumerate().all(|(i, record)| record.offset == i as u64));
    assert_eq!(numbers(others.iter().chain(&resumed)), (0..1000).collect::<Vec<_>>());
}

pub async fn what_was_being_read_when_its_partition_was_paused_comes_after_it_is_resumed(
    harness: impl Harness,
) {
    let log = harness.log();
    let topic = create(&*log, 2).await;
    append(&*log, numbered(topic, 1000)).await;
    let ends = offsets(&log.end_positions(&[topic.name]).await.unwrap());
    let mut consumer = reader(&*log, topic).await;
    assert!(matches!(consumer.next().await, LogEvent::Assigned(_)));
    let begun = consumer.next().now_or_never();
    let paused = [TopicPartition::new(topic.name, 0)];
    consumer.pause(&paused);
    let mut records = match begun {
        Some(LogEvent::Records(_, records)) => records,
        _ => Vec::new(),
    };
    let before = records.len();
    let left = ends[1] as usize - records.iter().filter(|own| own.at.partition == 1).count();
    records.extend(read(&mut *consumer, left).await);
    assert!(records[before..].iter().all(|record| record.at.partition == 1));
    consumer.resume(&paused);
    let rest = read(&mut *consumer, 1000 - records.len()).await;
    assert_eq!(numbers(records.iter().chain(&rest)), (0..1000).collect::<Vec<_>>());
}

pub async fn a_sink_is_given_what_would_have_been_returned(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 3).await;
    let mut records = numbered(topic, 5000);
    for (i, record) in records.iter_mut().enumerate().step_by(7) {
        let value = Bytes::copy_from_slice(&i.to_be_bytes());
        record.headers = vec![("n".into(), value.clone()), ("n".into(), value)];
    }
    records[3000].value = None;
    append(&*log, records).await;
    let returned = read(&mut *reader(&*log, topic).await, 5000).await;
    let (mut consumer, mut copies) = (reader(&*log, topic).await, Copies::default());
    while copies.0.len() < 5000 {
        // Cancelling loses nothing.
        tokio::select! {
            biased;
            next = consumer.next_into(&mut copies) => assert!(matches!(next, None | Some(LogEvent::Assigned(_)))),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(by_partition(copies.0), by_partition(returned));
    let ends = log.end_positions(&[topic.name]).await.unwrap();
    assert_eq!(offsets(&consumer.reached()), offsets(&ends));
}

pub async fn a_sink_is_given_nothing_of_a_paused_partition(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 2).await;
    let mut consumer = reader(&*log, topic).await;
    assert!(matches!(consumer.next().await, LogEvent::Assigned(_)));
    append(&*log, numbered(topic, 1000)).await;
    let ends = offsets(&log.end_positions(&[topic.name]).await.unwrap());
    // Some of the other partition may have been read ahead.
    let mut copies = Copies(next_records(&mut *consumer).await);
    let paused = [TopicPartition::new(topic.name, 0)];
    consumer.pause(&paused);
    let before = copies.0.iter().filter(|record| record.at == paused[0]).count();
    read_into(&mut *consumer, &mut copies, before + ends[1] as usize).await;
    assert_eq!(copies.0.iter().filter(|record| record.at == paused[0]).count(), before);
    assert!(consumer.next_into(&mut copies).now_or_never().is_none(), "delivered while paused");
    consumer.resume(&paused);
    read_into(&mut *consumer, &mut copies, 1000).await;
    assert_eq!(numbers(&copies.0), (0..1000).collect::<Vec<_>>());
    for (_, records) in by_partition(copies.0) {
        assert!(records.iter().enumerate().all(|(i, record)| record.offset == i as u64));
    }
}

pub async fn what_a_member_s_sink_was_given_is_not_done_before_it_is_stored(harness: impl Harness) {
    let log = harness.log();
    let (topic, group) = (create(&*log, 1).await, group());
    append(&*log, numbered(topic, 1000)).await;
    let mut consumer = log.subscribe(&group, &[topic.name], AT_ONCE).await.unwrap();
    let mut copies = Copies::default();
    read_into(&mut *consumer, &mut copies, 1000).await;
    consumer.store(position(topic, 0, 400));
    drop(consumer);
    assert_eq!(offsets(&log.committed(&group, &[topic.name]).await.unwrap()), [400]);
    let mut next = log.subscribe(&group, &[topic.name], AT_ONCE).await.unwrap();
    assert_eq!(read(&mut *next, 600).await[0].offset, 400);
}

pub async fn a_reader_without_a_group_stores_nothing(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 2).await;
    append(&*log, numbered(topic, 10)).await;
    let mut consumer = reader(&*log, topic).await;
    let LogEvent::Assigned(mut partitions) = consumer.next().await else {
        panic!("it is not told what it reads");
    };
    partitions.sort();
    assert_eq!(partitions.len(), 2);
    consumer.store(position(topic, 0, 3));
    assert_eq!(read(&mut *consumer, 10).await.len(), 10);
}
