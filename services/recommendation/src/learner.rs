//! The learner: reads the log, hands what it teaches to the shards' actors, and takes snapshots. It supervises the pool:
//! whatever breaks it, a panic in a shard above all, a new pool is built from the newest snapshot and the log behind it,
//! while the old one goes on answering.
//!
//! There is no consumer group and no stored offset: every replica reads all partitions, and the snapshot has the
//! offsets that it reflects.

mod harvest;
mod life;

use std::{
    collections::HashMap,
    io,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use actix::ArbiterHandle;
use events::{Codec, CodecError, Event, codec::Decoded};
use futures::FutureExt as _;
use kernel::Clock;
use messaging::{
    log::{EventLog, LogError, LogEvent},
    record::{Position, Record, RecordSink as _, TopicPartition},
    retry::Backoff,
    service::Unusable,
    telemetry::{Tracer, reader::Reading},
};
use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_blocking},
    time::Instant,
};

use self::{
    harvest::{Harvest, What},
    life::Life,
};
use crate::{
    app::NAME,
    choreography::{self, Lesson, TOPICS},
    letters::Letters,
    observed::Counters,
    pool::Pool,
    published::Published,
    snapshot::{Parts, Restored, Shape, Store},
};

/// How long the log may gather clicks: they have to be in the model within a second.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often it is looked whether a snapshot is due or the end is reached, at least.
const TICK: Duration = Duration::from_millis(100);
const SHORTEST_TICK: Duration = Duration::from_millis(1);
/// A record on which the model panics so often goes to the dead letters.
const MAX_PANICS: u32 = 2;

/// Reads the log for one replica.
pub struct Learner {
    /// Where the events are.
    pub log: Arc<dyn EventLog>,
    /// How they are read.
    pub codec: Arc<Codec>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where spans go.
    pub tracer: Tracer,
    /// Where snapshots are.
    pub store: Store,
    /// What a pool is to be like.
    pub shape: Shape,
    /// How often a snapshot is taken while something changes.
    pub snapshot_every: Duration,
    /// Whether to begin at the log's beginning, whatever snapshots there are.
    pub rebuild: bool,
    /// Where the answers find the pool.
    pub published: Arc<Published>,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// The threads of the shards' actors.
    pub threads: Vec<ArbiterHandle>,
    /// Where records go that cannot be learned.
    pub letters: Letters,
    /// Turns true when the service stops; closed without that, it was killed.
    pub stop: watch::Receiver<bool>,
    /// How often the model has panicked on which records.
    pub panics: HashMap<(TopicPartition, u64), u32>,
    /// The snapshot that is being written.
    pub saving: Option<JoinHandle<()>>,
}

/// Why a pool is given up.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The directory of the snapshots cannot be used.
    #[error("use the directory of the snapshots: {0}")]
    Store(#[from] io::Error),
    /// The model has panicked.
    #[error("the model panicked on {0}@{1}")]
    Panicked(TopicPartition, u64),
    /// An actor is gone, or a task was aborted.
    #[error("a part of the pool is gone: {0}")]
    Gone(String),
    /// The service stops.
    #[error("the service stops")]
    Stopped,
}

