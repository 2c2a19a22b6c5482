//! Each item's sessions, in the order of the newest click on the item in each: the inverted index's lists.
//!
//! A list is not cut at m, the query is: it reads the newest m over all shards. So the answer does not depend on the
//! number of shards, and a list's length is bounded by the number of sessions retained, at 8 bytes each.

use super::arena::{Arena, MAX_RUN, Run};
use smallvec::SmallVec;
use std::cmp::Ordering;

/// The number of bits for a slot in a posting.
const SLOT_BITS: u32 = 23;
/// So many sessions at most can be in one index.
pub const MAX_SLOTS: usize = 1 << SLOT_BITS;
/// 2000-01-01, before which all times are the same to a posting, in milliseconds since 1970.
const FIRST_MS: i64 = 946_684_800_000;
/// 2069, from which all times are the same to a posting, in milliseconds since 2000.
const LAST_MS: i64 = (1 << (64 - SLOT_BITS)) - 1;

/// A session in the list of an item: the time of its newest click on the item and its slot, in 8 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

/// The lists of all items, each oldest first.
#[derive(Clone, Debug, Default)]
pub struct Postings {
    lists: Vec<List>,
    arena: Arena<Posting>,
}

/// One item's list in runs, none of them empty. Most items are rare, and have one.
type List = SmallVec<[Run; 2]>;

impl Postings {
    /// The postings of an item, newest first.
    pub fn newest(&self, item: u32) -> impl Iterator<Item = Posting> + '_ {
        self.runs(item).iter().rev().flat_map(|&run| self.arena.run(run).iter().rev().copied())
    }

    /// Puts a session in its place. `recency` tells that of the session in a slot, needed only within one millisecond.
    pub fn insert(
        &mut self,
        item: u32,
        (slot, at): (u32, Recency),
        recency: impl Fn(u32) -> Recency,
    ) {
        let posting = Posting::new(at.0, slot);
        let is_older = |other: &Posting| match other.time().cmp(&posting.time()) {
            Ordering::Equal => recency(other.slot()) < at,
            order => order.is_lt(),
        };
        let (mut which, mut place) = self.place(item, is_older);
        if self.lists.len() <= item as usize {
            self.lists.resize(item as usize + 1, List::new());
        }
        let Self { lists, arena } = self;
        let list = &mut lists[item as usize];
        if list.is_empty() {
            list.push(arena.allocate());
        }
        if list[which].len() == MAX_RUN {
            let is_newest = (which + 1, place) == (list.len(), MAX_RUN);
            let at = if is_newest { MAX_RUN } else { MAX_RUN / 2 };
            let newer = arena.split_off(&mut list[which], at);
            list.insert(which + 1, newer);
            if place >= at {
                (which, place) = (which + 1, place - at);
            }
        }
        arena.insert(&mut list[which], place, posting);
    }

    /// Removes a session, knowing the time at which it stands.
    pub fn remove(&mut self, item: u32, slot: u32, time_ms: i64) {
        let time = time_of(time_ms);
        let (first, mut from) = self.place(item, |posting| posting.time() < time);
        let Some(list) = self.lists.get_mut(item as usize) else { return };
        for which in first..list.len() {
            let mut rest = self.arena.run(list[which])[from..].iter();
            if let Some(place) = rest.position(|posting| posting.slot() == slot) {
                self.arena.remove(&mut list[which], from + place);
                if list[which].len() == 0 {
                    self.arena.release(list.remove(which));
                }
                return;
            }
            from = 0;
        }
    }

    fn runs(&self, item: u32) -> &[Run] {
        self.lists.get(item as usize).map_or(&[], SmallVec::as_slice)
    }

    /// The run, and the place in it, before which this is so for all postings of an item, and behind which for none. When
    /// a click comes it mostly is so for all.
    fn place(&self, item: u32, is_before: impl Fn(&Posting) -> bool) -> (usize, usize) {
        let runs = self.runs(item);
        let run = |which: usize| runs.get(which).map_or(&[][..], |&run| self.arena.run(run));
        let last = runs.len().saturating_sub(1);
        if run(last).last().is_none_or(&is_before) {
            return (last, run(last).len());
        }
        let begins_before = |&run: &Run| self.arena.run(run).first().is_some_and(&is_before);
        let which = runs.partition_point(begins_before).saturating_sub(1);
        (which, run(which).partition_point(is_before))
    }
}

#[cfg(test)]
mod tests {
    use super::super::narrow;
    use super::*;
    use proptest::prelude::*;

    const ITEM: u32 = 2;

    proptest! {
        /// In one run and in several, while sessions come and while they go.
        #[test]
        fn sessions_stand_in_the_order_of_their_newest_click(
            mut clicks in prop::collection::vec(0i64..40, 0..300), late in any::<bool>(),
        ) {
            if !late { clicks.sort_unstable(); }
            let at = |slot: u32| (FIRST_MS + clicks[slot as usize], u64::from(slot ^ 5));
            let mut postings = Postings::default();
            let mut expected: Vec<u32> = (0..).take(clicks.len()).collect();
            for &slot in &expected {
                postings.insert(ITEM, (slot, at(slot)), at);
            }
            prop_assert!(postings.runs(ITEM).len() <= 1 + clicks.len() / (MAX_RUN / 2));
            expected.sort_unstable_by_key(|&slot| std::cmp::Reverse(at(slot)));
            while let Some(oldest) = expected.pop() {
                postings.remove(ITEM, oldest, at(oldest).0);
                prop_assert!(postings.newest(ITEM).map(Posting::slot).eq(expected.iter().copied()));
                if expected.len() > 1 {
                    let slot = expected.remove(expected.len() / 2);
                    postings.remove(ITEM, slot, at(slot).0);
                }
            }
            prop_assert!(postings.runs(ITEM).is_empty());
        }
    }

    #[test]
    fn what_comes_between_two_full_runs_shares_runs() {
        let run = narrow(MAX_RUN);
        let at = |slot: u32| (FIRST_MS + [0, 20, 10][(slot / run) as usize], u64::from(slot));
        let mut postings = Postings::default();
        for slot in (0..2 * run).chain((2 * run..3 * run).rev()) {
            postings.insert(ITEM, (slot, at(slot)), at);
        }
        assert!(postings.runs(ITEM).len() <= 6, "{} runs", postings.runs(ITEM).len());
        assert!(postings.newest(ITEM).map(|p| at(p.slot())).is_sorted_by(|a, b| a > b));
    }
}
