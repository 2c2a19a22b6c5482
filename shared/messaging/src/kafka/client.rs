//! librdkafka's producer, and a thread that takes the reports of what was delivered.

use std::{ops::Deref, sync::Arc, thread, time::Duration};

use rdkafka::{
    ClientConfig,
    error::{KafkaError, KafkaResult},
    producer::{BaseProducer, BaseRecord, DeliveryResult, ProducerContext},
};
use tokio::sync::oneshot;

use super::callbacks::Callbacks;

/// How long the thread waits before it looks whether the client is still wanted. rdkafka's own
/// `FutureProducer` waits for 100 ms, and for the last millisecond of them it does not wait but spins:
/// in a process with some ten producers and nothing to do, 4 % of a processor.
const POLL: Duration = Duration::from_secs(1);

/// What became of a record.
pub type Report = Result<(), KafkaError>;

/// A record on its way.
pub type Sending<'a> = BaseRecord<'a, [u8], [u8], Box<oneshot::Sender<Report>>>;

/// The producer; it ends a moment after it was dropped, without anybody waiting for it.
pub struct Client(Arc<BaseProducer<Callbacks>>);

impl Client {
    /// A producer with these settings; it connects when it is needed.
    ///
    /// # Errors
    /// When librdkafka does not take the settings, or there can be no further thread.
    pub fn new(config: &ClientConfig, callbacks: Callbacks) -> KafkaResult<Self> {
        let producer: BaseProducer<_> = config.create_with_context(callbacks)?;
        let client = Self(Arc::new(producer));
        let producer = Arc::clone(&client.0);
        // Its own is the last one: ending a producer waits for librdkafka's threads.
        let poll = move || {
            while Arc::strong_count(&producer) > 1 {
                producer.poll(POLL);
            }
        };
        let thread = thread::Builder::new().name("kafka-producer".to_owned()).spawn(poll);
        thread.map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
        Ok(client)
    }
}

impl Deref for Client {
    type Target = BaseProducer<Callbacks>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl ProducerContext for Callbacks {
    type DeliveryOpaque = Box<oneshot::Sender<Report>>;

    fn delivery(&self, delivered: &DeliveryResult<'_>, report: Self::DeliveryOpaque) {
        let result = delivered.as_ref().map(|_| ()).map_err(|(error, _)| error.clone());
        // Whoever sent it may be gone.
        report.send(result).ok();
    }
}
