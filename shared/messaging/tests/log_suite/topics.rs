//! Topics are as the table says, or the log says so.

use messaging::log::{AT_ONCE, LogError};

use super::*;

pub async fn an_unknown_topic_is_named(harness: impl Harness) {
    let log = harness.log();
    let known = create(&*log, 1).await;
    let unknown = topic(1);
    let names = [known.name, unknown.name];
    let assert_named = |error: LogError| match error {
        LogError::UnknownTopic(name) => assert!(name.starts_with(unknown.name), "{name}"),
        error => panic!("{error}"),
    };
    let producer = log.producer(None).await.unwrap();
    let mixed = vec![record(known, "key", "0"), record(unknown, "key", "1")];
    assert_named(producer.append(mixed).await.unwrap_err());
    assert_named(log.subscribe(&group(), &names, AT_ONCE).await.err().unwrap());
    assert_named(log.assign(&[position(unknown, 0, 0)], AT_ONCE).await.err().unwrap());
    let beyond = log.assign(&[position(known, 1, 0)], AT_ONCE).await.err().unwrap();
    assert!(matches!(beyond, LogError::UnknownTopic(_)), "{beyond}");
    assert_named(log.end_positions(&names).await.unwrap_err());
    assert_named(log.first_positions(&names).await.unwrap_err());
    assert_named(log.positions_at(unknown.name, 0).await.unwrap_err());
}

pub async fn topics_are_ensured_again_and_again(mut harness: impl Harness) {
    let (one, two) = (topic(3), topic_with(2, Cleanup::Compact));
    let log = harness.log();
    log.ensure_topics(&[one]).await.unwrap();
    append(&*log, numbered(one, 10)).await;
    log.ensure_topics(&[one, two]).await.unwrap();
    log.ensure_topics(&[two, one, two]).await.unwrap();
    drop(log);
    harness.restart().await;
    let log = harness.log();
    log.ensure_topics(&[one, two]).await.unwrap();
    assert_eq!(log.end_positions(&[one.name, two.name]).await.unwrap().len(), 5);
    append(&*log, numbered(two, 10)).await;
    assert_eq!(read(&mut *reader(&*log, one).await, 10).await.len(), 10);
    assert_eq!(read(&mut *reader(&*log, two).await, 10).await.len(), 10);
}

pub async fn a_topic_unlike_the_table_is_a_mismatch(harness: impl Harness) {
    let log = harness.log();
    let topic = create(&*log, 3).await;
    let other_partitions = Topic { name: topic.name, partitions: 4, cleanup: topic.cleanup };
    let other_policy = Topic { name: topic.name, partitions: 3, cleanup: Cleanup::Compact };
    for other in [&other_partitions, &other_policy] {
        match log.ensure_topics(&[other]).await.unwrap_err() {
            LogError::Mismatch { topic: name, found, expected } => {
                assert_eq!(name, topic.name);
                assert_ne!(found, expected);
            }
            error => panic!("{error}"),
        }
    }
    assert_eq!(log.end_positions(&[topic.name]).await.unwrap().len(), 3);
}

pub async fn a_log_that_runs_answers_the_ping(harness: impl Harness) {
    harness.log().ping().await.unwrap();
}
