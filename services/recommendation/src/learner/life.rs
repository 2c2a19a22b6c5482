//! One pool while it lives: its actors, the reader that feeds them, and how far that is.

use std::{collections::BTreeMap, sync::Arc};

use actix::{Addr, ArbiterHandle, MailboxError};
use messaging::{
    log::Consumer,
    record::{Position, TopicPartition},
};
use std::sync::atomic::Ordering::Relaxed;
use tokio::task::JoinHandle;

use super::{
    Broken, gone,
    harvest::{Batch, Harvest, Heard, What},
};
use crate::{
    assortment::Assortment,
    choreography::Lesson,
    model::{Click, ItemId, Shard},
    observed::Counters,
    pool::Pool,
    shard::{Encode, Fact, FactKind, Learn, Panicked, ShardActor},
    snapshot::Parts,
};

type Offsets = BTreeMap<TopicPartition, u64>;

/// A pool and what feeds it.
pub struct Life {
    /// What is learned.
    pub pool: Arc<Pool>,
    /// Reads the log.
    pub consumer: Box<dyn Consumer>,
    /// What was read and not taught yet.
    pub harvest: Harvest,
    /// The batch that the shards are learning.
    pub flight: Flight,
    /// Whether anything was read since the last snapshot.
    pub has_changed: bool,
    actors: Vec<Addr<ShardActor>>,
    offsets: Offsets,
    /// Where the partitions ended at the start that are not learned so far.
    ends: Vec<Position>,
    watermark_micros: Option<i64>,
}

impl Life {
    /// The life of the harvest's `pool`, which has learned everything before `from`.
    pub fn begin(
        pool: Arc<Pool>,
        (consumer, harvest): (Box<dyn Consumer>, Harvest),
        from: Vec<Position>,
        ends: Vec<Position>,
        (counters, threads): (&Arc<Counters>, &[ArbiterHandle]),
    ) -> Self {
        let flight = Flight::default();
        let start = |(index, thread): (usize, &ArbiterHandle)| {
            counters.mailboxes[index].store(0, Relaxed);
            ShardActor::start(&pool, index, counters, thread)
        };
        let actors = threads.iter().enumerate().map(start).collect();
        let offsets = from.into_iter().map(|from| (from.at, from.offset)).collect();
        let watermark_micros = pool.watermark_micros();
        let has_changed = false;
        Self {
            pool,
            consumer,
            harvest,
            flight,
            has_changed,
            actors,
            offsets,
            ends,
            watermark_micros,
        }
    }

    /// The next record of every partition.
    pub fn positions(&self) -> Vec<Position> {
        let position = |(at, &offset): (&TopicPartition, &u64)| Position { at: at.clone(), offset };
        self.offsets.iter().map(position).collect()
    }

    /// Whether everything is learned that was in the log at the start. What is learned so far rests until all is: a
    /// broker that is asked only for partitions without anything new waits for it, and then so do we.
    pub fn has_caught_up(&mut self) -> bool {
        if !self.flight.is_landed() {
            return false;
        }
        let offsets = &self.offsets;
        let is_learned =
            |end: &mut Position| offsets.get(&end.at).is_none_or(|&at| at >= end.offset);
        let learned: Vec<_> = self.ends.extract_if(.., is_learned).map(|end| end.at).collect();
        if self.ends.is_empty() {
            let all: Vec<_> = self.offsets.keys().cloned().collect();
            self.consumer.resume(&all);
        } else if !learned.is_empty() {
            self.consumer.pause(&learned);
        }
        self.ends.is_empty()
    }

    /// Goes past offsets that no record has: markers of transactions and forgotten records are never delivered. No
    /// record may have been delivered that is not learned; says whether that is so.
    pub fn skip_gaps(&mut self) -> bool {
        if self.flight.is_landed() {
            for Position { at, offset } in self.consumer.reached() {
                let read = self.offsets.entry(at).or_default();
                *read = offset.max(*read);
            }
        }
        self.flight.is_landed()
    }

    /// Hands what a batch said to the shards; the flight has to have landed.
    pub fn teach(&mut self, Batch { ends, heard }: Batch, counters: &Arc<Counters>) {
        self.has_changed = true;
        self.note(&heard, counters);
        let shards = self.pool.len();
        let mut facts: Vec<Vec<Fact>> = std::iter::repeat_with(Vec::new).take(shards).collect();
        let assortment = self.pool.assortment();
        for Heard { place, offset, what } in heard {
            if let Some((kind, time_micros)) = fact(what, &assortment) {
                self.watermark_micros = self.watermark_micros.max(Some(time_micros));
                let shard = Shard::of(kind.key(), shards);
                facts[shard].push(Fact { place, offset, kind });
            }
        }
        drop(assortment);
        for Position { at, offset } in &ends {
            self.offsets.insert(at.clone(), *offset);
        }
        if facts.iter().all(Vec::is_empty) {
            return;
        }
        let watermark_micros = self.watermark_micros;
        let send = |(index, facts): (usize, Vec<Fact>)| {
            counters.mailboxes[index].fetch_add(1, Relaxed);
            self.actors[index].send(Learn { facts, watermark_micros })
        };
        let sent: Vec<_> = facts.into_iter().enumerate().map(send).collect();
        self.flight = Flight(Some((ends, tokio::spawn(futures::future::join_all(sent)))));
    }

