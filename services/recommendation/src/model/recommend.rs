//! Answers: from a query and the shards to a list of items.
//!
//! The shards are read where they are, under read locks if others write: the answer is that of one big index by
//! construction, and it costs a fourth of what it costs to ask an actor for each shard and to merge their candidates
//! (`cargo bench -p recommendation-service --bench scatter`).

use super::catalogue::Catalogue;
use super::context::Context;
use super::neighbours::Neighbours;
use super::ranking::{Ranking, top_of_sums};
use super::score::{Scorer, Sums};
use super::weights::{Weights, unfixed};
use super::{ItemId, Parameters, SessionIndex, SessionKey, Shard, Window};
use std::ops::Deref;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The stored session to answer for.
    pub session: Option<SessionKey>,
    /// The visitor's recent items, the newest last, in place of a stored session or after it.
    pub recent: &'a [ItemId],
    /// The item on the page: counts as the newest.
    pub page: Option<ItemId>,
    /// How many items are wanted at most.
    pub limit: usize,
}

/// Why an item is recommended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Similar sessions contain it, or this one did.
    SessionsLikeThis,
    /// It was ordered together with the item on the page.
    BoughtTogether,
    /// It is popular now.
    PopularNow,
}

impl Reason {
    /// The reason as it is shown.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::SessionsLikeThis => "sessions like this one",
            Self::BoughtTogether => "bought together",
            Self::PopularNow => "popular now",
        }
    }
}

/// An item of an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recommendation {
    /// The item.
    pub item: ItemId,
    /// From 1 (surely) down to 0; comparable within one answer. For trending, the count.
    pub score: f64,
    /// Why.
    pub reason: Reason,
}

/// The memory of one thread that answers, used again for each query.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    context: Context,
    neighbours: Neighbours,
    scores: Sums,
    bought: Sums,
    best: Vec<(u64, u32)>,
    near: Vec<(u32, f64)>,
    popular: Vec<(u32, u32)>,
}

/// Answers queries over shards.
#[derive(Clone, Debug)]
pub struct Recommender {
    parameters: Parameters,
    weights: Weights,
}

impl Recommender {
    /// A recommender with these parameters.
    #[must_use]
    pub fn new(parameters: Parameters) -> Self {
        let weights = Weights::new(&parameters);
        Self { parameters, weights }
    }

    /// Its parameters.
    #[must_use]
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The items that may follow, the most probable first: none but those that `show` accepts, never the current item.
    /// When the sessions give too few, what is popular follows.
    pub fn recommend<S: Deref<Target = Shard>>(
        &self,
        shards: &[S],
        catalogue: &Catalogue,
        query: &Query<'_>,
        show: impl Fn(ItemId) -> bool,
        scratch: &mut Scratch,
    ) -> Vec<Recommendation> {
        self.read_context(shards, query, &mut scratch.context);
        let base = self.score(shards, catalogue, query.session, scratch);
        let current = scratch.context.current();
        let accept = |item: u32| Some(item) != current && show(ItemId(item));
        scratch.best.clear();
        scratch.best.extend(scratch.scores.iter().filter(|&(_, item)| accept(item)));
        keep_best(&mut scratch.best, query.limit, catalogue);
        let mut answer: Vec<_> =
            scratch.best.iter().map(|&scored| explain(scored, base, &scratch.bought)).collect();
        if answer.len() < query.limit {
            let fresh = |item| accept(item) && scratch.scores.get(item) == 0;
            append_popular(
                shards,
                catalogue,
                query.limit,
                fresh,
                &mut scratch.popular,
                &mut answer,
            );
        }
        scratch.scores.clear();
        scratch.bought.clear();
        answer
    }

    /// The accepted items with the most views, carts and orders within a window of event time.
    pub fn trending<S: Deref<Target = Shard>>(
        &self,
        shards: &[S],
        catalogue: &Catalogue,
        (window, limit): (Window, usize),
        show: impl Fn(ItemId) -> bool,
    ) -> Vec<Recommendation> {
        let rankings: Vec<_> =
            shards.iter().map(|shard| shard.trending.window(window).ranking()).collect();
        let mut found = Vec::new();
        best_of(&rankings, limit, |item| show(ItemId(item)), catalogue, &mut found);
        let popular = |&(count, item): &(u32, u32)| Recommendation {
            item: ItemId(item),
            score: f64::from(count),
            reason: Reason::PopularNow,
        };
        found.iter().map(popular).collect()
    }

