//! The scores of the candidates: what the neighbours contain, what their neighbours contain, returns within the
//! session, and what was bought together.
//!
//! All scores are sums of fixed-point numbers, each computed from one session alone, so that they are the same in
//! whatever order, and on however many shards, the sessions are read.

use super::context::Context;
use super::neighbours::{Neighbour, for_newest};
use super::sessions::{SessionView, StoredClick};
use super::weights::{MAX_CONTEXT, Weights, fixed, real, unfixed};
use super::{Parameters, SessionIndex, SessionKey};

/// A sum for each item, and which items have one.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    sums: Vec<u64>,
    touched: Vec<u32>,
}

impl Sums {
    /// Adds to an item's sum.
    pub fn add(&mut self, item: u32, weight: u64) {
        if self.sums.len() <= item as usize {
            self.sums.resize(item as usize + 1, 0);
        }
        let sum = &mut self.sums[item as usize];
        if *sum == 0 && weight > 0 {
            self.touched.push(item);
        }
        *sum = sum.saturating_add(weight);
    }

    /// An item's sum.
    pub fn get(&self, item: u32) -> u64 {
        self.sums.get(item as usize).copied().unwrap_or_default()
    }

    /// The items that have a sum, with it.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        self.touched.iter().map(|&item| (self.get(item), item))
    }

    /// Sets all sums to zero, at the cost of those that are not.
    pub fn clear(&mut self) {
        for item in self.touched.drain(..) {
            self.sums[item as usize] = 0;
        }
    }
}

/// Scores the candidates of one query.
pub struct Scorer<'a> {
    /// The parameters.
    pub parameters: &'a Parameters,
    /// And their tables.
    pub weights: &'a Weights,
    /// The session asked for: what it contains says nothing about what will follow.
    pub own: Option<SessionKey>,
    /// What the scores are added to.
    pub scores: &'a mut Sums,
}

impl Scorer<'_> {
    /// Adds what the neighbours contain; returns the total.
    pub fn add_neighbours(
        &mut self,
        indices: &[&SessionIndex],
        neighbours: &[Neighbour],
        context: &[u32],
    ) -> u64 {
        let mut total = 0;
        for neighbour in neighbours {
            let session = indices[neighbour.shard as usize].session(neighbour.slot);
            let similarity = self.weights.similarity[neighbour.matches as usize];
            let matched = (0..MAX_CONTEXT).filter(|place| neighbour.matches >> place & 1 == 1);
            for place in matched {
                let weight = similarity * self.weights.context[place];
                total += self.add_session(&session, context[place], weight);
            }
        }
        total
    }

    /// Adds the other items of a session that contains an item, by their distance from it in clicks and in time.
    fn add_session(&mut self, session: &SessionView<'_>, item: u32, weight: f64) -> u64 {
        let mut total = 0;
        for_each_near(self.weights, session, item, |other, nearness| {
            let share = fixed(weight * nearness);
            self.scores.add(other, share);
            total += share;
        });
        total
    }

    /// Adds the neighbours of the best candidates so far, each in proportion to the candidate's score. An item that
    /// few have clicked so gets more candidates. `near` is memory to be used again.
    pub fn add_second_order(
        &mut self,
        indices: &[&SessionIndex],
        seeds: &[(u64, u32)],
        base: f64,
        near: &mut Vec<(u32, f64)>,
    ) {
        let all_seeds: u64 = seeds.iter().map(|&(score, _)| score).sum();
        for &(score, seed) in seeds {
            let share =
                self.parameters.second_order_weight * base * unfixed(score) / unfixed(all_seeds);
            near.clear();
            for_newest(indices, seed, self.parameters.second_order_sessions, |shard, slot| {
                let session = indices[shard as usize].session(slot);
                if Some(session.key) != self.own {
                    let note = |other, nearness| near.push((other, nearness));
                    for_each_near(self.weights, &session, seed, note);
                }
            });
            let total: u64 = near.iter().map(|&(_, nearness)| fixed(nearness)).sum();
            if total > 0 {
                let weight = share / unfixed(total);
                for &(other, nearness) in &*near {
                    self.scores.add(other, fixed(weight * nearness));
                }
            }
        }
    }

    /// Adds the items seen earlier in the visit: people return to the one before the current more than to the ones
    /// before that, and to those they saw around an earlier click on the current one.
    pub fn add_returns(&mut self, context: &Context, base: f64) {
        let Some(current) = context.current() else { return };
        let last = context.items.len() - 1;
        let earlier = context.items[..last].iter().rposition(|&item| item == current);
        for (rank, &item) in context.distinct.iter().enumerate().skip(1) {
            let mut weight = self.weights.return_to(rank);
            if let Some(earlier) = earlier {
                let followed =
                    context.items[earlier + 1..last].iter().position(|&other| other == item);
                let preceded =
                    context.items[..earlier].iter().rev().position(|&other| other == item);
                weight += self.parameters.return_followed * self.by_return_distance(followed);
                weight += self.parameters.return_preceded * self.by_return_distance(preceded);
            }
            self.scores.add(item, fixed(self.parameters.return_weight * base * weight));
        }
    }

    fn by_return_distance(&self, clicks_between: Option<usize>) -> f64 {
        let decay = self.parameters.return_distance_decay;
        clicks_between.map_or(0.0, |between| 1.0 / (1.0 + decay * real(between)))
    }

    /// Adds what was ordered together with the current item, by the share of its orders; `bought` gets this part alone.
    pub fn add_bought_together(
        &mut self,
        orders: &[&SessionIndex],
        current: u32,
        base: f64,
        bought: &mut Sums,
    ) {
        let known: usize = orders.iter().map(|index| index.sessions_with(current)).sum();
        let read = known.min(self.parameters.orders_per_item);
        let weight =
            self.parameters.bought_weight * base / (real(read) + self.parameters.bought_smoothing);
        for_newest(orders, current, read, |shard, slot| {
            for line in orders[shard as usize].session(slot).clicks {
                if line.item != current {
                    self.scores.add(line.item, fixed(weight));
                    bought.add(line.item, fixed(weight));
                }
            }
        });
    }
}

/// Calls `visit` with the other items of the visit in which a session clicked an item last, and their nearness.
fn for_each_near(
    weights: &Weights,
    session: &SessionView<'_>,
    item: u32,
    mut visit: impl FnMut(u32, f64),
) {
    let Some(place) = session.newest_of(item) else { return };
    let (before, after) = (&session.clicks[..place], &session.clicks[place + 1..]);
    let from = session.clicks[place];
    walk(weights, &weights.forward, from, after.iter(), &mut visit);
    walk(weights, &weights.backward, from, before.iter().rev(), &mut visit);
}

/// Goes away from a click until a long pause.
fn walk<'a>(
    weights: &Weights,
    by_distance: &[f64],
    from: StoredClick,
    clicks: impl Iterator<Item = &'a StoredClick>,
    visit: &mut impl FnMut(u32, f64),
) {
    let mut last_ms = from.offset_ms;
    for (click, weight) in clicks.zip(&by_distance[1..]) {
        if weights.is_pause(click.offset_ms.abs_diff(last_ms)) {
            return;
        }
        last_ms = click.offset_ms;
        if click.item != from.item {
            visit(click.item, weight * weights.gap(click.offset_ms.abs_diff(from.offset_ms)));
        }
    }
}
