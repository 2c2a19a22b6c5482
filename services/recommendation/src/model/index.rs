//! The incremental inverted index: sessions by key, and for each item its sessions, the most recent first.
//!
//! The postings are a function of the retained sessions alone, so they need not be saved.

use super::arena::MAX_RUN;
use super::postings::{MAX_SLOTS, Posting, Postings, Recency};
use super::ranking::Ranking;
use super::retention::{LOTS, Retention, lot_of};
use super::sessions::{SessionStore, SessionView};
use super::{Fingerprint, ItemId, Learned, SessionKey};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

/// Sessions and postings of one shard. Orders are kept in another one, as sessions of what was bought.
#[derive(Clone, Debug)]
pub struct SessionIndex {
    store: SessionStore,
    by_key: HashTable<u32>,
    hasher: DefaultHashBuilder,
    postings: Postings,
    popularity: Ranking,
    retention: Retention,
    clicks_per_session: usize,
    clicks: usize,
}

impl SessionIndex {
    /// An empty index that retains about `sessions_retained` sessions, counted over all shards.
    #[must_use]
    pub fn new(sessions_retained: usize, clicks_per_session: usize) -> Self {
        Self {
            store: SessionStore::default(),
            by_key: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            postings: Postings::default(),
            popularity: Ranking::default(),
            retention: Retention::new(sessions_retained.min(MAX_SLOTS - LOTS)),
            clicks_per_session: clicks_per_session.clamp(1, MAX_RUN),
            clicks: 0,
        }
    }

    /// Learns one click in its place.
    pub fn learn(
        &mut self,
        key: SessionKey,
        item: ItemId,
        time_ms: i64,
        fingerprint: Fingerprint,
    ) -> Learned {
        if time_ms <= self.retention.floor_ms(lot_of(key)) {
            return Learned::TooOld;
        }
        let known = self.slot_of(key);
        let slot = known.unwrap_or_else(|| self.open(key, time_ms));
        let learned = self.learn_in(slot, item.0, time_ms, fingerprint.0);
        if known.is_none() {
            self.retention.add(key, slot, time_ms);
            self.evict(lot_of(key));
            if self.slot_of(key).is_none() {
                return Learned::TooOld;
            }
        }
        learned
    }

    /// How many sessions are retained.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no session is retained.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// How many clicks are retained.
    #[must_use]
    pub const fn clicks(&self) -> usize {
        self.clicks
    }

    /// In how many sessions each item occurs.
    pub(crate) const fn popularity(&self) -> &Ranking {
        &self.popularity
    }

    /// In how many sessions an item occurs.
    pub(crate) fn sessions_with(&self, item: u32) -> usize {
        self.popularity.count(item) as usize
    }