    fn read_context<S: Deref<Target = Shard>>(
        &self,
        shards: &[S],
        query: &Query<'_>,
        context: &mut Context,
    ) {
        context.clear();
        if let Some(key) = query.session {
            let visits = shards.get(Shard::of(key, shards.len())).map(|shard| &shard.visits);
            if let Some(session) = visits.and_then(|visits| visits.find(key)) {
                context.extend_from_visit(&session, self.parameters.inactivity_ms);
            }
        }
        query.recent.iter().chain(&query.page).for_each(|item| context.push(item.0));
        context.finish();
    }

    /// Scores the candidates; returns what the scores are relative to.
    fn score<S: Deref<Target = Shard>>(
        &self,
        shards: &[S],
        catalogue: &Catalogue,
        own: Option<SessionKey>,
        scratch: &mut Scratch,
    ) -> f64 {
        let Scratch { context, neighbours, scores, bought, best, near, .. } = scratch;
        let visits: Vec<&SessionIndex> = shards.iter().map(|shard| &shard.visits).collect();
        let (parameters, weights) = (&self.parameters, &self.weights);
        let neighbours = neighbours.search(&visits, &context.distinct, own, (parameters, weights));
        let mut scorer = Scorer { parameters, weights, own, scores };
        let total = scorer.add_neighbours(&visits, neighbours, &context.distinct);
        let base = unfixed(total) + parameters.smoothing;
        if neighbours.len() < parameters.neighbours {
            best.clear();
            best.extend(scorer.scores.iter().filter(|&(_, item)| Some(item) != context.current()));
            keep_best(best, parameters.second_order_items, catalogue);
            scorer.add_second_order(&visits, best, base, near);
        }
        scorer.add_returns(context, base);
        if let Some(current) = context.current() {
            let orders: Vec<&SessionIndex> = shards.iter().map(|shard| &shard.orders).collect();
            scorer.add_bought_together(&orders, current, base, bought);
        }
        base
    }
}

/// Keeps the `limit` best in descending order; of equals, the one whose SKU comes first.
fn keep_best<Score: Ord + Copy>(
    scored: &mut Vec<(Score, u32)>,
    limit: usize,
    catalogue: &Catalogue,
) {
    let descending = |a: &(Score, u32), b: &(Score, u32)| {
        b.0.cmp(&a.0).then_with(|| catalogue.sku(ItemId(a.1)).cmp(catalogue.sku(ItemId(b.1))))
    };
    if scored.len() > limit {
        scored.select_nth_unstable_by(limit, descending);
        scored.truncate(limit);
    }
    scored.sort_unstable_by(descending);
}

fn explain((score, item): (u64, u32), base: f64, bought: &Sums) -> Recommendation {
    let mostly_bought = bought.get(item) > score / 2;
    let reason = if mostly_bought { Reason::BoughtTogether } else { Reason::SessionsLikeThis };
    Recommendation { item: ItemId(item), score: (unfixed(score) / base).min(1.0), reason }
}

/// Fills up with what was popular within the hour, then within the day, then among all retained sessions.
fn append_popular<S: Deref<Target = Shard>>(
    shards: &[S],
    catalogue: &Catalogue,
    limit: usize,
    accept: impl Fn(u32) -> bool,
    found: &mut Vec<(u32, u32)>,
    answer: &mut Vec<Recommendation>,
) {
    let sources: [fn(&Shard) -> &Ranking; 3] = [
        |shard| shard.trending.window(Window::Hour).ranking(),
        |shard| shard.trending.window(Window::Day).ranking(),
        |shard| shard.visits.popularity(),
    ];
    // Below every item with a score of its own.
    let mut score = answer.last().map_or(1.0, |last| last.score);
    for source in sources {
        let rankings: Vec<_> = shards.iter().map(|shard| source(shard)).collect();
        let missing = limit - answer.len();
        let fresh = |item: u32| accept(item) && !answer.iter().any(|listed| listed.item.0 == item);
        best_of(&rankings, missing, fresh, catalogue, found);
        for &(_, item) in found.iter() {
            score *= 0.9;
            answer.push(Recommendation { item: ItemId(item), score, reason: Reason::PopularNow });
        }
        if answer.len() >= limit {
            return;
        }
    }
}

fn best_of(
    rankings: &[&Ranking],
    limit: usize,
    accept: impl Fn(u32) -> bool,
    catalogue: &Catalogue,
    found: &mut Vec<(u32, u32)>,
) {
    top_of_sums(rankings, limit, accept, found);
    keep_best(found, limit, catalogue);
}
