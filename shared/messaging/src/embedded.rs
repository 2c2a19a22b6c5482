//! The embedded log: durable, partitioned, in this process, with the semantics of Kafka.
//!
//! One thread writes (`writer`), everything that waits with one sync, to one SQLite file
//! (`sqlite`, `schema`). Ends, groups, fences and the newest records are in memory (`state`,
//! `group`, `tail`); an append, or its write, wakes those that wait for its partition, so nobody polls. The same
//! code over a store in memory (`memory`) needs neither threads nor time: simulations use that.

mod append;
mod assignment;
mod commit;
mod consumer;
mod group;
mod headers;
mod memory;
mod producer;
mod schema;
mod sqlite;
mod state;
mod store;
mod tail;
mod upkeep;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    path::Path,
    sync::{Arc, Mutex, PoisonError, Weak, mpsc},
    thread,
    time::Duration,
};

use async_trait::async_trait;
use events::topics::Topic;
use kernel::Clock;
use process_lock::ProcessLock;

use self::{
    commit::{Committer, Shared, Work},
    consumer::EmbeddedConsumer,
    memory::MemoryStore,
    producer::EmbeddedProducer,
    state::State,
    store::{Catalog, PartitionId, Range, Reader, Store, TopicRow},
    upkeep::{Eagerness, Upkeep},
    writer::Writer,
};
use crate::{
    log::{Consumer, EventLog, LogError, Producer},
    record::{Position, TopicPartition},
};

/// How an embedded log on disk behaves.
#[derive(Clone)]
pub struct Settings {
    /// Where the timestamps of records come from.
    pub clock: Arc<dyn Clock>,
    /// Memory for the newest records, from which readers that keep up are served.
    pub tail_bytes: usize,
    /// Memory for records that wait to be written; beyond it, appending waits.
    pub queue_bytes: usize,
    /// How often retention and compaction look for something to do.
    pub upkeep_every: Duration,
}

impl Settings {
    /// The usual settings.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            tail_bytes: 4 << 20,
            queue_bytes: 8 << 20,
            upkeep_every: Duration::from_secs(60),
        }
    }
}

/// An event log in this process. Clones share it; it closes when the last one and all its
/// producers and consumers are gone, or by [`close`](Self::close).
#[derive(Clone)]
pub struct EmbeddedLog(Arc<Core>);

/// What producers, consumers and upkeep share.
struct Core {
    clock: Arc<dyn Clock>,
    shared: Shared,
    reader: Arc<dyn Reader>,
    writer: Writer,
    upkeep: Mutex<Upkeep>,
    /// Dropping it ends the upkeep thread.
    _upkeep_thread: Option<mpsc::Sender<()>>,
}

impl EmbeddedLog {
    /// Opens the log in `dir`, or makes one.
    ///
    /// # Errors
    /// [`LogError::Storage`] when the directory cannot be written, [`LogError::Unavailable`] when
    /// another process has it open, [`LogError::Damaged`] when its file is not a log.
    pub fn open(dir: &Path, settings: Settings) -> Result<Self, LogError> {
        let lock = prepare(dir)?;
        let (store, reader) = sqlite::open(dir)?;
        let catalog = store.load()?;
        Self::start(Box::new(store), reader, catalog, lock, settings)
    }

    fn start(
        store: Box<dyn Store>,
        reader: Arc<dyn Reader>,
        catalog: Catalog,
        lock: Option<ProcessLock>,
        settings: Settings,
    ) -> Result<Self, LogError> {
        let no_thread = |error| LogError::Unavailable(format!("no thread for it: {error}"));
        let shared = Shared::new(State::new(catalog, settings.tail_bytes));
        let clock = settings.clock;
        let committer = Committer::new(shared.clone(), store);
        let writer = Writer::threaded(committer, lock, settings.queue_bytes).map_err(no_thread)?;
        let (stop, stopped) = mpsc::channel();
        let (upkeep, thread) = (Mutex::default(), Some(stop));
        let core = Arc::new(Core { clock, shared, reader, writer, upkeep, _upkeep_thread: thread });
        let weak = Arc::downgrade(&core);
        let run = move || upkeep_thread(&weak, &stopped, settings.upkeep_every);
        thread::Builder::new().name("log-upkeep".to_owned()).spawn(run).map_err(no_thread)?;
        Ok(Self(core))
    }

    /// A log in memory. Everything is done at once by the caller: it needs no thread and no
    /// passing of time, and is visible when the call returns.
    pub fn in_memory(clock: Arc<dyn Clock>) -> Self {
        let store = MemoryStore::default();
        let shared = Shared::new(State::new(Catalog::default(), 0));
        let committer = Committer::new(shared.clone(), Box::new(store.clone()));
        Self(Arc::new(Core {
            clock,
            shared,
            reader: Arc::new(store),
            writer: Writer::inline(committer),
            upkeep: Mutex::default(),
            _upkeep_thread: None,
        }))
    }

    /// Does now what retention and compaction would do in the background at `now_ms`, to the last
    /// record. Returns how many records were forgotten.
    ///
    /// # Errors
    /// When the store fails; what is left is forgotten next time.
    pub async fn maintain(&self, now_ms: i64) -> Result<u64, LogError> {
        let core = Arc::clone(&self.0);
        self.0.off_thread(move || core.maintain(now_ms, Eagerness::Always)).await
    }

    /// Saves the stored positions and lets the directory go. Later appends are refused.
    ///
    /// # Errors
    /// When the positions cannot be saved: what they cover will be delivered again.
    pub async fn close(&self) -> Result<(), LogError> {
        self.0.writer.close().await
    }
}