    /// The sessions with an item, the most recent first.
    pub(crate) fn newest(&self, item: u32) -> impl Iterator<Item = Posting> + '_ {
        self.postings.newest(item)
    }

    /// The session in a slot.
    pub(crate) fn session(&self, slot: u32) -> SessionView<'_> {
        self.store.session(slot)
    }

    /// The session with a key.
    pub(crate) fn find(&self, key: SessionKey) -> Option<SessionView<'_>> {
        self.slot_of(key).map(|slot| self.session(slot))
    }

    /// Whether a session has an event with this fingerprint.
    #[must_use]
    pub fn has(&self, key: SessionKey, fingerprint: Fingerprint) -> bool {
        let clicks = self.find(key).map_or(&[][..], |session| session.clicks);
        clicks.iter().any(|click| click.fingerprint == fingerprint.0)
    }

    /// All sessions.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = SessionView<'_>> {
        self.store.sessions()
    }

    /// Puts back a session that was written; false if the index has it already.
    pub(crate) fn restore(&mut self, session: &SessionView<'_>) -> bool {
        if self.find(session.key).is_some() {
            return false;
        }
        let slot = self.open(session.key, session.base_ms);
        let surplus = session.clicks.len().saturating_sub(self.clicks_per_session);
        for place in surplus..session.clicks.len() {
            let click = session.clicks[place];
            self.insert(slot, click.item, session.time_ms(place), click.fingerprint);
        }
        self.retention.add(session.key, slot, session.newest_ms());
        self.evict(lot_of(session.key));
        true
    }

    /// The time up to which a lot of sessions takes no more clicks.
    pub(crate) fn floor_ms(&self, lot: usize) -> i64 {
        self.retention.floor_ms(lot)
    }

    /// Raises it.
    pub(crate) fn raise_floor(&mut self, lot: usize, floor_ms: i64) {
        self.retention.raise_floor(lot, floor_ms);
    }

    /// When the newest click on an item happened in a session that has it.
    pub(crate) fn recency_of(&self, slot: u32, item: u32) -> Recency {
        self.store.recency_of(slot, item)
    }

    fn slot_of(&self, key: SessionKey) -> Option<u32> {
        self.by_key.find(self.hasher.hash_one(key), |&slot| self.store.key(slot) == key).copied()
    }

    fn open(&mut self, key: SessionKey, base_ms: i64) -> u32 {
        let slot = self.store.open(key, base_ms);
        let Self { by_key, hasher, store, .. } = self;
        by_key.insert_unique(hasher.hash_one(key), slot, |&slot| hasher.hash_one(store.key(slot)));
        slot
    }

    /// A click that was dropped lies at or before the oldest of a full session, so it is refused when it is repeated.
    fn learn_in(&mut self, slot: u32, item: u32, time_ms: i64, fingerprint: u32) -> Learned {
        let session = self.session(slot);
        if session.clicks.iter().any(|click| click.fingerprint == fingerprint) {
            return Learned::Repeat;
        }
        let full = session.clicks.len() >= self.clicks_per_session;
        if time_ms < session.oldest_kept_ms() || (full && time_ms <= session.time_ms(0)) {
            return Learned::TooOld;
        }
        if full {
            self.drop_oldest(slot);
        }
        while self.store.exceeds_span(slot, time_ms) {
            self.drop_oldest(slot);
        }
        self.insert(slot, item, time_ms, fingerprint);
        Learned::New
    }

    fn insert(&mut self, slot: u32, item: u32, time_ms: i64, fingerprint: u32) {
        let session = self.session(slot);
        let newest_before = session.newest_of(item).map(|place| session.time_ms(place));
        self.store.insert(slot, item, time_ms, fingerprint);
        self.clicks += 1;
        match newest_before {
            Some(before_ms) if before_ms >= time_ms => {}
            Some(before_ms) => {
                self.postings.remove(item, slot, before_ms);
                self.post(slot, item, time_ms);
            }
            None => {
                self.popularity.increment(item);
                self.post(slot, item, time_ms);
            }
        }
    }

    fn post(&mut self, slot: u32, item: u32, time_ms: i64) {
        let Self { store, postings, .. } = self;
        let at = (time_ms, store.key(slot).bits());
        postings.insert(item, (slot, at), |other| store.recency_of(other, item));
    }

    fn drop_oldest(&mut self, slot: u32) {
        self.withdraw(slot, 0);
        self.store.remove_oldest(slot);
    }

    /// Takes a click of a session out of everything but the session.
    fn withdraw(&mut self, slot: u32, place: usize) {
        let session = self.session(slot);
        let item = session.clicks[place].item;
        if session.newest_of(item) == Some(place) {
            let time_ms = session.time_ms(place);
            self.postings.remove(item, slot, time_ms);
            self.popularity.decrement(item);
        }
        self.clicks -= 1;
    }

    fn evict(&mut self, lot: usize) {
        while let Some(slot) = self.retention.take_oldest(lot, |slot| self.store.recency(slot)) {
            self.close(slot);
        }
    }

    fn close(&mut self, slot: u32) {
        let key = self.store.key(slot);
        for place in 0..self.session(slot).clicks.len() {
            self.withdraw(slot, place);
        }
        if let Ok(entry) = self.by_key.find_entry(self.hasher.hash_one(key), |&other| other == slot)
        {
            entry.remove();
        }
        self.store.close(slot);
    }
}
