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
    if let [index] = indices {
        index.newest(item).take(limit).for_each(|posting| visit(0, posting.slot()));
        return;
    }
    let mut lists: Vec<_> = indices.iter().map(|index| index.newest(item).peekable()).collect();
    for _ in 0..limit {
        let heads =
            (0u32..).zip(&mut lists).filter_map(|(shard, list)| Some((shard, *list.peek()?)));
        let newest = heads.reduce(|a, b| if is_newer(indices, item, b, a) { b } else { a });
        let Some((shard, posting)) = newest else { return };
        lists[shard as usize].next();
        visit(shard, posting.slot());
    }
}

fn is_newer(indices: &[&SessionIndex], item: u32, a: (u32, Posting), b: (u32, Posting)) -> bool {
    let recency =
        |(shard, posting): (u32, Posting)| indices[shard as usize].recency_of(posting.slot(), item);
    match a.1.time().cmp(&b.1.time()) {
        std::cmp::Ordering::Equal => recency(a) > recency(b),
        order => order.is_gt(),
    }
}
