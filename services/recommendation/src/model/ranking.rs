//! Items ordered by a count that goes up and down by one, at constant cost for each change: items with the same
//! count stand together, and one whose count changes swaps places with the first or the last of its group.

use super::narrow;
use rustc_hash::{FxHashMap, FxHashSet};

#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    place: u32,
    count: u32,
}

/// Items in descending order of their counts; those with none are left out.
#[derive(Clone, Debug, Default)]
pub struct Ranking {
    order: Vec<u32>,
    standings: Vec<Standing>,
    /// For each count, the first place of its group and the place after the last.
    groups: FxHashMap<u32, (u32, u32)>,
}

impl Ranking {
    /// An item's count.
    pub fn count(&self, item: u32) -> u32 {
        self.standings.get(item as usize).map_or(0, |standing| standing.count)
    }

    /// The item at a place, counted from zero, and its count.
    pub fn at(&self, place: usize) -> Option<(u32, u32)> {
        self.order.get(place).map(|&item| (item, self.count(item)))
    }

    /// Counts one more.
    pub fn increment(&mut self, item: u32) {
        if self.standings.len() <= item as usize {
            self.standings.resize(item as usize + 1, Standing::default());
        }
        let count = self.standings[item as usize].count;
        let place = if count == 0 { self.append(item) } else { self.leave_at_front(item, count) };
        self.groups.entry(count + 1).and_modify(|group| group.1 += 1).or_insert((place, place + 1));
        self.standings[item as usize].count += 1;
    }

    /// Counts one less, if there is any.
    pub fn decrement(&mut self, item: u32) {
        let count = self.count(item);
        if count == 0 {
            return;
        }
        let place = self.leave_at_back(item, count);
        if count == 1 {
            self.order.pop();
        } else {
            self.groups
                .entry(count - 1)
                .and_modify(|group| group.0 -= 1)
                .or_insert((place, place + 1));
        }
        self.standings[item as usize].count -= 1;
    }

    fn append(&mut self, item: u32) -> u32 {
        let place = narrow(self.order.len());
        self.order.push(item);
        self.standings[item as usize].place = place;
        place
    }

    /// Takes an item out of the front of its group; returns its place.
    fn leave_at_front(&mut self, item: u32, count: u32) -> u32 {
        let (first, end) = self.group(count);
        self.swap(item, first);
        self.set_group(count, first + 1, end);
        first
    }

    /// Takes an item out of the back of its group; returns its place.
    fn leave_at_back(&mut self, item: u32, count: u32) -> u32 {
        let (first, end) = self.group(count);
        self.swap(item, end - 1);
        self.set_group(count, first, end - 1);
        end - 1
    }

    fn group(&self, count: u32) -> (u32, u32) {
        self.groups.get(&count).copied().unwrap_or((0, 1))
    }

    fn set_group(&mut self, count: u32, first: u32, end: u32) {
        if first == end {
            self.groups.remove(&count);
        } else {
            self.groups.insert(count, (first, end));
        }
    }

    fn swap(&mut self, item: u32, place: u32) {
        let from = self.standings[item as usize].place;
        let other = self.order[place as usize];
        self.order.swap(from as usize, place as usize);
        self.standings[other as usize].place = from;
        self.standings[item as usize].place = place;
    }
}

/// Collects in `found` the accepted items with the largest sums of counts over several rankings, with those sums:
/// at least the `limit` best and all that tie with the last of them, in no particular order.
///
/// Fagin, Lotem, Naor, *Optimal aggregation algorithms for middleware* (PODS 2001), the threshold algorithm: go down all
/// rankings in step; an item not met so far cannot have more than the counts at this depth add up to.
pub fn top_of_sums(
    rankings: &[&Ranking],
    limit: usize,
    accept: impl Fn(u32) -> bool,
    found: &mut Vec<(u32, u32)>,
) {
    let mut met = FxHashSet::default();
    let (mut last_threshold, mut better) = (u32::MAX, 0);
    found.clear();
    for depth in 0.. {
        let heads = || rankings.iter().filter_map(|ranking| ranking.at(depth));
        let threshold: u32 = heads().map(|(_, count)| count).sum();
        if threshold < last_threshold {
            better = found.iter().filter(|&&(count, _)| count > threshold).count();
            last_threshold = threshold;
        }
        if threshold == 0 || better >= limit {
            return;
        }
        for (item, _) in heads().filter(|&(item, _)| accept(item)) {
            if rankings.len() == 1 || met.insert(item) {
                let sum: u32 = rankings.iter().map(|ranking| ranking.count(item)).sum();
                better += usize::from(sum > threshold);
                found.push((sum, item));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_are_right_and_in_order(changes in prop::collection::vec((0u32..12, any::<bool>()), 0..300)) {
            let mut ranking = Ranking::default();
            let mut counts = [0u32; 12];
            for (item, up) in changes {
                if up { ranking.increment(item) } else { ranking.decrement(item) }
                let count = &mut counts[item as usize];
                *count = if up { *count + 1 } else { count.saturating_sub(1) };
                let listed: Vec<u32> = (0..).map_while(|place| ranking.at(place)).map(|(_, count)| count).collect();
                prop_assert!(listed.is_sorted_by(|a, b| a >= b));
                prop_assert_eq!(listed.len(), counts.iter().filter(|&&count| count > 0).count());
                prop_assert!((0..12).all(|item| ranking.count(item) == counts[item as usize]));
            }
        }

        #[test]
        fn the_top_of_sums_is_that_of_one_ranking(
            clicks in prop::collection::vec((0u32..40, 0usize..3), 0..300), limit in 1usize..10,
        ) {
            let mut parts = [Ranking::default(), Ranking::default(), Ranking::default()];
            let mut whole = Ranking::default();
            for (item, part) in clicks {
                parts[part].increment(item);
                whole.increment(item);
            }
            let top = |rankings: &[&Ranking]| {
                let mut found = Vec::new();
                top_of_sums(rankings, limit, |item| item % 5 != 0, &mut found);
                found.sort_unstable_by(|a, b| b.cmp(a));
                found.truncate(limit);
                found
            };
            prop_assert_eq!(top(&[&parts[0], &parts[1], &parts[2]]), top(&[&whole]));
        }
    }
}