    /// Writes everything down as it is now; the flight has to have landed.
    ///
    /// # Errors
    /// When an actor is gone.
    pub async fn write_down(&mut self) -> Result<Parts, Broken> {
        let mut shards = Vec::with_capacity(self.actors.len());
        for written in futures::future::join_all(self.actors.iter().map(|a| a.send(Encode))).await {
            shards.push(written.map_err(gone)??);
        }
        let mut assortment = Vec::new();
        self.pool.assortment().encode(&mut assortment)?;
        Ok(Parts { positions: self.positions(), assortment, shards })
    }

    /// Changes the assortment, if anything is new: most lessons are clicks on known SKUs, and need no writing.
    fn note(&self, heard: &[Heard], counters: &Counters) {
        let lessons = || {
            heard.iter().filter_map(|heard| match &heard.what {
                What::Lesson(lesson) => Some(lesson),
                What::Click(_) | What::Record(_) | What::Nothing => None,
            })
        };
        let is_news = {
            let assortment = self.pool.assortment();
            lessons().any(|lesson| is_news(lesson, &assortment))
        };
        if !is_news {
            return;
        }
        let mut assortment = self.pool.assortment_mut();
        for lesson in lessons() {
            let has_room = match lesson {
                Lesson::Click { sku, .. } => assortment.meet(sku).is_some(),
                Lesson::Order { skus, .. } => {
                    skus.iter().filter(|sku| assortment.meet(sku).is_none()).count() == 0
                }
                Lesson::Product { sku, version, active } => assortment.list(sku, *version, *active),
                Lesson::Stock { sku, version, available } => {
                    assortment.stock(sku, *version, *available)
                }
                Lesson::Forgotten { sku } => {
                    assortment.forget(sku);
                    true
                }
            };
            if !has_room && counters.no_room.fetch_add(1, Relaxed) == 0 {
                tracing::error!("no room for another SKU: the new ones are not learned");
            }
        }
    }
}

fn is_news(lesson: &Lesson, assortment: &Assortment) -> bool {
    let is_new = |sku: &String| assortment.catalogue().get(sku).is_none();
    match lesson {
        Lesson::Click { sku, .. } => is_new(sku),
        Lesson::Order { skus, .. } => skus.iter().any(is_new),
        Lesson::Product { .. } | Lesson::Stock { .. } | Lesson::Forgotten { .. } => true,
    }
}

/// What was said in the model's terms, and its time; `None` when it only concerned the assortment, or there is no room.
fn fact(what: What, assortment: &Assortment) -> Option<(FactKind, i64)> {
    let item = |sku: &String| assortment.catalogue().get(sku);
    let lesson = match what {
        What::Click(click) => return Some((FactKind::Click(click), click.time_micros)),
        What::Lesson(lesson) => lesson,
        What::Record(_) | What::Nothing => return None,
    };
    match lesson {
        Lesson::Click { session, sku, time_micros, fingerprint, kind } => {
            let item = item(&sku)?;
            let click = Click { session, item, time_micros, fingerprint, kind };
            Some((FactKind::Click(click), time_micros))
        }
        Lesson::Order { order, skus, time_micros } => {
            // In the order of the lines: ids have another order on every replica.
            let mut items: Vec<ItemId> = Vec::with_capacity(skus.len());
            for item in skus.iter().filter_map(item) {
                if !items.contains(&item) {
                    items.push(item);
                }
            }
            Some((FactKind::Order { order, items: items.into(), time_micros }, time_micros))
        }
        Lesson::Product { .. } | Lesson::Stock { .. } | Lesson::Forgotten { .. } => None,
    }
}

type Learned = Vec<Result<Result<(), Panicked>, MailboxError>>;

/// The batch that the shards are learning, if there is one, with its partitions.
#[derive(Default)]
pub struct Flight(Option<(Vec<Position>, JoinHandle<Learned>)>);

impl Flight {
    /// Whether none is under way.
    pub const fn is_landed(&self) -> bool {
        self.0.is_none()
    }

    /// Waits until the batch is learned; at once if there is none.
    ///
    /// # Errors
    /// When a shard could not learn it.
    pub async fn land(&mut self) -> Result<(), Broken> {
        if self.is_landed() { Ok(()) } else { self.landed().await }
    }

    /// Waits until a batch is learned; for ever if there is none. Safe to cancel.
    ///
    /// # Errors
    /// When a shard could not learn it.
    pub async fn landed(&mut self) -> Result<(), Broken> {
        let Some((_, learning)) = &mut self.0 else { return std::future::pending().await };
        let learned = learning.await;
        let ends = self.0.take().map(|(ends, _)| ends).unwrap_or_default();
        let panicked =
            |Panicked { place, offset }| Broken::Panicked(ends[place].at.clone(), offset);
        for learned in learned.map_err(gone)? {
            learned.map_err(gone)?.map_err(panicked)?;
        }
        Ok(())
    }
}
