//! What was taken from librdkafka and is not handed over yet.

use std::{
    collections::{HashSet, VecDeque},
    ops::Range,
    time::{Duration, Instant},
};

use bytes::Bytes;
use bytestring::ByteString;
use rdkafka::{
    Message as _,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::{BorrowedMessage, Headers as _},
};

use super::{callbacks::Callbacks, names::Names};
use crate::record::{Position, Record, TopicPartition};

/// What is taken at once: whatever is there, at most this.
const MAX_RECORDS: usize = 500;
const MAX_BYTES: usize = 1 << 20;
/// How often it is told that all brokers are still down.
const REPEAT_DOWN: Duration = Duration::from_secs(5);

/// Batches of records, each of one partition, and an error. It is filled only when it holds
/// nothing but batches of paused partitions, so it stays small.
#[derive(Default)]
pub struct Inbox {
    batches: VecDeque<(TopicPartition, Vec<Record>)>,
    error: Option<KafkaError>,
    /// When it was last told that all brokers are down, and nothing came since.
    down_since: Option<Instant>,
    /// Taken since the last fill began.
    records: usize,
    bytes: usize,
}

impl Inbox {
    /// Takes what librdkafka has: whether it had something, and whether it came to the end of a
    /// partition.
    pub fn fill(&mut self, consumer: &BaseConsumer<Callbacks>, names: &Names) -> (bool, bool) {
        let callbacks = consumer.context();
        let mut is_at_end = false;
        (self.records, self.bytes) = (0, 0);
        // The records of a new partition come after the news of it.
        while self.has_room() && !callbacks.has_assignment() {
            let served = callbacks.served();
            match consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => self.add(record(&message, names)),
                Some(Err(KafkaError::PartitionEOF(_))) => is_at_end = true,
                Some(Err(error)) => self.note(error),
                None if callbacks.served() == served => break,
                None => {}
            }
        }
        let has_something = self.records > 0 || self.error.is_some() || callbacks.has_news();
        (has_something, is_at_end)
    }

    fn has_room(&self) -> bool {
        self.records < MAX_RECORDS && self.bytes < MAX_BYTES
    }

    /// Keeps the newest error. Every failed attempt to connect says that all brokers are down:
    /// that is told now and then, or a long outage would be followed by as many errors.
    fn note(&mut self, error: KafkaError) {
        if error.rdkafka_error_code() == Some(Code::AllBrokersDown) {
            if self.down_since.is_some_and(|at| at.elapsed() < REPEAT_DOWN) {
                return;
            }
            self.down_since = Some(Instant::now());
        }
        self.error = Some(error);
    }

    fn add(&mut self, record: Record) {
        self.down_since = None;
        self.records += 1;
        self.bytes += record.value.as_ref().map_or(0, Bytes::len);
        // librdkafka hands out runs of one partition.
        let batch = self.batches.iter_mut().rev().find(|(at, _)| *at == record.at);
        match batch.filter(|(_, batch)| batch.len() < MAX_RECORDS) {
            Some((_, batch)) => batch.push(record),
            None => self.batches.push_back((record.at.clone(), vec![record])),
        }
    }

    /// The positions after all that it holds.
    pub fn ends(&self) -> impl Iterator<Item = Position> + '_ {
        self.batches.iter().filter_map(|(at, batch)| {
            Some(Position { at: at.clone(), offset: batch.last()?.offset + 1 })
        })
    }

    /// The oldest batch of a partition that is not paused.
    pub fn next(
        &mut self,
        paused: &HashSet<TopicPartition>,
    ) -> Option<(TopicPartition, Vec<Record>)> {
        let next = self.batches.iter().position(|(at, _)| !paused.contains(at))?;
        self.batches.remove(next)
    }

    /// The error, once.
    pub fn error(&mut self) -> Option<KafkaError> {
        self.error.take()
    }

    /// Forgets what it holds of these partitions.
    pub fn forget(&mut self, partitions: &[TopicPartition]) {
        self.batches.retain(|(at, _)| !partitions.contains(at));
    }
}

/// Copies a message out of librdkafka's memory: all its parts into one piece.
fn record(message: &BorrowedMessage<'_>, names: &Names) -> Record {
    let mut parts = Parts::default();
    let key = message.key().map(|key| parts.add(key));
    let value = message.payload().map(|value| parts.add(value));
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let headers = headers.map(|header| {
        (parts.add(header.key.as_bytes()), parts.add(header.value.unwrap_or_default()))
    });
    let headers: Vec<_> = headers.collect();
    let all = Bytes::from(parts.0);
    let header = |(name, value): (Range<usize>, Range<usize>)| {
        // librdkafka's names are UTF-8, or it would not have read them.
        (ByteString::try_from(all.slice(name)).unwrap_or_default(), all.slice(value))
    };
    Record {
        at: names.partition(message.topic(), message.partition()),
        // Only records that are to be produced have a negative one.
        offset: u64::try_from(message.offset()).unwrap_or(0),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
        key: key.map(|key| all.slice(key)),
        value: value.map(|value| all.slice(value)),
        headers: headers.into_iter().map(header).collect(),
    }
}

/// Bytes in one piece.
struct Parts(Vec<u8>);

impl Default for Parts {
    fn default() -> Self {
        /// As much as an event mostly has.
        const USUAL_BYTES: usize = 1024;
        Self(Vec::with_capacity(USUAL_BYTES))
    }
}

impl Parts {
    fn add(&mut self, part: &[u8]) -> Range<usize> {
        let start = self.0.len();
        self.0.extend_from_slice(part);
        start..self.0.len()
    }
}
