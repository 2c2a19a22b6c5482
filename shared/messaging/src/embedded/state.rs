//! What the log knows without asking its store: topics, ends, the newest records, groups, fences.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    mem,
    sync::Arc,
};

use events::topics::Cleanup;
use tokio::sync::Notify;

use super::{
    assignment::MemberId,
    group::{Group, News},
    store::{Catalog, Entry, Limit, PartitionId, PositionRow, Range, Tip, TopicRow},
    tail::Tail,
};
use crate::{
    log::LogError,
    murmur2,
    record::{Position, Record, TopicPartition},
};

/// Everything in memory, behind one mutex that is never held over I/O.
pub struct State {
    topics: BTreeMap<String, TopicState>,
    partitions: Vec<Partition>,
    groups: HashMap<String, Group>,
    producers: HashMap<String, u64>,
    unsaved: BTreeSet<(String, PartitionId)>,
    /// Appended and not on disk yet.
    unwritten: Vec<Entry>,
    tail: Tail,
    members: MemberId,
    /// Whether the last write failed.
    pub is_failing: bool,
}

struct TopicState {
    row: TopicRow,
    /// Its partitions have consecutive ids.
    first: PartitionId,
}

struct Partition {
    at: TopicPartition,
    cleanup: Cleanup,
    first: u64,
    tip: Tip,
    /// The tip as it is on disk.
    written: Tip,
    readers: Vec<Listener>,
}

impl Partition {
    fn new(at: TopicPartition, cleanup: Cleanup, first: u64, tip: Tip) -> Self {
        Self { at, cleanup, first, tip, written: tip, readers: Vec::new() }
    }
}

struct Listener {
    member: MemberId,
    sees: Sees,
    signal: Arc<Notify>,
}

/// How far somebody may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sees {
    /// All that was appended: his position is written after it.
    Appended,
    /// What is on disk.
    Written,
}

/// A partition, what may be forgotten of it, and what it holds on disk.
#[derive(Clone, Copy)]
pub struct Extent {
    /// What may be forgotten.
    pub cleanup: Cleanup,
    /// From the first record kept to the end.
    pub range: Range,
    /// The end.
    pub tip: Tip,
}

/// Records to deliver, or where to find them.
pub enum Found {
    /// Nothing is there yet.
    Nothing,
    /// They are in memory.
    InMemory(Vec<Arc<Record>>),
    /// They must be read from the store.
    InStore(Range),
}

impl State {
    /// The state of a store that has `catalog`, with `tail_bytes` for the newest records.
    pub fn new(catalog: Catalog, tail_bytes: usize) -> Self {
        let mut state = Self {
            topics: BTreeMap::new(),
            partitions: Vec::new(),
            groups: HashMap::new(),
            producers: HashMap::new(),
            unsaved: BTreeSet::new(),
            unwritten: Vec::new(),
            tail: Tail::new(tail_bytes),
            members: 0,
            is_failing: false,
        };
        state.restore(catalog);
        state
    }

    fn restore(&mut self, catalog: Catalog) {
        let rows: HashMap<String, TopicRow> =
            catalog.topics.into_iter().map(|row| (row.name.clone(), row)).collect();
        for (at, first, tip) in catalog.partitions {
            // A partition is written together with its topic.
            let Some(row) = rows.get(&*at.topic) else { continue };
            let cleanup = row.cleanup;
            if at.partition == 0 {
                self.insert_topic(row.clone());
            }
            self.partitions.push(Partition::new(at, cleanup, first, tip));
        }
        for PositionRow { group, partition, offset } in catalog.positions {
            self.groups.entry(group).or_default().restore(partition, offset);
        }
    }

    fn insert_topic(&mut self, row: TopicRow) {
        let first = self.partition_count();
        self.topics.insert(row.name.clone(), TopicState { row, first });
    }

    /// The number of partitions of all topics, which is the id of the next one.
    pub fn partition_count(&self) -> PartitionId {
        // Topics are a handful from one table.
        PartitionId::try_from(self.partitions.len()).unwrap_or(PartitionId::MAX)
    }

    fn partition(&self, id: PartitionId) -> Option<&Partition> {
        self.partitions.get(usize::try_from(id).ok()?)
    }

    fn partition_mut(&mut self, id: PartitionId) -> Option<&mut Partition> {
        self.partitions.get_mut(usize::try_from(id).ok()?)
    }

