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
