//! What a log holds: records in partitions of topics, with Kafka's shape.

use bytes::Bytes;
use bytestring::ByteString;
use events::trace::TraceContext;

/// Headers in the order they were written; a key may occur more than once, as in Kafka. Names and
/// values are parts of what was read as one, so that a record's bytes are one allocation, not one for each.
pub type Headers = Vec<(ByteString, Bytes)>;

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's full name, such as `shop.orders`.
    pub topic: ByteString,
    /// Counted from 0.
    pub partition: u32,
}

impl TopicPartition {
    /// The `partition`-th partition of `topic`.
    pub fn new(topic: impl Into<ByteString>, partition: u32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A place in a partition. As a *position* it is the offset of the next record to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub at: TopicPartition,
    /// Offsets count from 0 and never repeat; compaction and retention leave gaps.
    pub offset: u64,
}

/// A record that is to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// The topic's full name.
    pub topic: String,
    /// Chooses the partition: murmur2, as Kafka's Java client does.
    pub key: Bytes,
    /// `None` is a tombstone: compaction forgets the key.
    pub value: Option<Bytes>,
    /// CloudEvents and trace headers.
    pub headers: Headers,
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub at: TopicPartition,
    /// Its number in the partition.
    pub offset: u64,
    /// When it was appended, in milliseconds since 1970 (Kafka's resolution).
    pub timestamp_ms: i64,
    /// The key; foreign producers may leave it out.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// All headers, also unknown ones.
    pub headers: Headers,
}

/// A record where it lies in the log's own memory, to be looked at before anything of it is copied.
pub struct RecordRef<'r> {
    /// Where it stands.
    pub at: &'r TopicPartition,
    /// Its number in the partition.
    pub offset: u64,
    /// When it was appended, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The key.
    pub key: Option<&'r [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'r [u8]>,
    /// Copies it. Kafka's headers are not even parsed before that.
    copy: &'r dyn Fn() -> Record,
}

impl<'r> RecordRef<'r> {
    pub(crate) fn new(
        at: &'r TopicPartition,
        (offset, timestamp_ms): (u64, i64),
        (key, value): (Option<&'r [u8]>, Option<&'r [u8]>),
        copy: &'r dyn Fn() -> Record,
    ) -> Self {
        Self { at, offset, timestamp_ms, key, value, copy }
    }

    /// The whole record with its headers.
    pub fn to_record(&self) -> Record {
        (self.copy)()
    }
}

/// Takes records as they are read, each partition's in order.
pub trait RecordSink: Send {
    /// Takes a record, or of it what is wanted. It is gone from the log's memory afterwards.
    fn take(&mut self, record: &RecordRef<'_>);

    /// Takes records that were copied already.
    fn take_all(&mut self, records: &[Record]) {
        for record in records {
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            let place = (record.offset, record.timestamp_ms);
            self.take(&RecordRef::new(&record.at, place, (key, value), &|| record.clone()));
        }
    }
}

impl Record {
    /// The trace that it came with.
    pub fn trace(&self) -> Option<TraceContext> {
        TraceContext::parse(self.header("traceparent")?, self.header("tracestate"))
    }

    /// The first header of this name, if it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

impl NewRecord {
    /// The trace that it goes with.
    pub fn trace(&self) -> Option<TraceContext> {
        TraceContext::parse(self.header("traceparent")?, self.header("tracestate"))
    }

    /// The first header of this name, if it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

fn header<'h>(headers: &'h Headers, name: &str) -> Option<&'h str> {
    let (_, value) = headers.iter().find(|(key, _)| *key == name)?;
    std::str::from_utf8(value).ok()
}
