//! librdkafka's producer, and a thread that takes the reports of what was delivered.

use std::{
    io,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    error::{KafkaError, KafkaResult},
    producer::{BaseProducer, BaseRecord, DeliveryResult, ProducerContext},
};
use tokio::sync::oneshot;

use super::callbacks::Callbacks;

/// How long the thread waits before it looks whether the client is still wanted. rdkafka's own
/// `FutureProducer` waits for 100 ms, and for the last millisecond of them it does not wait but spins:
/// with ten producers in a process that is a tenth of a processor.
const POLL: Duration = Duration::from_secs(1);

/// What became of a record.
pub type Report = Result<(), KafkaError>;

/// A record on its way.
pub type Sending<'a> = BaseRecord<'a, [u8], [u8], Box<oneshot::Sender<Report>>>;

/// The producer; it ends a moment after it was dropped, without anybody waiting for it.
pub struct Client {
    /// `None` only while it is being dropped.
    producer: Option<Arc<BaseProducer<Callbacks>>>,
    is_dropped: Arc<AtomicBool>,
}

impl Client {
    /// A producer with these settings; it connects when it is needed.
    ///
    /// # Errors
    /// When librdkafka does not take the settings, or there can be no further thread.
    pub fn new(config: &ClientConfig, callbacks: Callbacks) -> KafkaResult<Self> {
        let producer: BaseProducer<_> = config.create_with_context(callbacks)?;
        let producer = Arc::new(producer);
        let is_dropped = Arc::new(AtomicBool::new(false));
        let poll = poll(Arc::clone(&producer), Arc::clone(&is_dropped));
        let thread = thread::Builder::new().name("kafka-producer".to_owned()).spawn(poll);
        thread.map_err(|error: io::Error| KafkaError::ClientCreation(error.to_string()))?;
        Ok(Self { producer: Some(producer), is_dropped })
    }
}

/// What the thread does. It ends the producer, which waits for librdkafka's threads.
fn poll(producer: Arc<BaseProducer<Callbacks>>, is_dropped: Arc<AtomicBool>) -> impl FnOnce() {
    move || {
        while !is_dropped.load(Ordering::Acquire) {
            producer.poll(POLL);
        }
    }
}

impl Deref for Client {
    type Target = BaseProducer<Callbacks>;

    fn deref(&self) -> &Self::Target {
        self.producer.as_ref().unwrap_or_else(|| unreachable!("the client was dropped"))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // First, so that the thread has the last one.
        self.producer = None;
        self.is_dropped.store(true, Ordering::Release);
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
