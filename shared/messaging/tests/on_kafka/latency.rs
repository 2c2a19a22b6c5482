//! What an append costs, plainly and in a transaction: `cargo test -- --ignored latency`.

use std::time::{Duration, Instant};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn latency_of_appends() {
    let Some(harness) = kafka("latency").await else { return };
    let log = harness.another();
    let (plain, always) = (create(&log, 6).await, compacted(&[&log], 6).await);
    let unfenced = log.producer(None).await.unwrap();
    let fenced = log.producer(Some(&group())).await.unwrap();
    for (size, rounds, pause_ms) in [(1, 300, 1), (1, 200, 25), (200, 100, 1), (200, 60, 25)] {
        let pause = Duration::from_millis(pause_ms);
        println!("appends of {size}, {pause_ms} ms apart:");
        measure("  no identity", &*unfenced, plain, (size, rounds), pause).await;
        measure("  fenced, ordinary topic", &*fenced, plain, (size, rounds), pause).await;
        measure("  fenced, compacted topic", &*fenced, always, (size, rounds), pause).await;
    }
}

async fn measure(
    name: &str,
    producer: &dyn Producer,
    topic: &events::topics::Topic,
    (size, rounds): (usize, usize),
    pause: Duration,
) {
    let value = "x".repeat(300);
    let (mut times, mut due) = (Vec::new(), tokio::time::interval(pause));
    for round in 0..rounds + 20 {
        let records = (0..size).map(|i| record(topic, &format!("{round}-{i}"), &value)).collect();
        let begun_at = Instant::now();
        producer.append(records).await.unwrap();
        times.push(begun_at.elapsed());
        due.tick().await;
    }
    let mut times = times.split_off(20);
    times.sort();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    println!("{name:26} p50 {:>9.2?} p90 {:>9.2?} p99 {:>9.2?}", at(50), at(90), at(99));
}
