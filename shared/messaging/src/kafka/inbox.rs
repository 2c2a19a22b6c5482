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

use super::{
    callbacks::Callbacks,
    names::{Names, signed},
};
use crate::record::{Position, Record, RecordRef, TopicPartition};

/// What is taken at once: whatever is there, at most this.
const MAX_RECORDS: usize = 500;
/// And of records that need no copy.
const MAX_TAKEN: usize = 2_000;
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
    /// Of the last fill.
    filled: Filled,
}

/// What one fill has done so far.
#[derive(Default)]
struct Filled {
    /// Records that were copied.
    copied: usize,
    /// Records that somebody took where they lay, and where each run of them ended.
    taken: usize,
    taken_ends: Vec<Position>,
    bytes: usize,
    /// The partition of the last record: mostly that of the next one too.
    at: Option<TopicPartition>,
}

/// Takes a record where it lies; false when it has to be kept.
pub type Take<'t> = dyn FnMut(&RecordRef<'_>) -> bool + 't;

/// Takes nothing.
pub fn keep(_: &RecordRef<'_>) -> bool {
    false
}

impl Inbox {
    /// Takes what librdkafka has: whether it had something, and whether it came to the end of a
    /// partition.
    pub fn fill(
        &mut self,
        consumer: &BaseConsumer<Callbacks>,
        names: &Names,
        take: &mut Take<'_>,
    ) -> (bool, bool) {
        let callbacks = consumer.context();
        let mut is_at_end = false;
        self.filled = Filled::default();
        // The records of a new partition come after the news of it.
        let mut has_assignment = callbacks.has_assignment();
        while self.has_room() && !has_assignment {
            let served = callbacks.served();
            match consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => self.add(&message, names, take),
                Some(Err(KafkaError::PartitionEOF(_))) => is_at_end = true,
                Some(Err(error)) => self.note(error),
                None if callbacks.served() == served => break,
                None => {}
            }
            has_assignment = callbacks.served() != served && callbacks.has_assignment();
        }
        let Filled { copied, taken, .. } = self.filled;
        let has_something = copied + taken > 0 || self.error.is_some() || callbacks.has_news();
        (has_something, is_at_end)
    }

    fn has_room(&self) -> bool {
        let Filled { copied, taken, bytes, .. } = self.filled;
        copied < MAX_RECORDS && taken < MAX_TAKEN && bytes < MAX_BYTES
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

    fn add(&mut self, message: &BorrowedMessage<'_>, names: &Names, take: &mut Take<'_>) {
        self.down_since = None;
        self.filled.bytes += message.payload_len();
        let at = self.filled.partition_of(message, names);
        let copy = || record(message, at.clone());
        let (key, value) = (message.key(), message.payload());
        let (offset, timestamp_ms) = place(message);
        if take(&RecordRef::new(&at, (offset, timestamp_ms), (key, value), &copy)) {
            self.filled.took(&at, offset + 1);
        } else {
            self.keep(copy());
        }
        self.filled.at = Some(at);
    }

    fn keep(&mut self, record: Record) {
        self.filled.copied += 1;
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

    /// The positions after what was taken by the last fill.
    pub fn taken_ends(&self) -> &[Position] {
        &self.filled.taken_ends
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

impl Filled {
    /// The partition of a message, whose name is made once for each run.
    fn partition_of(&mut self, message: &BorrowedMessage<'_>, names: &Names) -> TopicPartition {
        let is_same = |at: &TopicPartition| {
            signed(at.partition) == message.partition() && at.topic == names.inside(message.topic())
        };
        let at = self.at.take().filter(is_same);
        at.unwrap_or_else(|| names.partition(message.topic(), message.partition()))
    }

    fn took(&mut self, at: &TopicPartition, next: u64) {
        self.taken += 1;
        match self.taken_ends.last_mut().filter(|end| end.at == *at) {
            Some(end) => end.offset = next,
            None => self.taken_ends.push(Position { at: at.clone(), offset: next }),
        }
    }
}

/// A message's offset and when it was appended.
fn place(message: &BorrowedMessage<'_>) -> (u64, i64) {
    // Only records that are to be produced have a negative offset.
    let offset = u64::try_from(message.offset()).unwrap_or(0);
    (offset, message.timestamp().to_millis().unwrap_or(0))
}

/// Copies a message out of librdkafka's memory: all its parts into one piece.
fn record(message: &BorrowedMessage<'_>, at: TopicPartition) -> Record {
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
    let (offset, timestamp_ms) = place(message);
    Record {
        at,
        offset,
        timestamp_ms,
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