impl Learner {
    /// Learns until the service stops. A stop that was asked for ends with a snapshot.
    pub async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let lived = AssertUnwindSafe(self.live(&mut backoff)).catch_unwind().await;
            self.published.unready();
            self.saved().await;
            match lived {
                Ok(Ok(()) | Err(Broken::Stopped)) => return,
                Ok(Err(error)) => tracing::error!(%error, "learning begins anew from the snapshot"),
                Err(_) => tracing::error!("learning panicked, begins anew from the snapshot"),
            }
            self.counters.rebuilt.fetch_add(1, Relaxed);
            if self.pause(&mut backoff).await.is_err() {
                return;
            }
        }
    }

    /// The life of one pool.
    async fn live(&mut self, backoff: &mut Backoff) -> Result<(), Broken> {
        let mut stop = self.stop.clone();
        let mut life = tokio::select! {
            begun = self.begin() => begun?,
            _ = stop.changed() => return Ok(()),
        };
        let mut tick = tokio::time::interval(self.snapshot_every.clamp(SHORTEST_TICK, TICK));
        let mut saved_at = Instant::now();
        loop {
            life.harvest.wants_copies = self.tracer.is_on() && self.published.pool().is_some();
            tokio::select! {
                event = life.consumer.next_into(&mut life.harvest) => match event {
                    None => {
                        self.learn(&mut life).await?;
                        backoff.reset();
                    }
                    Some(LogEvent::Records(_, records)) => {
                        life.harvest.take_all(&records);
                        self.learn(&mut life).await?;
                    }
                    Some(LogEvent::Assigned(_) | LogEvent::Revoked(..)) => {}
                    Some(LogEvent::Error(error)) if error.is_transient() => {
                        tracing::warn!(%error, "reading the log");
                        self.pause(backoff).await?;
                    }
                    Some(LogEvent::Error(error)) => return Err(error.into()),
                },
                landed = life.flight.landed() => {
                    self.landed(landed)?;
                    self.tell_how_far(&mut life);
                }
                _ = tick.tick() => {
                    let is_due = life.has_changed && saved_at.elapsed() >= self.snapshot_every;
                    if is_due && self.saving.as_ref().is_none_or(JoinHandle::is_finished) {
                        self.save(&mut life).await?;
                        saved_at = Instant::now();
                    }
                    self.look_how_far(&mut life);
                }
                changed = stop.changed() => {
                    return if changed.is_ok() { self.finish(life).await } else { Ok(()) };
                }
            }
        }
    }

    /// A pool as the newest usable snapshot has it, and a reader of what came after.
    async fn begin(&mut self) -> Result<Life, Broken> {
        let topics: Vec<_> = TOPICS.iter().map(|topic| topic.name).collect();
        let ends = self.log.end_positions(&topics).await?;
        let firsts = self.log.first_positions(&topics).await?;
        let restored = self.restore(ends.clone()).await?;
        let (pool, from) = match restored {
            Some(Restored { pool, positions }) => (pool, resume(&positions, firsts)),
            None => {
                let Shape { parameters, shards, max_items } = self.shape.clone();
                (Pool::empty(parameters, shards, max_items), firsts)
            }
        };
        let pool = Arc::new(pool);
        let suspects = self.panics.keys().cloned().collect();
        let harvest = Harvest::new(self.codec.clone(), pool.clone(), suspects);
        let consumer = (self.log.assign(&from, PATIENCE).await?, harvest);
        let life = Life::begin(pool, consumer, from, ends, (&self.counters, &self.threads));
        self.published.read_up_to(life.positions());
        Ok(life)
    }

    async fn restore(&self, ends: Vec<Position>) -> Result<Option<Restored>, Broken> {
        if self.rebuild {
            tracing::info!("rebuilding from the log's beginning");
            return Ok(None);
        }
        let (store, shape) = (self.store.clone(), self.shape.clone());
        let load = move || store.load(&shape, |positions| is_of_this_log(positions, &ends));
        let restored = spawn_blocking(load).await.map_err(gone)??;
        match &restored {
            Some(Restored { pool, .. }) => {
                tracing::info!(items = pool.assortment().catalogue().len(), "snapshot loaded");
            }
            None => tracing::info!("no usable snapshot: learning what the log still has"),
        }
        Ok(restored)
    }

    /// Learns what was read. It is decoded while the shards learn what was read before.
    async fn learn(&mut self, life: &mut Life) -> Result<(), Broken> {
        let mut batch = life.harvest.batch();
        for heard in &mut batch.heard {
            if let What::Record(record) = &heard.what {
                heard.what = self.lesson(record).await?.map_or(What::Nothing, What::Lesson);
            }
        }
        let landed = life.flight.land().await;
        self.landed(landed)?;
        self.published.read_up_to(life.positions());
        life.teach(batch, &self.counters);
        self.tell_how_far(life);
        Ok(())
    }

    /// What a record teaches, if anything. What can never be learned is kept in the dead letters.
    async fn lesson(&mut self, record: &Record) -> Result<Option<Lesson>, Broken> {
        let place = (record.at.clone(), record.offset);
        let is_suspect = !self.panics.is_empty() && self.panics.get(&place) >= Some(&MAX_PANICS);
        let heard = if is_suspect {
            Err(Unusable("the model panics on it".to_owned()))
        } else {
            self.hear(record).await?
        };
        match heard {
            Ok(lesson) => Ok(lesson),
            Err(Unusable(reason)) => {
                self.give_up(record, &reason).await?;
                Ok(None)
            }
        }
    }

    /// Decodes a record, however long the registry is away.
    async fn hear(&mut self, record: &Record) -> Result<Result<Option<Lesson>, Unusable>, Broken> {
        let Some(value) = &record.value else {
            let key = record.key.as_ref().and_then(|key| std::str::from_utf8(key).ok());
            return Ok(Ok(choreography::hear_tombstone(&record.at.topic, key)));
        };
        let mut backoff = Backoff::default();
        loop {
            match self.codec.decode(value).await {
                Ok(Decoded::Event(event)) => {
                    let reading = self.reading(record, &event);
                    let lesson = choreography::hear(event, record.timestamp_ms);
                    if let Some(reading) = reading {
                        reading.end(&self.tracer, self.clock.now());
                    }
                    return Ok(lesson);
                }
                Ok(Decoded::Unknown(_)) => return Ok(Ok(None)),
                Err(CodecError::Unavailable(why)) => {
                    tracing::warn!(why, "cannot decode yet");
                    self.pause(&mut backoff).await?;
                }
                Err(error) => return Ok(Err(Unusable(error.to_string()))),
            }
        }
    }

    /// The spans of hearing an event. What is read again at a start makes none: its traces are over.
    fn reading(&self, record: &Record, event: &Event) -> Option<Reading> {
        self.published.pool()?;
        Reading::begin(&self.tracer, NAME, record, event, self.clock.now())
    }

    async fn give_up(&mut self, record: &Record, reason: &str) -> Result<(), Broken> {
        let mut backoff = Backoff::default();
        loop {
            match self.letters.keep(record, reason).await {
                Ok(is_new) => {
                    self.counters.unusable.fetch_add(1, Relaxed);
                    if is_new {
                        tracing::warn!(at = %record.at, record.offset, reason, "a dead letter");
                    }
                    return Ok(());
                }
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, "cannot keep a dead letter yet");
                    self.pause(&mut backoff).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn landed(&mut self, landed: Result<(), Broken>) -> Result<(), Broken> {
        if let Err(Broken::Panicked(at, offset)) = &landed {
            *self.panics.entry((at.clone(), *offset)).or_default() += 1;
        }
        landed
    }

    /// Tells how far it is, between two batches. Offsets that no record has can wait once answers are given: asking for
    /// them takes longer than a click.
    fn tell_how_far(&self, life: &mut Life) {
        if !self.published.is_ready() {
            self.look_how_far(life);
        } else if life.flight.is_landed() {
            self.published.read_up_to(life.positions());
        }
    }

    /// Tells how far it is, gaps included. Once all is learned that was in the log at the start, answers come from
    /// this pool.
    fn look_how_far(&self, life: &mut Life) {
        if !life.skip_gaps() {
            return;
        }
        self.published.read_up_to(life.positions());
        if !self.published.is_ready() && life.has_caught_up() {
            tracing::info!("everything in the log is learned");
            self.published.publish(life.pool.clone());
        }
    }

    /// Takes a snapshot, and begins to write it.
    async fn save(&mut self, life: &mut Life) -> Result<(), Broken> {
        let landed = life.flight.land().await;
        self.landed(landed)?;
        let parts = life.write_down().await?;
        life.has_changed = false;
        // From here on this pool's own snapshots are the newest.
        self.rebuild = false;
        let (store, counters) = (self.store.clone(), self.counters.clone());
        self.saving = Some(spawn_blocking(move || write(&store, &parts, &counters)));
        Ok(())
    }

    /// Waits for the snapshot that is being written.
    async fn saved(&mut self) {
        if let Some(Err(error)) = futures::future::OptionFuture::from(self.saving.take()).await {
            tracing::error!(%error, "a snapshot was not written");
        }
    }

    /// The last snapshot of a service that stops.
    async fn finish(&mut self, mut life: Life) -> Result<(), Broken> {
        self.saved().await;
        let landed = life.flight.land().await;
        self.landed(landed)?;
        if life.has_changed { self.save(&mut life).await } else { Ok(()) }
    }

    /// Waits before another try.
    async fn pause(&mut self, backoff: &mut Backoff) -> Result<(), Broken> {
        tokio::select! {
            () = backoff.wait() => Ok(()),
            _ = self.stop.changed() => Err(Broken::Stopped),
        }
    }
}

fn write(store: &Store, parts: &Parts, counters: &Counters) {
    match store.save(parts) {
        Ok(bytes) => {
            counters.snapshots.fetch_add(1, Relaxed);
            counters.snapshot_bytes.store(bytes, Relaxed);
            tracing::debug!(bytes, "snapshot written");
        }
        Err(error) => tracing::error!(%error, "no snapshot: a restart will take longer"),
    }
}

/// Whether the log has everything that a snapshot says it has read. Another log in the place of the old one has not.
fn is_of_this_log(positions: &[Position], ends: &[Position]) -> bool {
    positions.iter().all(|position| {
        let end = ends.iter().find(|end| end.at == position.at);
        end.is_none_or(|end| position.offset <= end.offset)
    })
}

/// Where to go on: at the snapshot's positions, or where the log begins now.
fn resume(positions: &[Position], firsts: Vec<Position>) -> Vec<Position> {
    let after = |first: Position| {
        let read = positions.iter().find(|position| position.at == first.at);
        let offset = read.map_or(first.offset, |read| read.offset);
        if offset < first.offset {
            let forgotten = first.offset - offset;
            tracing::warn!(at = %first.at, forgotten, "the log has forgotten what was not read");
        }
        Position { offset: offset.max(first.offset), at: first.at }
    };
    firsts.into_iter().map(after).collect()
}

fn gone(error: impl std::fmt::Display) -> Broken {
    Broken::Gone(error.to_string())
}
