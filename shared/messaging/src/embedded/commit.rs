//! One commit: everything that waits is numbered, written at once and made visible.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use events::topics::Cleanup;
use kernel::Clock;
use tokio::sync::Notify;

use super::{
    state::State,
    store::{Batch, Deletion, Entry, PartitionId, Store, Tip, TopicRow, size_of},
};
use crate::{
    log::LogError,
    record::{NewRecord, Record},
};

/// The state that the writer shares with producers and consumers.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<State>>);

impl Shared {
    /// Shares `state`.
    pub fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// The state. Its changes are complete before anything can panic, so poison means nothing.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something for the writer to do.
#[derive(Debug)]
pub enum Work {
    /// Create topics, or compare them.
    Topics(Vec<TopicRow>),
    /// Append records.
    Append(Option<Fence>, Vec<NewRecord>),
    /// Forget the records at these offsets; the first one kept is at `first` or behind it.
    Forget {
        /// The partition.
        partition: PartitionId,
        /// Offsets, ascending.
        offsets: Vec<u64>,
        /// The new first offset.
        first: u64,
    },
    /// Nothing but what is done for all: save positions, and answer behind all earlier work.
    Flush,
    /// Learn whether writing works.
    Probe,
}

impl Work {
    /// About how many bytes it keeps in memory while it waits.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Append(_, records) => records.iter().map(new_record_size).sum(),
            _ => 0,
        }
    }
}

/// The bytes that count for the limit of a record's size.
pub fn new_record_size(record: &NewRecord) -> usize {
    size_of(&record.key, record.value.as_deref(), &record.headers)
}

/// Which producer appends.
#[derive(Clone, Debug)]
pub struct Fence {
    /// Its identity.
    pub identity: Arc<str>,
    /// Its turn among the producers of that identity.
    pub epoch: u64,
}

/// The one that writes.
pub struct Committer {
    shared: Shared,
    clock: Arc<dyn Clock>,
    store: Box<dyn Store>,
}

impl Committer {
    /// A committer of `store`; there must be only one.
    pub fn new(shared: Shared, clock: Arc<dyn Clock>, store: Box<dyn Store>) -> Self {
        Self { shared, clock, store }
    }

    /// Does all of `works` in one transaction, with one sync, and answers each. With `positions`
    /// the stored positions of all groups are saved too.
    pub fn commit(&mut self, works: Vec<Work>, positions: bool) -> Vec<Result<(), LogError>> {
        let (staged, mut answers) = self.stage(works, positions);
        let written =
            if staged.batch.is_empty() { Ok(()) } else { self.store.write(&staged.batch) };
        let mut state = self.shared.lock();
        match written {
            Ok(()) => {
                let readers = staged.publish(&mut state);
                drop(state);
                readers.iter().for_each(|reader| reader.notify_one());
            }
            Err(error) => {
                if answers.is_empty() {
                    // Nobody asked for it, so nobody else will log it.
                    tracing::warn!(%error, "could not save positions, trying again");
                }
                state.is_failing = true;
                state.keep_unsaved(staged.batch.positions);
                answers.iter_mut().filter(|answer| answer.is_ok()).for_each(|answer| {
                    *answer = Err(error.clone());
                });
            }
        }
        answers
    }

    /// Whether stored positions still have to be saved.
    pub fn has_unsaved(&self) -> bool {
        self.shared.lock().has_unsaved()
    }

    fn stage(&self, works: Vec<Work>, positions: bool) -> (Staged, Vec<Result<(), LogError>>) {
        let mut staged = Staged { now_ms: self.clock.now().millis(), ..Staged::default() };
        let mut state = self.shared.lock();
        let answers = works.into_iter().map(|work| staged.add(&state, work)).collect();
        if positions {
            staged.batch.positions = state.take_unsaved();
        }
        (staged, answers)
    }
}

/// What is about to be written, and what will be visible then.
#[derive(Default)]
struct Staged {
    now_ms: i64,
    batch: Batch,
    tips: BTreeMap<PartitionId, Tip>,
    firsts: Vec<u64>,
}

impl Staged {
    fn add(&mut self, state: &State, work: Work) -> Result<(), LogError> {
        match work {
            Work::Topics(rows) => self.add_topics(state, rows),
            Work::Append(fence, records) => self.add_records(state, fence.as_ref(), records),
            Work::Forget { partition, offsets, first } => {
                self.forget(state, partition, offsets, first);
                Ok(())
            }
            Work::Flush => Ok(()),
            Work::Probe => {
                self.batch.probe = true;
                Ok(())
            }
        }
    }

