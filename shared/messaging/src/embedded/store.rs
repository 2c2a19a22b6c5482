//! The seam between the log and what keeps its records: SQLite on disk, or memory.

use std::sync::Arc;

use events::topics::Cleanup;

use crate::{
    log::LogError,
    record::{Record, TopicPartition},
};

/// Number of a partition in the store, counted from 0 over all topics.
pub type PartitionId = u32;

/// What one commit writes: all of it or nothing.
#[derive(Debug, Default)]
pub struct Batch {
    /// Topics that are new, or whose clean-up changed.
    pub topics: Vec<TopicRow>,
    /// Partitions of new topics.
    pub partitions: Vec<(PartitionId, TopicPartition)>,
    /// Records, in order within each partition.
    pub records: Vec<Entry>,
    /// Positions that groups have stored.
    pub positions: Vec<PositionRow>,
    /// Records that retention or compaction forgets.
    pub deletions: Vec<Deletion>,
    /// Write something even if there is nothing to write, to learn whether writing works.
    pub probe: bool,
}

impl Batch {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
            && self.records.is_empty()
            && self.positions.is_empty()
            && self.deletions.is_empty()
            && !self.probe
    }
}

/// A topic as the store keeps it.
#[derive(Clone, Debug)]
pub struct TopicRow {
    /// The topic's full name.
    pub name: String,
    /// Number of partitions.
    pub partitions: u32,
    /// What may be forgotten.
    pub cleanup: Cleanup,
}

/// A record and its place in the store.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The partition.
    pub partition: PartitionId,
    /// Bytes appended to the partition up to and including this record, forgotten ones too: the
    /// difference of two tells the size between them without reading it.
    pub total_bytes: u64,
    /// The record.
    pub record: Arc<Record>,
}

impl Entry {
    /// Where its partition goes on.
    pub fn tip(&self) -> Tip {
        Tip {
            end: self.record.offset + 1,
            total_bytes: self.total_bytes,
            timestamp_ms: self.record.timestamp_ms,
        }
    }
}

/// A committed position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionRow {
    /// The consumer group.
    pub group: String,
    /// The partition.
    pub partition: PartitionId,
    /// The next offset to read.
    pub offset: u64,
}

/// Records to forget.
#[derive(Clone, Debug)]
pub struct Deletion {
    /// The partition.
    pub partition: PartitionId,
    /// Their offsets, ascending.
    pub offsets: Vec<u64>,
    /// The partition's end, which must outlive its records: offsets never repeat.
    pub tip: Tip,
}

/// Where a partition goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tip {
    /// The offset of the next record.
    pub end: u64,
    /// Bytes appended so far, forgotten ones too.
    pub total_bytes: u64,
    /// The timestamp of the newest record; later ones are never older.
    pub timestamp_ms: i64,
}

/// All that the log keeps in memory of a store that exists.
#[derive(Debug, Default)]
pub struct Catalog {
    /// All topics.
    pub topics: Vec<TopicRow>,
    /// All partitions by id, with the first offset still kept and the tip.
    pub partitions: Vec<(TopicPartition, u64, Tip)>,
    /// All committed positions.
    pub positions: Vec<PositionRow>,
}

/// A record without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Its offset.
    pub offset: u64,
    /// When it was appended.
    pub timestamp_ms: i64,
    /// As in [`Entry`].
    pub total_bytes: u64,
    /// Its key.
    pub key: Vec<u8>,
    /// Whether it has no value.
    pub is_tombstone: bool,
}

/// A part of a partition.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The partition.
    pub partition: PartitionId,
    /// The first offset.
    pub from: u64,
    /// The offset behind the last one.
    pub to: u64,
}

/// The writing half of a store; it has one owner.
pub trait Store: Send {
    /// Writes all of `batch`, durably, or nothing.
    ///
    /// # Errors
    /// When the disk is full or fails. The store stays usable, and trying again may help.
    fn write(&mut self, batch: &Batch) -> Result<(), LogError>;
}

/// The reading half of a store, shared by all consumers.
pub trait Reader: Send + Sync {
    /// The records of `range`, at most `records` of them and about `bytes`, but at least one if
    /// there is one.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    fn read(
        &self,
        range: Range,
        at: &TopicPartition,
        limit: Limit,
    ) -> Result<Vec<Record>, LogError>;

    /// As `read`, without the values and headers.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    fn outline(&self, range: Range, records: usize) -> Result<Vec<Outline>, LogError>;

    /// Whether reading may wait for a disk, so that it must not be done on an async thread.
    fn blocks(&self) -> bool;
}

/// How much is read at once.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// At most so many records.
    pub records: usize,
    /// No further record once so many bytes are read.
    pub bytes: usize,
}

/// What the limits count of a record: key, value and headers.
pub fn size_of(
    key: &[u8],
    value: Option<&[u8]>,
    headers: &[(bytestring::ByteString, bytes::Bytes)],
) -> usize {
    let headers: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    key.len() + value.map_or(0, <[u8]>::len) + headers
}

/// [`size_of`] a record.
pub fn record_size(record: &Record) -> usize {
    size_of(record.key.as_deref().unwrap_or_default(), record.value.as_deref(), &record.headers)
}
