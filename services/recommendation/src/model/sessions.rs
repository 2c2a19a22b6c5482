//! The sessions of a shard and their clicks, each in a numbered slot.

use super::arena::{Arena, Run};
use super::places::Places;
use super::postings::Recency;
use super::{SessionKey, narrow};

/// A session spans at most 2^32 ms, 49 days: that is how far its clicks' offsets reach.
const MAX_SPAN_MS: i64 = u32::MAX as i64;

/// A click within its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredClick {
    /// The item's id.
    pub item: u32,
    /// Milliseconds after the base time of its session.
    pub offset_ms: u32,
    /// Tells a repeat from a new click.
    pub fingerprint: u32,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    key: SessionKey,
    base_ms: i64,
    run: Run,
}

/// A session as it is read: its clicks in the order of their times.
#[derive(Clone, Copy, Debug)]
pub struct SessionView<'a> {
    /// Whose clicks.
    pub key: SessionKey,
    /// What the offsets are relative to, in milliseconds since 1970.
    pub base_ms: i64,
    /// Oldest first; those of the same millisecond in the order of their arrival.
    pub clicks: &'a [StoredClick],
}

impl SessionView<'_> {
    /// The time of the click at a place.
    pub fn time_ms(&self, place: usize) -> i64 {
        self.base_ms + i64::from(self.clicks[place].offset_ms)
    }

    /// The time of the newest click.
    pub fn newest_ms(&self) -> i64 {
        self.clicks.len().checked_sub(1).map_or(self.base_ms, |place| self.time_ms(place))
    }

    /// The time before which the session takes no more clicks.
    pub fn oldest_kept_ms(&self) -> i64 {
        self.newest_ms().saturating_sub(MAX_SPAN_MS)
    }

    /// The place of the newest click on an item.
    pub fn newest_of(&self, item: u32) -> Option<usize> {
        self.clicks.iter().rposition(|click| click.item == item)
    }
}

/// Sessions by slot.
#[derive(Clone, Debug)]
pub struct SessionStore {
    clicks: Arena<StoredClick>,
    sessions: Places<Session>,
}

impl Default for SessionStore {
    fn default() -> Self {
        Self { clicks: Arena::default(), sessions: Places::new(1) }
    }
}

impl SessionStore {
    /// The key of the session in a slot.
    pub fn key(&self, slot: u32) -> SessionKey {
        self.sessions.at(slot)[0].key
    }

    /// The session in a slot.
    pub fn session(&self, slot: u32) -> SessionView<'_> {
        let Session { key, base_ms, run } = self.sessions.at(slot)[0];
        SessionView { key, base_ms, clicks: self.clicks.run(run) }
    }

    /// The sessions in the order of their slots.
    pub fn sessions(&self) -> impl Iterator<Item = SessionView<'_>> {
        let slots = 0..narrow(self.sessions.len());
        slots.map(|slot| self.session(slot)).filter(|session| !session.clicks.is_empty())
    }

    /// When the newest click on an item happened in a session that has it.
    pub fn recency_of(&self, slot: u32, item: u32) -> Recency {
        let session = self.session(slot);
        let place = session.newest_of(item).unwrap_or_default();
        (session.time_ms(place), session.key.bits())
    }

    /// When the newest click of a session happened.
    pub fn recency(&self, slot: u32) -> Recency {
        let session = self.session(slot);
        (session.newest_ms(), session.key.bits())
    }

    /// A new session without clicks.
    pub fn open(&mut self, key: SessionKey, base_ms: i64) -> u32 {
        let session = Session { key, base_ms, run: self.clicks.allocate() };
        let slot = self.sessions.take(session);
        self.sessions.at_mut(slot)[0] = session;
        slot
    }

    /// Gives a slot back.
    pub fn close(&mut self, slot: u32) {
        let run = std::mem::take(&mut self.sessions.at_mut(slot)[0].run);
        self.clicks.release(run);
        self.sessions.release(slot);
    }

    /// Whether a click at this time would lie too far from the oldest.
    pub fn exceeds_span(&self, slot: u32, time_ms: i64) -> bool {
        let session = self.session(slot);
        !session.clicks.is_empty() && time_ms - session.time_ms(0) > MAX_SPAN_MS
    }

    /// Inserts a click behind all that are not newer.
    pub fn insert(&mut self, slot: u32, item: u32, time_ms: i64, fingerprint: u32) {
        self.move_base(slot, time_ms);
        let session = &mut self.sessions.at_mut(slot)[0];
        let offset_ms = u32::try_from(time_ms - session.base_ms).unwrap_or(u32::MAX);
        let at = self.clicks.run(session.run).partition_point(|click| click.offset_ms <= offset_ms);
        self.clicks.insert(&mut session.run, at, StoredClick { item, offset_ms, fingerprint });
    }

    /// Removes the oldest click.
    pub fn remove_oldest(&mut self, slot: u32) {
        self.clicks.remove(&mut self.sessions.at_mut(slot)[0].run, 0);
    }

    /// Makes a time expressible relative to the session's base.
    fn move_base(&mut self, slot: u32, time_ms: i64) {
        let view = self.session(slot);
        let base_ms = if view.clicks.is_empty() { time_ms } else { view.time_ms(0).min(time_ms) };
        if (0..=MAX_SPAN_MS).contains(&(time_ms - view.base_ms)) {
            return;
        }
        let session = &mut self.sessions.at_mut(slot)[0];
        let shift = session.base_ms - base_ms;
        session.base_ms = base_ms;
        for click in self.clicks.run_mut(session.run) {
            click.offset_ms = u32::try_from(i64::from(click.offset_ms) + shift).unwrap_or(u32::MAX);
        }
    }
}
