//! The event log of a simulation: a list per partition, and what each group has committed. Who
//! reads what and when is the scheduler's business; nothing waits, and nothing runs by itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use events::topics::Topic;
use kernel::Clock;
use messaging::{
    log::{Consumer, EventLog, LogError, Producer},
    record::{NewRecord, Position, Record, TopicPartition},
};
use testkit::VirtualClock;

/// Partitions of every topic: enough that orders share some and not others.
const PARTITIONS: u32 = 3;

/// A log in memory. Clones share the same records.
#[derive(Clone)]
pub struct SimLog {
    state: Arc<Mutex<State>>,
    clock: Arc<VirtualClock>,
}

#[derive(Default)]
struct State {
    partitions: BTreeMap<TopicPartition, Vec<Arc<Record>>>,
    committed: BTreeMap<(String, TopicPartition), u64>,
    away: bool,
}

impl SimLog {
    /// An empty log.
    pub fn new(clock: Arc<VirtualClock>) -> Self {
        Self { state: Arc::default(), clock }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.state() = State::default();
    }

    /// Takes the log away from everybody, or gives it back.
    pub fn set_away(&self, away: bool) {
        self.state().away = away;
    }

    /// Whether it is out of everybody's reach.
    pub fn is_away(&self) -> bool {
        self.state().away
    }

    /// The partitions of `topics`.
    pub fn partitions(topics: &[&'static str]) -> Vec<TopicPartition> {
        let of = |topic: &&'static str| {
            let topic = *topic;
            (0..PARTITIONS).map(move |partition| TopicPartition::new(topic, partition))
        };
        topics.iter().flat_map(of).collect()
    }

    /// The records of a partition from `first` on, at most `limit`.
    pub fn read(&self, at: &TopicPartition, first: u64, limit: usize) -> Vec<Arc<Record>> {
        let state = self.state();
        let Some(records) = state.partitions.get(at) else { return Vec::new() };
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        records.iter().skip(first).take(limit).cloned().collect()
    }

    /// Every record of `topics`, partition by partition.
    pub fn all(&self, topics: &[&'static str]) -> Vec<Arc<Record>> {
        let partitions = Self::partitions(topics);
        partitions.iter().flat_map(|at| self.read(at, 0, usize::MAX)).collect()
    }

    /// The offset after the last record of a partition.
    pub fn end(&self, at: &TopicPartition) -> u64 {
        self.state().partitions.get(at).map_or(0, |records| records.len() as u64)
    }

    /// What `group` has committed of a partition.
    pub fn committed_offset(&self, group: &str, at: &TopicPartition) -> u64 {
        let key = (group.to_owned(), at.clone());
        self.state().committed.get(&key).copied().unwrap_or(0)
    }

    /// Commits that `group` has done everything before `offset`; returns what it had committed.
    pub fn commit(&self, group: &str, at: &TopicPartition, offset: u64) -> u64 {
        let key = (group.to_owned(), at.clone());
        self.state().committed.insert(key, offset).unwrap_or(0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append_one(&self, state: &mut State, new: NewRecord) {
        let at = TopicPartition::new(new.topic, partition_of(&new.key));
        let records = state.partitions.entry(at.clone()).or_default();
        records.push(Arc::new(Record {
            at,
            offset: records.len() as u64,
            timestamp_ms: self.clock.now().millis(),
            key: Some(new.key),
            value: new.value,
            headers: new.headers,
        }));
    }
}

/// The last character decides: keys of a simulation differ there.
fn partition_of(key: &[u8]) -> u32 {
    u32::from(key.last().copied().unwrap_or(0)) % PARTITIONS
}

#[async_trait]
impl Producer for SimLog {
    async fn append(&self, records: Vec<NewRecord>) -> Result<(), LogError> {
        let mut state = self.state();
        if state.away {
            return Err(LogError::Unavailable("it was taken away".into()));
        }
        for record in records {
            self.append_one(&mut state, record);
        }
        Ok(())
    }
}

#[async_trait]
impl EventLog for SimLog {
    async fn ensure_topics(&self, _topics: &[&Topic]) -> Result<(), LogError> {
        Ok(())
    }

    async fn producer(&self, _identity: Option<&str>) -> Result<Box<dyn Producer>, LogError> {
        Ok(Box::new(self.clone()))
    }

    async fn subscribe(
        &self,
        _group: &str,
        _topics: &[&str],
        _patience: Duration,
    ) -> Result<Box<dyn Consumer>, LogError> {
        Err(LogError::Refused("the scheduler delivers".into()))
    }

    async fn assign(
        &self,
        _from: &[Position],
        _patience: Duration,
    ) -> Result<Box<dyn Consumer>, LogError> {
        Err(LogError::Refused("the scheduler delivers".into()))
    }

    async fn end_positions(&self, topics: &[&str]) -> Result<Vec<Position>, LogError> {
        Ok(positions(topics, |at| self.end(at)))
    }

    async fn first_positions(&self, topics: &[&str]) -> Result<Vec<Position>, LogError> {
        Ok(positions(topics, |_| 0))
    }

    async fn positions_at(
        &self,
        topic: &str,
        timestamp_ms: i64,
    ) -> Result<Vec<Position>, LogError> {
        let first = |at: &TopicPartition| {
            let records = self.read(at, 0, usize::MAX);
            records.iter().take_while(|record| record.timestamp_ms < timestamp_ms).count() as u64
        };
        Ok(positions(&[topic], first))
    }

    async fn committed(&self, group: &str, topics: &[&str]) -> Result<Vec<Position>, LogError> {
        Ok(positions(topics, |at| self.committed_offset(group, at)))
    }

    async fn ping(&self) -> Result<(), LogError> {
        if self.is_away() { Err(LogError::Unavailable("it was taken away".into())) } else { Ok(()) }
    }
}

fn positions(topics: &[&str], offset: impl Fn(&TopicPartition) -> u64) -> Vec<Position> {
    let of = |topic: &&str| {
        let topic = (*topic).to_owned();
        (0..PARTITIONS).map(move |partition| TopicPartition::new(topic.clone(), partition))
    };
    let partitions = topics.iter().flat_map(of);
    partitions.map(|at| Position { offset: offset(&at), at }).collect()
}
