//! The idempotent producer, one for all that append without an identity.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::{Header, OwnedHeaders},
    producer::{BaseRecord, Producer as _, PurgeConfig},
};
use tokio::{sync::oneshot, time::timeout};

use super::{
    callbacks::Callbacks,
    client::{Client, Report, Sending},
    config::{APPEND_TIMEOUT, KafkaConfig, MAX_RECORD_BYTES},
    diagnostics::Diagnostics,
    error::translate,
    names::Names,
};
use crate::{
    log::{LogError, Producer},
    record::NewRecord,
};

/// Appends outside transactions.
pub struct PlainProducer {
    config: KafkaConfig,
    names: Names,
    diagnostics: Arc<Diagnostics>,
    /// Replaced after it has failed.
    client: Mutex<Option<Arc<Client>>>,
}

impl PlainProducer {
    /// A producer that connects when it is needed.
    pub fn new(config: KafkaConfig, names: Names, diagnostics: Arc<Diagnostics>) -> Self {
        Self { config, names, diagnostics, client: Mutex::default() }
    }

    /// Appends records of topics that are known to exist.
    ///
    /// # Errors
    /// As [`Producer::append`].
    pub async fn append(&self, records: &[NewRecord]) -> Result<(), LogError> {
        let client = self.client()?;
        let sent = send(&client, &self.names, records);
        match timeout(APPEND_TIMEOUT, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err((error, topic))) => {
                let error = translate(&error, &topic, &self.diagnostics);
                if error.is_transient() {
                    self.give_up(&client);
                }
                Err(error)
            }
            Err(_) => {
                self.give_up(&client);
                let late = KafkaError::MessageProduction(Code::MessageTimedOut);
                Err(translate(&late, "appending", &self.diagnostics))
            }
        }
    }

    fn client(&self) -> Result<Arc<Client>, LogError> {
        let mut current = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*current {
            return Ok(Arc::clone(client));
        }
        let callbacks = Callbacks::new(Arc::clone(&self.diagnostics));
        let client = Client::new(&self.config.plain_producer(), callbacks);
        let client = client.map_err(|error| translate(&error, "connecting", &self.diagnostics))?;
        let client: &Arc<Client> = current.insert(Arc::new(client));
        Ok(Arc::clone(client))
    }

    /// Drops all that still waits to be sent and takes a new client next time. What was sent is a
    /// beginning of each partition's records, so whoever appends them again keeps their order;
    /// a client that went on by itself might send the later ones first.
    fn give_up(&self, client: &Arc<Client>) {
        let mut current = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, client)) {
            *current = None;
        }
        drop(current);
        client.purge(PurgeConfig::default().queue().inflight());
    }
}

/// Sends all of `records` in their order and waits until every one is acknowledged or has failed.
///
/// # Errors
/// The first error, and the topic.
pub async fn send(
    client: &Client,
    names: &Names,
    records: &[NewRecord],
) -> Result<(), (KafkaError, String)> {
    let mut deliveries = std::collections::VecDeque::with_capacity(records.len());
    let mut result = Ok(());
    for new in records {
        let outside = names.outside(&new.topic);
        while result.is_ok() {
            let (report, delivery) = oneshot::channel();
            match client.send(record(&outside, new, report)) {
                Ok(()) => {
                    deliveries.push_back((delivery, &new.topic));
                    break;
                }
                Err((error, _)) if is_full(&error) => match deliveries.pop_front() {
                    Some((delivery, topic)) => result = delivered(delivery, topic).await,
                    // Others have filled it.
                    None => tokio::task::yield_now().await,
                },
                Err((error, _)) => result = Err((error, new.topic.clone())),
            }
        }
    }
    for (delivery, topic) in deliveries {
        result = result.and(delivered(delivery, topic).await);
    }
    result
}

async fn delivered(
    delivery: oneshot::Receiver<Report>,
    topic: &str,
) -> Result<(), (KafkaError, String)> {
    let report = delivery.await.unwrap_or(Err(KafkaError::Canceled));
    report.map_err(|error| (error, topic.to_owned()))
}

fn is_full(error: &KafkaError) -> bool {
    *error == KafkaError::MessageProduction(Code::QueueFull)
}

fn record<'a>(
    topic: &'a str,
    record: &'a NewRecord,
    report: oneshot::Sender<Report>,
) -> Sending<'a> {
    let headers = OwnedHeaders::new_with_capacity(record.headers.len());
    let headers = record.headers.iter().fold(headers, |headers, (key, value)| {
        headers.insert(Header { key, value: Some(&value[..]) })
    });
    let new = BaseRecord::with_opaque_to(topic, Box::new(report));
    let new = new.key(&record.key[..]).headers(headers);
    match &record.value {
        Some(value) => new.payload(&value[..]),
        None => new,
    }
}

/// Refuses what no broker takes, before anything is sent.
///
/// # Errors
/// [`LogError::Refused`] when a record is too large.
pub fn check_sizes(records: &[NewRecord]) -> Result<(), LogError> {
    for record in records {
        let headers: usize =
            record.headers.iter().map(|(key, value)| key.len() + value.len()).sum();
        let bytes =
            record.key.len() + record.value.as_ref().map_or(0, |value| value.len()) + headers;
        if bytes > MAX_RECORD_BYTES {
            return Err(LogError::Refused(format!(
                "{bytes} bytes for {}, at most {MAX_RECORD_BYTES} are allowed",
                record.topic
            )));
        }
    }
    Ok(())
}

/// A producer without an identity.
pub struct KafkaProducer(pub super::KafkaLog);

#[async_trait]
impl Producer for KafkaProducer {
    async fn append(&self, records: Vec<NewRecord>) -> Result<(), LogError> {
        self.0.check(&records).await?;
        self.0.plain().append(&records).await
    }
}
