//! The fence against producers of other processes, which a second `KafkaLog` stands for.

use std::time::{Duration, Instant};

use messaging::log::LogError;

use super::*;

fn assert_fenced(result: Result<(), LogError>) {
    let error = result.unwrap_err();
    assert!(matches!(error, LogError::Fenced(_)), "{error}");
}

async fn appended(producer: &dyn Producer, record: NewRecord) -> Result<(), LogError> {
    producer.append(vec![record]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_deposed_producer_says_never_hides_its_successors_word_in_a_compacted_topic() {
    let Some(harness) = kafka("compacted topics are fenced by the broker").await else { return };
    let (here, there) = (harness.another(), harness.another());
    let topic = compacted(&[&here, &there], 1).await;
    let identity = group();
    let older = here.producer(Some(&identity)).await.unwrap();
    appended(&*older, record(topic, "key", "0")).await.unwrap();
    let newer = there.producer(Some(&identity)).await.unwrap();
    // Its proof is fresh, and it cannot know of the other.
    assert_fenced(appended(&*older, record(topic, "key", "stale")).await);
    assert_fenced(appended(&*older, record(topic, "key", "stale")).await);
    appended(&*newer, record(topic, "key", "1")).await.unwrap();
    let records = read(&mut *reader(&here, topic).await, 2).await;
    assert_eq!(records.iter().map(text).collect::<Vec<_>>(), ["0", "1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_deposed_producer_has_begun_is_refused_and_nothing_comes_behind_it() {
    let Some(harness) = kafka("what was begun is fenced by the broker").await else { return };
    let (here, there) = (harness.another(), harness.another());
    let topic = compacted(&[&here, &there], 1).await;
    let identity = group();
    let older = here.producer(Some(&identity)).await.unwrap();
    older.begin(vec![record(topic, "key", "0")]).await.unwrap().await.unwrap();
    let newer = there.producer(Some(&identity)).await.unwrap();
    let begun = older.begin(vec![record(topic, "key", "stale")]).await.unwrap();
    assert_fenced(begun.await);
    let again = older.begin(vec![record(topic, "key", "stale")]).await;
    assert_fenced(again.map(drop));
    newer.begin(vec![record(topic, "key", "1")]).await.unwrap().await.unwrap();
    let records = read(&mut *reader(&here, topic).await, 2).await;
    assert_eq!(records.iter().map(text).collect::<Vec<_>>(), ["0", "1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_was_deposed_while_it_was_idle_appends_nothing() {
    let Some(harness) = kafka("an idle producer is fenced").await else { return };
    let (here, there) = (harness.another(), harness.another());
    let topic = create(&here, 1).await;
    let identity = group();
    let older = here.producer(Some(&identity)).await.unwrap();
    let newer = there.producer(Some(&identity)).await.unwrap();
    there.ensure_topics(&[topic]).await.unwrap();
    assert_fenced(appended(&*older, record(topic, "key", "stale")).await);
    appended(&*newer, record(topic, "key", "0")).await.unwrap();
    let records = read(&mut *reader(&here, topic).await, 1).await;
    assert_eq!(text(&records[0]), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_is_deposed_while_it_appends_hears_of_it_soon() {
    let Some(harness) = kafka("a busy producer is fenced").await else { return };
    let (here, there) = (harness.another(), harness.another());
    let topic = create(&here, 1).await;
    let identity = group();
    let older = here.producer(Some(&identity)).await.unwrap();
    appended(&*older, record(topic, "key", "0")).await.unwrap();
    let newer = there.producer(Some(&identity)).await.unwrap();
    let (deposed_at, mut late) = (Instant::now(), 0);
    let error = loop {
        match appended(&*older, record(topic, "key", "late")).await {
            Ok(()) => late += 1,
            Err(error) => break error,
        }
    };
    let took = deposed_at.elapsed();
    assert!(matches!(error, LogError::Fenced(_)), "{error}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    println!("fenced {took:?} after it was deposed, {late} plain appends later");
    drop(newer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_was_given_up_leaves_the_producer_usable() {
    let Some(harness) = kafka("a cancelled append").await else { return };
    let log = harness.another();
    let topic = compacted(&[&log], 1).await;
    let producer = log.producer(Some(&group())).await.unwrap();
    for _ in 0..5 {
        let append = appended(&*producer, record(topic, "key", "given up"));
        // Far enough to have begun its transaction.
        drop(tokio::time::timeout(Duration::from_millis(2), append).await);
    }
    appended(&*producer, record(topic, "key", "done")).await.unwrap();
    let mut reader = reader(&log, topic).await;
    let mut values = Vec::new();
    while values.last().is_none_or(|value| value != "done") {
        values.extend(next_records(&mut *reader).await.iter().map(|own| text(own).to_owned()));
    }
}