    // ---- topics

    /// The row of a topic.
    pub fn topic(&self, name: &str) -> Option<&TopicRow> {
        self.topics.get(name).map(|topic| &topic.row)
    }

    /// Creates a topic, or changes what it may forget.
    pub fn publish_topic(&mut self, row: &TopicRow) {
        if let Some(topic) = self.topics.get_mut(&row.name) {
            topic.row = row.clone();
            for partition in self.partitions.iter_mut().filter(|own| own.at.topic == row.name) {
                partition.cleanup = row.cleanup;
            }
            return;
        }
        self.insert_topic(row.clone());
        for number in 0..row.partitions {
            let at = TopicPartition::new(row.name.as_str(), number);
            self.partitions.push(Partition::new(at, row.cleanup, 0, Tip::default()));
        }
    }

    /// Where a record with `key` goes.
    pub fn place(&self, topic: &str, key: &[u8]) -> Option<(PartitionId, TopicPartition, Tip)> {
        let topic = self.topics.get(topic)?;
        let id = topic.first + murmur2::partition(key, topic.row.partitions);
        self.partition(id).map(|partition| (id, partition.at.clone(), partition.tip))
    }

    /// The id of a partition.
    pub fn id_of(&self, at: &TopicPartition) -> Option<PartitionId> {
        let topic = self.topics.get(&*at.topic)?;
        (at.partition < topic.row.partitions).then(|| topic.first + at.partition)
    }

    /// The ids of all partitions of `topics`.
    ///
    /// # Errors
    /// When one is unknown.
    pub fn ids_of(&self, topics: &[&str]) -> Result<Vec<PartitionId>, LogError> {
        let mut ids = Vec::new();
        for name in topics {
            let topic =
                self.topics.get(*name).ok_or_else(|| LogError::UnknownTopic((*name).to_owned()))?;
            ids.extend(topic.first..topic.first + topic.row.partitions);
        }
        Ok(ids)
    }

    /// The name of a partition.
    pub fn name_of(&self, id: PartitionId) -> Option<TopicPartition> {
        self.partition(id).map(|partition| partition.at.clone())
    }

    /// What a partition holds on disk.
    pub fn extent(&self, id: PartitionId) -> Option<Extent> {
        self.partition(id).map(|Partition { cleanup, first, written, .. }| Extent {
            cleanup: *cleanup,
            range: Range { partition: id, from: *first, to: written.end },
            tip: *written,
        })
    }

    /// One position for each of `ids`, where `offset` says.
    pub fn positions(
        &self,
        ids: &[PartitionId],
        offset: impl Fn(PartitionId, Extent) -> Option<u64>,
    ) -> Vec<Position> {
        let position = |id: &PartitionId| {
            let offset = offset(*id, self.extent(*id)?)?;
            Some(Position { at: self.name_of(*id)?, offset })
        };
        ids.iter().filter_map(position).collect()
    }

    // ---- records

    /// Shows a record to the members of groups; it is to be written.
    pub fn show(&mut self, entry: Entry) {
        if let Some(partition) = self.partition_mut(entry.partition) {
            partition.tip = entry.tip();
        }
        self.tail.push(entry.partition, Arc::clone(&entry.record));
        self.unwritten.push(entry);
    }

    /// What is to be written.
    pub fn take_unwritten(&mut self) -> Vec<Entry> {
        mem::take(&mut self.unwritten)
    }

    /// Undoes [`take_unwritten`](Self::take_unwritten) after a failed write.
    pub fn keep_unwritten(&mut self, mut entries: Vec<Entry>) {
        entries.append(&mut self.unwritten);
        self.unwritten = entries;
    }

    /// These records are on disk; says who must be woken.
    pub fn written(&mut self, entries: &[Entry]) -> Vec<Arc<Notify>> {
        for entry in entries {
            if let Some(partition) = self.partition_mut(entry.partition) {
                partition.written = entry.tip();
            }
        }
        self.tail.written(entries.len());
        self.readers(entries.iter().map(|entry| entry.partition), Sees::Written)
    }

