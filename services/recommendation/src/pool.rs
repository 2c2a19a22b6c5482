//! The shards and what may be shown, as answers read them: where they are, under read locks.
//!
//! Each shard has one writer, its actor ([`crate::shard`]); the assortment has one, the learner. Nobody holds one of the
//! locks for writing while it waits for another, so readers, who take several, cannot be part of a deadlock.

use std::{
    cell::RefCell,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use kernel::{Sku, Timestamp};

use crate::{
    assortment::Assortment,
    model::{
        Fingerprint, ItemId, Parameters, Query, Recommendation, Recommender, Scratch, SessionKey,
        Shard, Window,
    },
};

thread_local! {
    /// The memory for the answers of one thread.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Everything that is learned, in shards.
pub struct Pool {
    assortment: RwLock<Assortment>,
    shards: Vec<RwLock<Shard>>,
    recommender: Recommender,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The stored session to answer for.
    pub session: Option<SessionKey>,
    /// What the visitor has looked at, the newest last.
    pub recent: &'a [Sku],
    /// The item on the page, which counts as the newest.
    pub page: Option<&'a Sku>,
    /// How many items are wanted at most.
    pub limit: usize,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The best first.
    pub items: Vec<Suggestion>,
    /// The newest event that the answer knows of; `None` before the first.
    pub as_of: Option<Timestamp>,
}

/// An item of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// Which.
    pub sku: String,
    /// Comparable within one answer.
    pub score: f64,
    /// Why.
    pub reason: &'static str,
}

impl Pool {
    /// A pool of these shards.
    pub fn new(parameters: Parameters, assortment: Assortment, shards: Vec<Shard>) -> Self {
        let shards = shards.into_iter().map(RwLock::new).collect();
        let recommender = Recommender::new(parameters);
        Self { assortment: RwLock::new(assortment), shards, recommender }
    }

    /// A pool that has learned nothing.
    pub fn empty(parameters: Parameters, shards: usize, max_items: usize) -> Self {
        let shards = (0..shards).map(|_| Shard::new(&parameters)).collect();
        Self::new(parameters, Assortment::new(max_items), shards)
    }

    /// What may follow in a session or after these items.
    pub fn recommend(&self, question: &Question<'_>) -> Answer {
        let assortment = self.assortment();
        let item = |sku: &Sku| assortment.catalogue().get(sku.as_str());
        let recent: Vec<_> = question.recent.iter().filter_map(item).collect();
        let page = question.page.and_then(item);
        let query =
            Query { session: question.session, recent: &recent, page, limit: question.limit };
        let shards = self.all_shards();
        // Taken out: should the model panic, what it leaves behind is not used again.
        let mut scratch = SCRATCH.take();
        let show = |item| assortment.shows(item);
        let (recommender, catalogue) = (&self.recommender, assortment.catalogue());
        let found = recommender.recommend(&shards, catalogue, &query, show, &mut scratch);
        SCRATCH.replace(scratch);
        answer(&assortment, &shards, &found)
    }

    /// What is popular within a window of event time.
    pub fn trending(&self, window: Window, limit: usize) -> Answer {
        let (assortment, shards) = (self.assortment(), self.all_shards());
        let show = |item: ItemId| assortment.shows(item);
        let catalogue = assortment.catalogue();
        let found = self.recommender.trending(&shards, catalogue, (window, limit), show);
        answer(&assortment, &shards, &found)
    }

    /// Which of these events are in the model.
    pub fn remembered(&self, events: &[(SessionKey, Fingerprint)]) -> Vec<bool> {
        let shards = self.all_shards();
        let knows = |&(session, fingerprint): &(SessionKey, Fingerprint)| {
            shards[Shard::of(session, shards.len())].visits().has(session, fingerprint)
        };
        events.iter().map(knows).collect()
    }

    /// The newest event time of all shards, in microseconds since 1970.
    pub fn watermark_micros(&self) -> Option<i64> {
        newest(&self.all_shards())
    }

    /// The model's parameters.
    pub const fn parameters(&self) -> &Parameters {
        self.recommender.parameters()
    }

    /// How many shards there are.
    pub const fn len(&self) -> usize {
        self.shards.len()
    }

    /// Whether there is no shard, which cannot be.
    pub const fn is_empty(&self) -> bool {
        self.shards.is_empty()
    }

    /// What may be shown, to be read.
    pub fn assortment(&self) -> RwLockReadGuard<'_, Assortment> {
        self.assortment.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What may be shown, for the learner to change.
    pub fn assortment_mut(&self) -> RwLockWriteGuard<'_, Assortment> {
        self.assortment.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A shard, to be read.
    pub fn shard(&self, index: usize) -> RwLockReadGuard<'_, Shard> {
        // A shard that was being changed when its actor panicked is emptied before anybody gets here.
        self.shards[index].read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A shard, for its actor to change.
    pub fn shard_mut(&self, index: usize) -> RwLockWriteGuard<'_, Shard> {
        self.shards[index].write().unwrap_or_else(PoisonError::into_inner)
    }

    fn all_shards(&self) -> Vec<RwLockReadGuard<'_, Shard>> {
        (0..self.len()).map(|index| self.shard(index)).collect()
    }
}

fn newest(shards: &[RwLockReadGuard<'_, Shard>]) -> Option<i64> {
    shards.iter().filter_map(|shard| shard.watermark_micros()).max()
}

fn answer(
    assortment: &Assortment,
    shards: &[RwLockReadGuard<'_, Shard>],
    found: &[Recommendation],
) -> Answer {
    let suggestion = |one: &Recommendation| Suggestion {
        sku: assortment.catalogue().sku(one.item).to_owned(),
        score: one.score,
        reason: one.reason.text(),
    };
    Answer { items: found.iter().map(suggestion).collect(), as_of: newest(shards).map(Timestamp) }
}
