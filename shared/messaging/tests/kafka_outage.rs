//! A broker that stops and starts under load. Needs `TEST_KAFKA` and, in `TEST_INFRA`, the
//! command that stops and starts it, such as `cargo xtask infra`. It is a test binary of its own
//! because no other test may run meanwhile.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::{BTreeMap, HashSet},
    process::Command,
    time::{Duration, Instant},
};

use bytes::Bytes;
use events::topics::{Cleanup, Topic};
use messaging::{
    kafka::{KafkaConfig, KafkaLog},
    log::{AT_ONCE, Consumer, EventLog, LogError, LogEvent, Producer},
    record::{NewRecord, Position},
};
use tokio::{sync::watch, task::spawn_blocking};
use uuid::Uuid;

const ORDERS: Topic = Topic {
    name: "outage.orders",
    partitions: 6,
    cleanup: Cleanup::Delete { hours: 24, bytes: None },
};
const LEVELS: Topic = Topic { name: "outage.levels", partitions: 3, cleanup: Cleanup::Compact };
const LIMIT: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_the_broker_stops_and_starts_or_is_killed() {
    let (Some(broker), Some(control)) = (variable("TEST_KAFKA"), variable("TEST_INFRA")) else {
        println!("skipped the outage of the broker: TEST_KAFKA or TEST_INFRA is not set");
        return;
    };
    for kill in [false, true] {
        let outage = outage(&broker, &control, kill);
        tokio::time::timeout(LIMIT, outage).await.expect("it goes on after the outage");
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok().filter(|value| !value.is_empty())
}

async fn outage(broker: &str, control: &str, kill: bool) {
    let prefix =
        format!("{}.", Uuid::new_v5(&Uuid::nil(), format!("{:?}", Instant::now()).as_bytes()));
    let config = KafkaConfig { prefix, ..KafkaConfig::new(broker) };
    let log = KafkaLog::connect(config).unwrap();
    log.ensure_topics(&[&ORDERS, &LEVELS]).await.unwrap();
    let consumer = log.subscribe("service", &[ORDERS.name, LEVELS.name], AT_ONCE).await.unwrap();
    let (seen, progress) = watch::channel(0);
    let handling = tokio::spawn(handle(consumer, seen));
    let (stop, stopped) = watch::channel(false);
    let relaying = tokio::spawn(relay(log.clone(), stopped));
    let bystander = log.subscribe("bystander", &[ORDERS.name], AT_ONCE).await.unwrap();

    progress.clone().wait_for(|count| *count > 500).await.unwrap();
    run(control, if kill { &["stop", "--kill"] } else { &["stop"] }).await;
    let down_at = Instant::now();
    let error = log.ping().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    println!("ping says {error} after {:?}", down_at.elapsed());
    // A consumer that leaves meanwhile must not stop anybody.
    drop(bystander);
    let error = log.committed("bystander", &[ORDERS.name]).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    run(control, &["start"]).await;
    let (up_at, before) = (Instant::now(), *progress.borrow());
    progress.clone().wait_for(|count| *count > before).await.unwrap();
    println!("kill={kill}: records flow {:?} after the broker's return", up_at.elapsed());
    progress.clone().wait_for(|count| *count > before + 500).await.unwrap();
    stop.send(true).unwrap();
    let acknowledged = relaying.await.unwrap();
    progress.clone().wait_for(|count| *count >= acknowledged).await.unwrap();
    drop(progress);
    let repeated = handling.await.unwrap();
    println!("kill={kill}: {acknowledged} records acknowledged, 0 lost, {repeated} repeated");
}

/// Stops or starts the broker.
async fn run(control: &str, arguments: &[&str]) {
    let mut words = control.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.args(words).args(arguments).args(["--only", "kafka"]);
    let status = spawn_blocking(move || command.status()).await.unwrap().unwrap();
    assert!(status.success());
}

/// Appends numbered records as the relay does: in order, again and again until acknowledged, with
/// a new producer after every error. Returns how many.
async fn relay(log: KafkaLog, stopped: watch::Receiver<bool>) -> usize {
    let mut next = 0;
    let (mut errors, begun_at) = (Vec::new(), Instant::now());
    while !*stopped.borrow() {
        let producer = match log.producer(Some("relay")).await {
            Ok(producer) => producer,
            Err(error) => {
                assert!(error.is_transient(), "{error}");
                errors.push((begun_at.elapsed(), error.to_string()));
                continue;
            }
        };
        if let Err(error) = append_until_error(&*producer, &mut next, &stopped).await {
            assert!(error.is_transient(), "{error}");
            errors.push((begun_at.elapsed(), error.to_string()));
        }
    }
    println!("the relay heard {errors:#?}");
    next
}

async fn append_until_error(
    producer: &dyn Producer,
    next: &mut usize,
    stopped: &watch::Receiver<bool>,
) -> Result<(), LogError> {
    while !*stopped.borrow() {
        producer.append((*next..*next + 10).map(numbered).collect()).await?;
        *next += 10;
    }
    Ok(())
}

fn numbered(number: usize) -> NewRecord {
    let topic = if number.is_multiple_of(10) { LEVELS.name } else { ORDERS.name };
    NewRecord {
        topic: topic.to_owned(),
        key: format!("key {}", number % 50).into(),
        value: Some(number.to_string().into()),
        headers: Vec::new(),
    }
}

/// Handles records until nobody wants to know how many; first appearances must be in order for
/// each key. Returns how many came again.
async fn handle(mut consumer: Box<dyn Consumer>, seen: watch::Sender<usize>) -> usize {
    let (mut numbers, mut repeated) = (HashSet::new(), 0);
    let mut last: BTreeMap<Bytes, usize> = BTreeMap::new();
    while !seen.is_closed() {
        let event = tokio::select! {
            event = consumer.next() => event,
            () = seen.closed() => break,
        };
        match event {
            LogEvent::Records(at, records) => {
                for record in &records {
                    let value = record.value.as_deref().unwrap();
                    let number = std::str::from_utf8(value).unwrap().parse().unwrap();
                    if !numbers.insert(number) {
                        repeated += 1;
                    } else if let Some(before) = last.insert(record.key.clone().unwrap(), number) {
                        assert_eq!(number, before + 50, "a gap or out of order in {at}");
                    }
                }
                let offset = records.last().unwrap().offset + 1;
                consumer.store(Position { at, offset });
                seen.send_replace(numbers.len());
            }
            LogEvent::Revoked(_, revocation) => revocation.done(),
            LogEvent::Error(error) => {
                assert!(error.is_transient(), "{error}");
                println!("the consumer heard {error}");
            }
            LogEvent::Assigned(_) => {}
        }
    }
    repeated
}
