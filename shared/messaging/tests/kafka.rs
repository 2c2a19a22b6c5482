//! The suite of the event log on a real broker, `TEST_KAFKA=host:port`, and what only Kafka has.
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]

#[expect(dead_code, reason = "the clock is for logs in this process")]
mod log_suite;
mod on_kafka;

use std::sync::Arc;

use async_trait::async_trait;
use log_suite::Harness;
use messaging::{
    kafka::{KafkaConfig, KafkaLog},
    log::EventLog,
};

log_suite!(kafka_suite, OnKafka);
log_suite!(kafka_with_login_suite, WithLogin);

/// A log of its own on the shared broker, by a prefix that no other test has.
struct OnKafka {
    config: KafkaConfig,
    log: Option<KafkaLog>,
}

impl OnKafka {
    /// A second client of the same log, as another process would be.
    fn another(&self) -> KafkaLog {
        KafkaLog::connect(self.config.clone()).unwrap()
    }
}

#[async_trait]
impl Harness for OnKafka {
    async fn start() -> Result<Self, String> {
        let bootstrap_servers = broker().ok_or("TEST_KAFKA is not set")?;
        let prefix = format!("{}.", log_suite::group());
        let config = KafkaConfig { prefix, ..KafkaConfig::new(bootstrap_servers) };
        let log = Some(KafkaLog::connect(config.clone()).unwrap());
        Ok(Self { config, log })
    }

    fn log(&self) -> Arc<dyn EventLog> {
        Arc::new(self.log.clone().unwrap())
    }

    /// The broker is shared, so only our side starts anew.
    async fn restart(&mut self) {
        self.log = Some(self.another());
    }
}

/// The same through the listener with TLS and a log-in.
struct WithLogin(OnKafka);

#[async_trait]
impl Harness for WithLogin {
    async fn start() -> Result<Self, String> {
        let config = on_kafka::security::with_login().ok_or("TEST_KAFKA_SASL is not set")?;
        let log = Some(KafkaLog::connect(config.clone()).unwrap());
        Ok(Self(OnKafka { config, log }))
    }

    fn log(&self) -> Arc<dyn EventLog> {
        self.0.log()
    }

    async fn restart(&mut self) {
        self.0.restart().await;
    }
}

/// Where the broker is, if there is one.
fn broker() -> Option<String> {
    std::env::var_os("TEST_KAFKA")?.into_string().ok()
}
