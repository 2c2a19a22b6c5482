//! One commit: all that was appended or asked for meanwhile is written at once, with one sync.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use events::topics::Cleanup;
use tokio::sync::Notify;

use super::{
    state::State,
    store::{Batch, Deletion, PartitionId, Store, TopicRow},
};
use crate::log::LogError;

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
    /// Write what was appended so far.
    Write,
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

/// The one that writes.
pub struct Committer {
    shared: Shared,
    store: Box<dyn Store>,
}

impl Committer {
    /// A committer of `store`; there must be only one.
    pub fn new(shared: Shared, store: Box<dyn Store>) -> Self {
        Self { shared, store }
    }

    /// Does all of `works`, and writes all that was appended, in one transaction with one sync, and
    /// answers each. With `positions` the stored positions of all groups are saved too.
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
                    tracing::warn!(%error, "could not write, trying again");
                }
                state.is_failing = true;
                state.keep_unsaved(staged.batch.positions);
                state.keep_unwritten(staged.batch.records);
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
        let mut staged = Staged::default();
        let mut state = self.shared.lock();
        let answers = works.into_iter().map(|work| staged.add(&state, work)).collect();
        // All of them: a position may be behind any.
        staged.batch.records = state.take_unwritten();
        if positions {
            staged.batch.positions = state.take_unsaved();
        }
        (staged, answers)
    }
}

/// What is about to be written, and what will be so then.
#[derive(Default)]
struct Staged {
    batch: Batch,
    firsts: Vec<u64>,
}

impl Staged {
    fn add(&mut self, state: &State, work: Work) -> Result<(), LogError> {
        match work {
            Work::Topics(rows) => self.add_topics(state, rows),
            Work::Forget { partition, offsets, first } => {
                self.forget(state, partition, offsets, first);
                Ok(())
            }
            Work::Write | Work::Flush => Ok(()),
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
        let readers = state.written(&self.batch.records);
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
