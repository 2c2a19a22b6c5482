//! VMIS-kNN's search: the k sessions most similar to the current one among the m most recent of each of its items.

use super::postings::Posting;
use super::weights::{MAX_CONTEXT, Weights};
use super::{Parameters, SessionIndex, SessionKey};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;

/// A session similar to the current one.
#[derive(Clone, Copy, Debug)]
pub struct Neighbour {
    /// The shard it is in.
    pub shard: u32,
    /// Its slot in the shard.
    pub slot: u32,
    /// Which items of the context it has, one bit each, the newest lowest.
    pub matches: u8,
}

/// The neighbours of one query, with the memory to find them.
#[derive(Clone, Debug, Default)]
pub struct Neighbours {
    found: Vec<Neighbour>,
    by_slot: FxHashMap<u64, u32>,
    order: Vec<(Reverse<u64>, u32)>,
    selected: Vec<Neighbour>,
}

impl Neighbours {
    /// Finds the neighbours of a context, the session `own` left out.
    ///
    /// Neighbours are found in the order of the context's items and, for each, of recency: of two that are equally
    /// similar, the one found first is the more recent.
    pub fn search(
        &mut self,
        indices: &[&SessionIndex],
        context: &[u32],
        own: Option<SessionKey>,
        (parameters, weights): (&Parameters, &Weights),
    ) -> &[Neighbour] {
        self.found.clear();
        self.by_slot.clear();
        let context = &context[..context.len().min(parameters.context_items).min(MAX_CONTEXT)];
        // Sessions that share the only item are equally similar: the most recent are the neighbours.
        let alone = if context.len() == 1 { parameters.neighbours + 1 } else { usize::MAX };
        let sessions_per_item = parameters.sessions_per_item.min(alone);
        for (place, &item) in context.iter().enumerate() {
            // Enough are found, and no session that has only the remaining items can be as similar as any of them.
            let remaining: f64 = weights.context[place..context.len()].iter().sum();
            let enough = self.found.len() > parameters.neighbours
                && remaining < weights.context[place.max(1) - 1];
            self.collect(indices, item, (place, enough), sessions_per_item);
        }
        self.select(indices, own, parameters.neighbours, weights)
    }

    /// Notes which sessions have an item of the context: all, or if there are `enough`, those found already.
    fn collect(
        &mut self,
        indices: &[&SessionIndex],
        item: u32,
        (place, enough): (usize, bool),
        sessions_per_item: usize,
    ) {
        let Self { found, by_slot, .. } = self;
        for_newest(indices, item, sessions_per_item, |shard, slot| {
            let key = u64::from(shard) << 32 | u64::from(slot);
            let next = super::narrow(found.len());
            let index = if enough {
                by_slot.get(&key).copied()
            } else {
                Some(*by_slot.entry(key).or_insert(next))
            };
            let Some(index) = index else { return };
            if index == next {
                found.push(Neighbour { shard, slot, matches: 0 });
            }
            found[index as usize].matches |= 1 << place;
        });
    }

    fn select(
        &mut self,
        indices: &[&SessionIndex],
        own: Option<SessionKey>,
        neighbours: usize,
        weights: &Weights,
    ) -> &[Neighbour] {
        let is_own =
            |found: &Neighbour| Some(indices[found.shard as usize].session(found.slot).key) == own;
        self.order.clear();
        self.selected.clear();
        for (place, found) in (0u32..).zip(&self.found) {
            let similarity = super::weights::fixed(weights.similarity[found.matches as usize]);
            self.order.push((Reverse(similarity), place));
        }
        // One more than needed, in case the own session is among them.
        if self.order.len() > neighbours + 1 {
            self.order.select_nth_unstable(neighbours);
            self.order.truncate(neighbours + 1);
        }
        self.order.sort_unstable();
        let best = self.order.iter().map(|&(_, place)| self.found[place as usize]);
        self.selected.extend(best.filter(|found| !is_own(found)).take(neighbours));
        &self.selected
    }
}

/// Calls `visit` with the shard and the slot of an item's `limit` most recent sessions over all shards, newest first.
pub fn for_newest(
    indices: &[&SessionIndex],
    item: u32,
    limit: usize,
    mut visit: impl FnMut(u32, u32),
) {
    let lists = (0u32..).zip(indices.iter().map(|index| index.newest(item)));
    let mut lists: Vec<_> = lists.filter_map(|(shard, list)| List::of(shard, list)).collect();
    for left in (0..limit).rev() {
        if let [only] = &mut lists[..] {
            visit(only.shard, only.head.slot());
            only.rest.by_ref().take(left).for_each(|posting| visit(only.shard, posting.slot()));
            return;
        }
        let newer = |a, b| if is_newer(indices, item, &lists[b], &lists[a]) { b } else { a };
        let Some(newest) = (0..lists.len()).reduce(newer) else { return };
        let list = &mut lists[newest];
        visit(list.shard, list.head.slot());
        match list.rest.next() {
            Some(posting) => list.head = posting,
            None => drop(lists.swap_remove(newest)),
        }
    }
}

/// What is left of one shard's list, the newest at its head.
struct List<I> {
    shard: u32,
    head: Posting,
    rest: I,
}

impl<I: Iterator<Item = Posting>> List<I> {
    /// `None` when there is nothing in it.
    fn of(shard: u32, mut rest: I) -> Option<Self> {
        Some(Self { shard, head: rest.next()?, rest })
    }
}

fn is_newer<I>(indices: &[&SessionIndex], item: u32, a: &List<I>, b: &List<I>) -> bool {
    let recency = |list: &List<I>| indices[list.shard as usize].recency_of(list.head.slot(), item);
    match a.head.time().cmp(&b.head.time()) {
        std::cmp::Ordering::Equal => recency(a) > recency(b),
        order => order.is_gt(),
    }
}