    /// All topics or none: the first that does not fit refuses them all.
    fn add_topics(&mut self, state: &State, rows: Vec<TopicRow>) -> Result<(), LogError> {
        let mut changed = Vec::new();
        for row in rows {
            let staged = self.batch.topics.iter().chain(&changed).find(|own| own.name == row.name);
            match staged.or_else(|| state.topic(&row.name)) {
                None => changed.push(row),
                Some(found) if !fits(found, &row) => return Err(mismatch(found, &row)),
                Some(found) if found.cleanup != row.cleanup => changed.push(row),
                Some(_) => {}
            }
        }
        for row in &changed {
            if state.topic(&row.name).is_none() {
                self.add_partitions(state, row);
            }
        }
        self.batch.topics.extend(changed);
        Ok(())
    }

    fn add_partitions(&mut self, state: &State, row: &TopicRow) {
        let staged = &mut self.batch.partitions;
        if staged.iter().any(|(_, at)| at.topic == row.name) {
            return;
        }
        let first = staged.last().map_or_else(|| state.partition_count(), |(id, _)| id + 1);
        let partition = |number| (first + number, super::at(&row.name, number));
        staged.extend((0..row.partitions).map(partition));
    }

    fn add_records(
        &mut self,
        state: &State,
        fence: Option<&Fence>,
        records: Vec<NewRecord>,
    ) -> Result<(), LogError> {
        if let Some(Fence { identity, epoch }) = fence
            && !state.is_newest(identity, *epoch)
        {
            return Err(LogError::Fenced(identity.to_string()));
        }
        if let Some(unknown) = records.iter().find(|new| state.topic(&new.topic).is_none()) {
            return Err(LogError::UnknownTopic(unknown.topic.clone()));
        }
        for record in records {
            self.add_record(state, record);
        }
        Ok(())
    }

    fn add_record(&mut self, state: &State, new: NewRecord) {
        let size = new_record_size(&new) as u64;
        let NewRecord { topic, key, value, headers } = new;
        let Some((partition, at, tip)) = state.place(&topic, &key) else { return };
        let tip = self.tips.entry(partition).or_insert(tip);
        // The clock may step back; the log does not, so that a time finds one offset.
        let timestamp_ms = self.now_ms.max(tip.timestamp_ms);
        let offset = tip.end;
        let record = Record { at, offset, timestamp_ms, key: Some(key), value, headers };
        *tip = Tip { end: offset + 1, total_bytes: tip.total_bytes + size, timestamp_ms };
        let total_bytes = tip.total_bytes;
        self.batch.records.push(Entry { partition, total_bytes, record: Arc::new(record) });
    }

    fn forget(&mut self, state: &State, partition: PartitionId, offsets: Vec<u64>, first: u64) {
        // The tip as of before this commit is enough: a record behind it carries a newer one.
        if let Some(extent) = state.extent(partition) {
            self.batch.deletions.push(Deletion { partition, offsets, tip: extent.tip });
            self.firsts.push(first);
        }
    }

    fn publish(mut self, state: &mut State) -> Vec<Arc<Notify>> {
        if !self.batch.is_empty() {
            state.is_failing = false;
        }
        for row in &self.batch.topics {
            state.publish_topic(row);
        }
        let readers = state.publish(&self.batch.records);
        for (deletion, first) in mem::take(&mut self.batch.deletions).iter().zip(self.firsts) {
            state.publish_deletion(deletion.partition, deletion.offsets.last().copied(), first);
        }
        readers
    }
}

/// Partitions and policy never change; how long something is kept may.
fn fits(found: &TopicRow, expected: &TopicRow) -> bool {
    found.partitions == expected.partitions
        && mem::discriminant(&found.cleanup) == mem::discriminant(&expected.cleanup)
}

fn mismatch(found: &TopicRow, expected: &TopicRow) -> LogError {
    let text = |row: &TopicRow| {
        let policy = if row.cleanup == Cleanup::Compact { "compact" } else { "delete" };
        format!("{} partitions with cleanup.policy {policy}", row.partitions)
    };
    LogError::Mismatch {
        topic: expected.name.clone(),
        found: text(found),
        expected: text(expected),
    }
}
