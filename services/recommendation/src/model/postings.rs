//! One item's sessions, in the order of the newest click on the item in each: the inverted index's list.
//!
//! A list is not cut at m, the query is: it reads the newest m over all shards. So the answer does not depend on the
//! number of shards, and a list's length is bounded by the number of sessions retained, at 8 bytes each.

use std::cmp::Ordering;
use std::collections::VecDeque;

/// The number of bits for a slot in a posting.
const SLOT_BITS: u32 = 23;
/// So many sessions at most can be in one index.
pub const MAX_SLOTS: usize = 1 << SLOT_BITS;
/// 2000-01-01, before which all times are the same to a posting, in milliseconds since 1970.
const FIRST_MS: i64 = 946_684_800_000;
/// 2069, from which all times are the same to a posting, in milliseconds since 2000.
const LAST_MS: i64 = (1 << (64 - SLOT_BITS)) - 1;

/// A session in the list of an item: the time of its newest click on the item and its slot, in 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting(u64);

impl Posting {
    fn new(time_ms: i64, slot: u32) -> Self {
        Self(time_of(time_ms) << SLOT_BITS | u64::from(slot))
    }

    /// The time in milliseconds since 2000. Postings of the same time are told apart by [`Recency`].
    pub const fn time(self) -> u64 {
        self.0 >> SLOT_BITS
    }

    /// The session's slot in its index.
    pub const fn slot(self) -> u32 {
        let [a, b, c, ..] = self.0.to_le_bytes();
        u32::from_le_bytes([a, b, c, 0]) & ((1 << SLOT_BITS) - 1)
    }
}

fn time_of(time_ms: i64) -> u64 {
    time_ms.saturating_sub(FIRST_MS).clamp(0, LAST_MS).cast_unsigned()
}

/// When the newest click on an item happened in a session, in milliseconds since 1970, and the session's key: a
/// total order that does not depend on the order of arrival.
pub type Recency = (i64, u64);

/// The list of one item, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Postings {
    list: VecDeque<Posting>,
}

impl Postings {
    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The postings, newest first.
    pub fn newest(&self) -> impl Iterator<Item = Posting> + '_ {
        self.list.iter().rev().copied()
    }

    /// Puts a session in its place. `recency` tells that of the session in a slot, needed only within one millisecond.
    pub fn insert(&mut self, slot: u32, at: Recency, recency: impl Fn(u32) -> Recency) {
        let posting = Posting::new(at.0, slot);
        let older = |other: &Posting| match other.time().cmp(&posting.time()) {
            Ordering::Equal => recency(other.slot()) < at,
            order => order.is_lt(),
        };
        match self.list.back() {
            Some(newest) if !older(newest) => {
                let place = self.list.partition_point(older);
                self.list.insert(place, posting);
            }
            _ => self.list.push_back(posting),
        }
    }

    /// Removes a session, knowing the time at which it stands.
    pub fn remove(&mut self, slot: u32, time_ms: i64) {
        let time = time_of(time_ms);
        let from = self.list.partition_point(|posting| posting.time() < time);
        let found = self.list.range(from..).position(|posting| posting.slot() == slot);
        if let Some(place) = found {
            self.list.remove(from + place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_stand_in_the_order_of_their_newest_click() {
        let recency = [(5_000, 1), (5_500, 2), (5_500, 3), (9_000, 4), (1_000, 5)];
        let recency = recency.map(|(time_ms, key)| (FIRST_MS + time_ms, key));
        let mut postings = Postings::default();
        for slot in [3, 0, 2, 4, 1] {
            postings.insert(slot, recency[slot as usize], |other| recency[other as usize]);
        }
        let slots = |postings: &Postings| postings.newest().map(|p| p.slot()).collect::<Vec<_>>();
        assert_eq!(slots(&postings), [3, 2, 1, 0, 4]);
        postings.remove(2, FIRST_MS + 5_500);
        assert_eq!(slots(&postings), [3, 1, 0, 4]);
        assert_eq!(postings.len(), 4);
    }
}
