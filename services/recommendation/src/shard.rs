//! The actor of one shard. It exists so that each shard has one writer, on a thread of its own, with a bounded mailbox:
//! shards learn at the same time, each in the order of the log, and a learner that is faster than them waits.
//!
//! Answers do not go through it; they read the shard in place ([`crate::pool`]).

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use actix::prelude::*;

use crate::{
    model::{Click, ItemId, Learned, Order, SessionKey, Shard},
    observed::Counters,
    pool::Pool,
};

/// Batches that may wait. The learner sends the next when one is done, and asks for a snapshot when none is under way.
const MAILBOX_CAPACITY: usize = 2;
/// What is learned under one lock: answers wait no longer than for these.
const FACTS_AT_ONCE: usize = 64;

/// The writer of one shard of a pool.
pub struct ShardActor {
    pool: Arc<Pool>,
    index: usize,
    counters: Arc<Counters>,
}

/// Something to learn, and the record it came with.
#[derive(Clone, Debug)]
pub struct Fact {
    /// The index of the record's partition in its batch.
    pub place: usize,
    /// The record's offset.
    pub offset: u64,
    /// What is to be learned.
    pub kind: FactKind,
}

/// Something to learn, in the model's terms.
#[derive(Clone, Debug)]
pub enum FactKind {
    /// A click.
    Click(Click),
    /// An order.
    Order {
        /// The key of its id.
        order: SessionKey,
        /// What was bought together.
        items: Box<[ItemId]>,
        /// When, in microseconds since 1970.
        time_micros: i64,
    },
}

impl FactKind {
    /// What decides which shard learns it.
    pub const fn key(&self) -> SessionKey {
        match self {
            Self::Click(click) => click.session,
            Self::Order { order, .. } => *order,
        }
    }

    fn teach(&self, shard: &mut Shard) -> Learned {
        match self {
            Self::Click(click) => {
                #[cfg(test)]
                planted::panic_on(click);
                shard.learn_click(click)
            }
            Self::Order { order, items, time_micros } => {
                shard.learn_order(&Order { order: *order, items, time_micros: *time_micros })
            }
        }
    }
}

/// Learn these in this order, and let the windows end at the watermark, that of all shards.
#[derive(Message)]
#[rtype(result = "Result<(), Panicked>")]
pub struct Learn {
    /// What to learn.
    pub facts: Vec<Fact>,
    /// The newest event time, in microseconds since 1970.
    pub watermark_micros: Option<i64>,
}

/// Write your shard down. Nothing is learned meanwhile, so nobody waits for the lock and answers go on.
#[derive(Message)]
#[rtype(result = "io::Result<Vec<u8>>")]
pub struct Encode;

/// The model has panicked on this record of the batch. The shard was emptied: what the panic left behind is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked {
    /// The index of the record's partition in its batch.
    pub place: usize,
    /// The record's offset.
    pub offset: u64,
}

impl ShardActor {
    /// Starts the actor of a shard on its thread.
    pub fn start(
        pool: &Arc<Pool>,
        index: usize,
        counters: &Arc<Counters>,
        thread: &ArbiterHandle,
    ) -> Addr<Self> {
        let actor = Self { pool: pool.clone(), index, counters: counters.clone() };
        Actor::start_in_arbiter(thread, move |_| actor)
    }

    /// The batches that wait in the mailbox, for whoever sends one.
    pub fn mailbox(counters: &Counters, index: usize) -> &AtomicUsize {
        &counters.mailboxes[index]
    }

    fn learn_chunk(&self, facts: &[Fact]) -> Result<(), Panicked> {
        let mut current = Panicked { place: 0, offset: 0 };
        let mut counts = Counts::default();
        let mut shard = self.pool.shard_mut(self.index);
        let learned = catch_unwind(AssertUnwindSafe(|| {
            for &Fact { place, offset, ref kind } in facts {
                current = Panicked { place, offset };
                counts.add(kind.teach(&mut shard));
            }
        }));
        if learned.is_err() {
            *shard = Shard::new(self.pool.parameters());
        }
        drop(shard);
        counts.tell(&self.counters);
        learned.map_err(|_| current)
    }
}

/// What became of some facts. The shards' threads would wait for each other if each fact were counted for itself.
#[derive(Default)]
struct Counts {
    learned: u64,
    repeated: u64,
    too_old: u64,
}

impl Counts {
    const fn add(&mut self, learned: Learned) {
        match learned {
            Learned::New => self.learned += 1,
            Learned::Repeat => self.repeated += 1,
            Learned::TooOld => self.too_old += 1,
        }
    }

    fn tell(&self, counters: &Counters) {
        counters.learned.fetch_add(self.learned, Relaxed);
        counters.repeated.fetch_add(self.repeated, Relaxed);
        counters.too_old.fetch_add(self.too_old, Relaxed);
    }
}

impl Actor for ShardActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
    }
}

impl Handler<Learn> for ShardActor {
    type Result = Result<(), Panicked>;

    fn handle(
        &mut self,
        Learn { facts, watermark_micros }: Learn,
        _: &mut Self::Context,
    ) -> Self::Result {
        Self::mailbox(&self.counters, self.index).fetch_sub(1, Relaxed);
        for chunk in facts.chunks(FACTS_AT_ONCE) {
            self.learn_chunk(chunk)?;
        }
        if let Some(watermark_micros) = watermark_micros {
            self.pool.shard_mut(self.index).advance_watermark(watermark_micros);
        }
        Ok(())
    }
}

impl Handler<Encode> for ShardActor {
    type Result = io::Result<Vec<u8>>;

    fn handle(&mut self, Encode: Encode, _: &mut Self::Context) -> Self::Result {
        let mut bytes = Vec::new();
        self.pool.shard(self.index).encode(&mut bytes)?;
        Ok(bytes)
    }
}

/// Panics that tests plant by the id of an event.
#[cfg(test)]
mod planted {
    use std::sync::atomic::{AtomicBool, Ordering};

    use crate::model::{Click, Fingerprint};

    static ONCE: AtomicBool = AtomicBool::new(true);

    pub fn panic_on(click: &Click) {
        assert!(click.fingerprint != Fingerprint::of("panics always"), "planted");
        let once = click.fingerprint == Fingerprint::of("panics once");
        assert!(!(once && ONCE.swap(false, Ordering::Relaxed)), "planted");
    }
}