    /// Those who wait for records of `touched`, which they may see now.
    pub fn readers(
        &self,
        touched: impl IntoIterator<Item = PartitionId>,
        sees: Sees,
    ) -> Vec<Arc<Notify>> {
        let touched: BTreeSet<_> = touched.into_iter().collect();
        let listeners = touched.into_iter().filter_map(|id| self.partition(id));
        let listeners = listeners.flat_map(|own| own.readers.iter().filter(|own| own.sees == sees));
        listeners.map(|own| Arc::clone(&own.signal)).collect()
    }

    /// Forgets records up to and including `last`; the first one kept is at `first` or behind it.
    pub fn publish_deletion(&mut self, id: PartitionId, last: Option<u64>, first: u64) {
        if let Some(last) = last {
            self.tail.forget(id, last);
        }
        if let Some(partition) = self.partition_mut(id) {
            partition.first = partition.first.max(first);
        }
    }

    /// The records of a partition from `from` on, as far as he may see them who asks.
    pub fn find(&self, id: PartitionId, from: u64, sees: Sees, limit: Limit) -> Found {
        let Some(Partition { tip, written, .. }) = self.partition(id) else {
            return Found::Nothing;
        };
        let to = if sees == Sees::Appended { tip.end } else { written.end };
        if from >= to {
            return Found::Nothing;
        }
        match self.tail.read(Range { partition: id, from, to }, limit) {
            Some(records) => Found::InMemory(records),
            // The tail has all that is not written yet.
            None => Found::InStore(Range { partition: id, from, to: written.end }),
        }
    }

    // ---- producers

    /// A new epoch of `identity`, which fences all earlier ones.
    pub fn next_epoch(&mut self, identity: &str) -> u64 {
        let epoch = self.producers.entry(identity.to_owned()).or_insert(0);
        *epoch += 1;
        *epoch
    }

    /// Whether `epoch` is the newest of `identity`.
    pub fn is_newest(&self, identity: &str, epoch: u64) -> bool {
        self.producers.get(identity) == Some(&epoch)
    }

    // ---- consumers

    /// A number for a new consumer.
    pub fn next_member(&mut self) -> MemberId {
        self.members += 1;
        self.members
    }

    /// The group of this name.
    pub fn group(&mut self, name: &str) -> &mut Group {
        self.groups.entry(name.to_owned()).or_default()
    }

    /// What a member of `group` must be told next.
    pub fn news(&mut self, group: &str, member: MemberId) -> Option<News> {
        self.groups.get_mut(group)?.news(member)
    }

    /// What `group` has committed.
    pub fn committed(&self, group: &str, id: PartitionId) -> Option<u64> {
        self.groups.get(group)?.committed(id)
    }

    /// Wakes `member` from now on when there is something new in `id` that he sees.
    pub fn listen(&mut self, id: PartitionId, member: MemberId, sees: Sees, signal: &Arc<Notify>) {
        if let Some(partition) = self.partition_mut(id) {
            partition.readers.push(Listener { member, sees, signal: Arc::clone(signal) });
        }
    }

    /// Undoes [`listen`](Self::listen).
    pub fn unlisten(&mut self, id: PartitionId, member: MemberId) {
        if let Some(partition) = self.partition_mut(id) {
            partition.readers.retain(|reader| reader.member != member);
        }
    }

    /// Stores a position of a group's member. Says whether it is the first that is to be saved.
    pub fn store(&mut self, group: &str, member: MemberId, id: PartitionId, offset: u64) -> bool {
        let Some(members) = self.groups.get_mut(group) else { return false };
        if !members.store(member, id, offset) {
            return false;
        }
        let is_first = self.unsaved.is_empty();
        self.unsaved.insert((group.to_owned(), id));
        is_first
    }

    /// Whether there are positions that are not on disk yet.
    pub fn has_unsaved(&self) -> bool {
        !self.unsaved.is_empty()
    }

    /// The positions that are not on disk yet; they count as saved from now on.
    pub fn take_unsaved(&mut self) -> Vec<PositionRow> {
        let unsaved = mem::take(&mut self.unsaved);
        let row = |(group, partition): (String, PartitionId)| {
            let offset = self.committed(&group, partition)?;
            Some(PositionRow { group, partition, offset })
        };
        unsaved.into_iter().filter_map(row).collect()
    }

    /// Undoes [`take_unsaved`](Self::take_unsaved) after a failed write.
    pub fn keep_unsaved(&mut self, positions: Vec<PositionRow>) {
        self.unsaved.extend(positions.into_iter().map(|row| (row.group, row.partition)));
    }
}
