//! What only a broker shows: fences between processes, transaction markers, members that die,
//! log-in.

mod fencing;
mod latency;
mod positions;
mod rebalance;
pub mod security;

use messaging::{
    kafka::KafkaLog,
    log::{AT_ONCE, Consumer, EventLog, LogEvent, Producer},
    record::{NewRecord, Record},
};
use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
};

use crate::{OnKafka, log_suite::*};

/// A harness, or the reason why there is none is printed.
async fn kafka(test: &str) -> Option<OnKafka> {
    match <OnKafka as Harness>::start().await {
        Ok(harness) => Some(harness),
        Err(reason) => {
            println!("skipped {test}: {reason}");
            None
        }
    }
}

/// A topic of `partitions` that keeps the newest record of each key, known to `logs`.
async fn compacted(logs: &[&KafkaLog], partitions: u32) -> &'static events::topics::Topic {
    let topic = topic_with(partitions, events::topics::Cleanup::Compact);
    for log in logs {
        log.ensure_topics(&[topic]).await.unwrap();
    }
    topic
}

/// A producer that is none of ours, for transactions that end as the test wants.
fn foreign_producer(harness: &OnKafka) -> FutureProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &harness.config.bootstrap_servers);
    config.set("transactional.id", group());
    config.create().unwrap()
}

/// Sends one record inside the open transaction; its name on the broker has the prefix.
async fn send_foreign(
    harness: &OnKafka,
    producer: &FutureProducer,
    topic: &events::topics::Topic,
    value: &str,
) {
    let name = format!("{}{}", harness.config.prefix, topic.name);
    let record = FutureRecord::to(&name).key("key").payload(value);
    producer.send_result(record).unwrap().await.unwrap().unwrap();
}

/// Runs one of librdkafka's calls that wait.
async fn blocking(call: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(call).await.unwrap();
}
