//! A store in memory, for tests and for the simulation: nothing blocks and nothing needs time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::store::{Batch, Entry, Limit, Outline, PartitionId, Range, Reader, Store, record_size};
use crate::{
    log::LogError,
    record::{Record, TopicPartition},
};

type Entries = BTreeMap<(PartitionId, u64), Entry>;

/// Both halves of the store: clones share the same records.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Entries>>);

impl MemoryStore {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn write(&mut self, batch: &Batch) -> Result<(), LogError> {
        let mut entries = self.entries();
        for entry in &batch.records {
            entries.insert((entry.partition, entry.record.offset), entry.clone());
        }
        for deletion in &batch.deletions {
            for offset in &deletion.offsets {
                entries.remove(&(deletion.partition, *offset));
            }
        }
        Ok(())
    }
}

impl Reader for MemoryStore {
    fn read(
        &self,
        range: Range,
        _: &TopicPartition,
        limit: Limit,
    ) -> Result<Vec<Record>, LogError> {
        let mut records = Vec::new();
        let mut bytes = 0;
        for (_, entry) in self.entries().range(keys(range)).take(limit.records) {
            bytes += record_size(&entry.record);
            if bytes > limit.bytes && !records.is_empty() {
                break;
            }
            records.push(Record::clone(&entry.record));
        }
        Ok(records)
    }

    fn outline(&self, range: Range, records: usize) -> Result<Vec<Outline>, LogError> {
        let entries = self.entries();
        Ok(entries.range(keys(range)).take(records).map(|(_, entry)| outline(entry)).collect())
    }

    fn blocks(&self) -> bool {
        false
    }
}

fn keys(range: Range) -> std::ops::Range<(PartitionId, u64)> {
    // An empty range may come reversed, which BTreeMap::range does not take.
    (range.partition, range.from)..(range.partition, range.to.max(range.from))
}

fn outline(entry: &Entry) -> Outline {
    Outline {
        offset: entry.record.offset,
        timestamp_ms: entry.record.timestamp_ms,
        total_bytes: entry.total_bytes,
        key: entry.record.key.as_deref().unwrap_or_default().to_vec(),
        is_tombstone: entry.record.value.is_none(),
    }
}
