//! A reader of the log: a member of a group, or one that was given its partitions.

use std::{cell::Cell, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{sync::Notify, task::JoinHandle, time::Instant};

use super::{
    Core,
    assignment::MemberId,
    group::News,
    state::{Found, Sees, State},
    store::{Limit, PartitionId, Range},
};
use crate::{
    log::{Consumer, LogError, LogEvent, Revocation},
    record::{Position, Record, TopicPartition},
};

/// What one `Records` holds at most.
const LIMIT: Limit = Limit { records: 500, bytes: 1 << 20 };

/// How long to wait after an error of the store before reading again.
const ERROR_DELAY: Duration = Duration::from_millis(100);

/// The consumer; it keeps positions, never records.
pub struct EmbeddedConsumer {
    core: Arc<Core>,
    member: MemberId,
    group: Option<String>,
    signal: Arc<Notify>,
    cursors: Vec<Cursor>,
    /// The cursor that comes first next time, so that no partition starves another.
    turn: usize,
    /// Partitions of a reader without group that it has not been told of yet.
    untold: Option<Vec<TopicPartition>>,
    /// What is being read from the store. It is kept when `next` is cancelled, so that a caller
    /// who cancels often gets on too.
    reading: Option<Reading>,
    retry_at: Option<Instant>,
}

struct Reading {
    range: Range,
    records: JoinHandle<Result<Vec<Record>, LogError>>,
}

struct Cursor {
    id: PartitionId,
    at: TopicPartition,
    position: u64,
    is_paused: Cell<bool>,
}

enum Step {
    Happened(LogEvent),
    Read(Range),
    Wait,
}

impl EmbeddedConsumer {
    /// Joins `group`.
    ///
    /// # Errors
    /// When a topic is unknown.
    pub fn subscribe(core: Arc<Core>, group: &str, topics: &[&str]) -> Result<Self, LogError> {
        let signal = Arc::new(Notify::new());
        let mut state = core.shared.lock();
        let partitions = state.ids_of(topics)?.into_iter().collect();
        let member = state.next_member();
        state.group(group).join(member, partitions, Arc::clone(&signal));
        drop(state);
        Ok(Self::new(core, member, Some(group.to_owned()), signal))
    }

    /// Reads `from` these positions, outside any group.
    ///
    /// # Errors
    /// When a topic or a partition is unknown.
    pub fn assign(core: Arc<Core>, from: &[Position]) -> Result<Self, LogError> {
        let signal = Arc::new(Notify::new());
        let mut state = core.shared.lock();
        let member = state.next_member();
        let cursors = from.iter().map(|from| cursor_at(&state, from)).collect::<Result<_, _>>()?;
        drop(state);
        let mut consumer = Self::new(core, member, None, signal);
        consumer.cursors = cursors;
        consumer.untold = Some(from.iter().map(|position| position.at.clone()).collect());
        let mut state = consumer.core.shared.lock();
        for cursor in &consumer.cursors {
            state.listen(cursor.id, member, Sees::Written, &consumer.signal);
        }
        drop(state);
        Ok(consumer)
    }

    fn new(core: Arc<Core>, member: MemberId, group: Option<String>, signal: Arc<Notify>) -> Self {
        let (cursors, turn, untold, reading, retry_at) = (Vec::new(), 0, None, None, None);
        Self { core, member, group, signal, cursors, turn, untold, reading, retry_at }
    }

    fn step(&mut self) -> Step {
        if let Some(partitions) = self.untold.take() {
            return Step::Happened(LogEvent::Assigned(partitions));
        }
        let core = Arc::clone(&self.core);
        let mut state = core.shared.lock();
        match self.group.as_ref().and_then(|group| state.news(group, self.member)) {
            Some(News::Assigned(ids)) => Step::Happened(self.assigned(&mut state, &ids)),
            Some(News::Revoked(ids)) => Step::Happened(self.revoked(&mut state, ids)),
            None => {
                let (turn, found) = self.find(&state);
                drop(state);
                self.deliver(turn, found)
            }
        }
    }

    fn assigned(&mut self, state: &mut State, ids: &[PartitionId]) -> LogEvent {
        let group = self.group.as_deref().unwrap_or_default();
        for id in ids {
            let Some(at) = state.name_of(*id) else { continue };
            let position = state.committed(group, *id).unwrap_or(0);
            state.listen(*id, self.member, Sees::Appended, &self.signal);
            self.cursors.push(Cursor { id: *id, at, position, is_paused: Cell::new(false) });
        }
        let names = ids.iter().filter_map(|id| state.name_of(*id));
        LogEvent::Assigned(names.collect())
    }

    fn revoked(&mut self, state: &mut State, ids: Vec<PartitionId>) -> LogEvent {
        self.cursors.retain(|cursor| !ids.contains(&cursor.id));
        for id in &ids {
            state.unlisten(*id, self.member);
        }
        let names = ids.iter().filter_map(|id| state.name_of(*id)).collect();
        let (shared, member) = (self.core.shared.clone(), self.member);
        let group = self.group.clone().unwrap_or_default();
        let answered = move || shared.lock().group(&group).release(member, &ids);
        LogEvent::Revoked(names, Revocation::then(answered))
    }

    fn find(&self, state: &State) -> (usize, Found) {
        let sees = if self.group.is_some() { Sees::Appended } else { Sees::Written };
        let count = self.cursors.len();
        for turn in (self.turn..self.turn + count).map(|turn| turn % count) {
            let cursor = &self.cursors[turn];
            if cursor.is_paused.get() {
                continue;
            }
            match state.find(cursor.id, cursor.position, sees, LIMIT) {
                Found::Nothing => {}
                found => return (turn, found),
            }
        }
        (0, Found::Nothing)
    }

    fn deliver(&mut self, turn: usize, found: Found) -> Step {
        match found {
            Found::Nothing => Step::Wait,
            Found::InStore(range) => Step::Read(range),
            Found::InMemory(records) => {
                let records = records.iter().map(|record| Record::clone(record)).collect();
                Step::Happened(self.records(turn, records))
            }
        }
    }

    fn records(&mut self, turn: usize, records: Vec<Record>) -> LogEvent {
        let cursor = &mut self.cursors[turn];
        if let Some(last) = records.last() {
            cursor.position = last.offset + 1;
        }
        self.turn = turn + 1;
        LogEvent::Records(cursor.at.clone(), records)
    }

    /// Begins to read `range`; what can be had at once is had at once.
    fn begin(&mut self, range: Range) -> Option<LogEvent> {
        let at = self.cursors.iter().find(|own| own.id == range.partition)?.at.clone();
        let reader = Arc::clone(&self.core.reader);
        if !reader.blocks() {
            return self.finish(range, reader.read(range, &at, LIMIT));
        }
        let records = tokio::task::spawn_blocking(move || reader.read(range, &at, LIMIT));
        self.reading = Some(Reading { range, records });
        None
    }

    async fn read(&mut self) -> Option<LogEvent> {
        let Reading { range, records } = self.reading.as_mut()?;
        let (range, result) = (*range, records.await);
        self.reading = None;
        let lost = |error: tokio::task::JoinError| Err(LogError::Unavailable(error.to_string()));
        self.finish(range, result.unwrap_or_else(lost))
    }

    fn finish(&mut self, range: Range, result: Result<Vec<Record>, LogError>) -> Option<LogEvent> {
        // The caller may have paused the partition since it was begun.
        let is_wanted = |own: &Cursor| own.id == range.partition && !own.is_paused.get();
        let turn = self.cursors.iter().position(is_wanted)?;
        match result {
            Ok(records) if records.is_empty() => {
                // Compaction or retention has forgotten all of the range.
                self.cursors[turn].position = range.to;
                None
            }
            Ok(records) => Some(self.records(turn, records)),
            Err(error) => {
                self.retry_at = Some(Instant::now() + ERROR_DELAY);
                Some(LogEvent::Error(error))
            }
        }
    }

    fn set_paused(&self, partitions: &[TopicPartition], is_paused: bool) {
        for cursor in self.cursors.iter().filter(|cursor| partitions.contains(&cursor.at)) {
            cursor.is_paused.set(is_paused);
        }
    }
}

fn cursor_at(state: &State, from: &Position) -> Result<Cursor, LogError> {
    let unknown = || LogError::UnknownTopic(from.at.to_string());
    let id = state.id_of(&from.at).ok_or_else(unknown)?;
    let is_paused = Cell::new(false);
    Ok(Cursor { id, at: from.at.clone(), position: from.offset, is_paused })
}

#[async_trait]
impl Consumer for EmbeddedConsumer {
    async fn next(&mut self) -> LogEvent {
        self.core.yield_now_and_then().await;
        if let Some(at) = self.retry_at {
            tokio::time::sleep_until(at).await;
            self.retry_at = None;
        }
        loop {
            if let Some(event) = self.read().await {
                return event;
            }
            match self.step() {
                Step::Happened(event) => return event,
                Step::Read(range) => {
                    if let Some(event) = self.begin(range) {
                        return event;
                    }
                }
                Step::Wait => self.signal.notified().await,
            }
        }
    }

    fn store(&self, position: Position) {
        let Some(group) = &self.group else { return };
        let mut state = self.core.shared.lock();
        let Some(id) = state.id_of(&position.at) else { return };
        let is_first = state.store(group, self.member, id, position.offset);
        drop(state);
        if is_first {
            self.core.writer.nudge();
        }
    }

    fn reached(&self) -> Vec<Position> {
        let position = |own: &Cursor| Position { at: own.at.clone(), offset: own.position };
        self.cursors.iter().map(position).collect()
    }

    fn pause(&self, partitions: &[TopicPartition]) {
        self.set_paused(partitions, true);
    }

    fn resume(&self, partitions: &[TopicPartition]) {
        self.set_paused(partitions, false);
    }
}

impl Drop for EmbeddedConsumer {
    fn drop(&mut self) {
        let mut state = self.core.shared.lock();
        for cursor in &self.cursors {
            state.unlisten(cursor.id, self.member);
        }
        if let Some(group) = &self.group {
            state.group(group).leave(self.member);
        }
    }
}