/// Makes the directory and takes the lock that keeps other processes out.
fn prepare(dir: &Path) -> Result<Option<ProcessLock>, LogError> {
    let storage = |error| LogError::Storage(format!("{}: {error}", dir.display()));
    fs::create_dir_all(dir).map_err(storage)?;
    let Some(lock) = ProcessLock::acquire(&dir.join("log.lock")).map_err(storage)? else {
        let message = format!("{}: another process has it open", dir.display());
        return Err(LogError::Unavailable(message));
    };
    // The directory's own entry must be on disk before anything in it is acknowledged.
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(storage)?;
    }
    Ok(Some(lock))
}

fn upkeep_thread(core: &Weak<Core>, stopped: &mpsc::Receiver<()>, every: Duration) {
    while stopped.recv_timeout(every) == Err(mpsc::RecvTimeoutError::Timeout) {
        let Some(core) = core.upgrade() else { return };
        match core.maintain(core.clock.now().millis(), Eagerness::WhenItPays) {
            Ok(0) => {}
            Ok(records) => tracing::debug!(records, "forgot old records"),
            Err(error) => tracing::warn!(%error, "could not forget old records"),
        }
    }
}

fn at(topic: &str, partition: u32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

impl Core {
    /// Whether it can be written. While that succeeds it is the answer; after a failure only writing can tell.
    async fn probe(&self) -> Result<(), LogError> {
        let is_failing = self.shared.lock().is_failing;
        if is_failing { self.writer.submit(Work::Probe).await } else { Ok(()) }
    }

    fn maintain(&self, now_ms: i64, eagerness: Eagerness) -> Result<u64, LogError> {
        let mut upkeep = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        upkeep.run(self, now_ms, eagerness)
    }

    /// Runs `work`, where it may wait for the disk.
    async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        if !self.reader.blocks() {
            return work();
        }
        let result = tokio::task::spawn_blocking(work).await;
        result.unwrap_or_else(|error| Err(LogError::Unavailable(error.to_string())))
    }

    /// Lets other tasks run when there is always something to read. Not in memory, where a
    /// simulation decides who runs.
    async fn yield_now_and_then(&self) {
        if self.reader.blocks() {
            tokio::task::consume_budget().await;
        }
    }

    fn first_at(&self, range: Range, timestamp_ms: i64) -> Result<u64, LogError> {
        // Timestamps never go back within a partition, so bisecting finds the one offset.
        let Range { partition, from: mut low, to: mut high } = range;
        while low < high {
            let middle = low + (high - low) / 2;
            let probe = Range { partition, from: middle, to: high };
            match self.reader.outline(probe, 1)?.first() {
                Some(record) if record.timestamp_ms < timestamp_ms => low = record.offset + 1,
                Some(_) | None => high = middle,
            }
        }
        Ok(low)
    }

    fn positions_at(
        &self,
        ids: &[PartitionId],
        timestamp_ms: i64,
    ) -> Result<Vec<Position>, LogError> {
        let mut offsets = Vec::new();
        for id in ids {
            let extent = self.shared.lock().extent(*id);
            offsets.push(extent.map(|found| self.first_at(found.range, timestamp_ms)).transpose()?);
        }
        let state = self.shared.lock();
        let named = ids.iter().map(|id| state.name_of(*id)).zip(offsets);
        Ok(named.filter_map(|(at, offset)| Some(Position { at: at?, offset: offset? })).collect())
    }
}

#[async_trait]
impl EventLog for EmbeddedLog {
    async fn ensure_topics(&self, topics: &[&Topic]) -> Result<(), LogError> {
        let row = |topic: &&Topic| TopicRow {
            name: topic.name.to_owned(),
            partitions: topic.partitions,
            cleanup: topic.cleanup,
        };
        self.0.writer.submit(Work::Topics(topics.iter().map(row).collect())).await
    }

    async fn producer(&self, identity: Option<&str>) -> Result<Box<dyn Producer>, LogError> {
        Ok(Box::new(EmbeddedProducer::new(Arc::clone(&self.0), identity).await?))
    }

    /// Tells of each record at once: in process that costs next to nothing.
    async fn subscribe(
        &self,
        group: &str,
        topics: &[&str],
        _patience: Duration,
    ) -> Result<Box<dyn Consumer>, LogError> {
        Ok(Box::new(EmbeddedConsumer::subscribe(Arc::clone(&self.0), group, topics)?))
    }

    async fn assign(
        &self,
        from: &[Position],
        _patience: Duration,
    ) -> Result<Box<dyn Consumer>, LogError> {
        Ok(Box::new(EmbeddedConsumer::assign(Arc::clone(&self.0), from)?))
    }

    async fn end_positions(&self, topics: &[&str]) -> Result<Vec<Position>, LogError> {
        let state = self.0.shared.lock();
        let ids = state.ids_of(topics)?;
        Ok(state.positions(&ids, |_, extent| Some(extent.range.to)))
    }

    async fn first_positions(&self, topics: &[&str]) -> Result<Vec<Position>, LogError> {
        let state = self.0.shared.lock();
        let ids = state.ids_of(topics)?;
        Ok(state.positions(&ids, |_, extent| Some(extent.range.from)))
    }

    async fn positions_at(
        &self,
        topic: &str,
        timestamp_ms: i64,
    ) -> Result<Vec<Position>, LogError> {
        let ids = self.0.shared.lock().ids_of(&[topic])?;
        let core = Arc::clone(&self.0);
        self.0.off_thread(move || core.positions_at(&ids, timestamp_ms)).await
    }

    async fn committed(&self, group: &str, topics: &[&str]) -> Result<Vec<Position>, LogError> {
        let state = self.0.shared.lock();
        let ids = state.ids_of(topics)?;
        Ok(state.positions(&ids, |id, _| state.committed(group, id)))
    }

    async fn ping(&self) -> Result<(), LogError> {
        self.0.probe().await
    }
}
