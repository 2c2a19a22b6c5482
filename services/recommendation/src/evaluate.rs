//! Offline evaluation with Serenade's protocol: for every prefix of a held-out session, the rank of the next item
//! among 20, the current item excluded.

use crate::model::{
    Catalogue, Click, ItemId, Parameters, Query, Recommender, Scratch, SessionKey, Shard,
};
use rustc_hash::FxHashSet;
use std::time::{Duration, Instant};

/// How many items are predicted.
pub const CUTOFF: usize = 20;

/// Where a session stands when its next item is predicted.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Whose session.
    pub session: SessionKey,
    /// Its items so far, the newest last.
    pub items: &'a [ItemId],
    /// Whether the predictor has learned them already.
    pub learned: bool,
}

/// Something that learns clicks and predicts the next.
pub trait Predictor {
    /// The name in the report.
    fn name(&self) -> &'static str;
    /// Learns a click. Clicks come in the order of their times.
    fn learn(&mut self, click: &Click);
    /// Appends up to `limit` items, the most probable first, without the current.
    fn predict(&mut self, step: &Step<'_>, limit: usize, answer: &mut Vec<ItemId>);
}

/// Our model in one shard, as a predictor.
pub struct Ours {
    recommender: Recommender,
    shards: [Box<Shard>; 1],
    catalogue: Catalogue,
    scratch: Scratch,
}

impl Ours {
    /// An empty model.
    #[must_use]
    pub fn new(parameters: Parameters, catalogue: Catalogue) -> Self {
        let shards = [Box::new(Shard::new(&parameters))];
        Self {
            recommender: Recommender::new(parameters),
            shards,
            catalogue,
            scratch: Scratch::default(),
        }
    }
}

impl Predictor for Ours {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn learn(&mut self, click: &Click) {
        let [shard] = &mut self.shards;
        let learned = shard.learn_click(click);
        debug_assert_ne!(learned, crate::model::Learned::Repeat);
    }

    fn predict(&mut self, step: &Step<'_>, limit: usize, answer: &mut Vec<ItemId>) {
        let recent = if step.learned { &[] } else { step.items };
        let session = step.learned.then_some(step.session);
        let query = Query { session, recent, page: None, limit };
        let (shards, catalogue, scratch) = (&self.shards, &self.catalogue, &mut self.scratch);
        let recommended = self.recommender.recommend(shards, catalogue, &query, |_| true, scratch);
        answer.extend(recommended.iter().map(|recommended| recommended.item));
    }
}

/// Sums over predictions.
#[derive(Clone, Debug, Default)]
pub struct Report {
    predictions: u32,
    reciprocal_ranks: f64,
    hits: f64,
    gains: f64,
    items: FxHashSet<ItemId>,
    latencies: Vec<Duration>,
}

impl Report {
    /// Adds a prediction and what followed.
    pub fn add(&mut self, predicted: &[ItemId], next: ItemId, latency: Duration) {
        self.predictions += 1;
        self.latencies.push(latency);
        self.items.extend(predicted);
        if let Some((rank, _)) = (1u32..).zip(predicted).find(|&(_, &item)| item == next) {
            self.reciprocal_ranks += 1.0 / f64::from(rank);
            self.hits += 1.0;
            self.gains += 1.0 / f64::from(rank + 1).log2();
        }
    }

    /// Adds another report's predictions.
    pub fn merge(&mut self, other: Self) {
        self.predictions += other.predictions;
        self.reciprocal_ranks += other.reciprocal_ranks;
        self.hits += other.hits;
        self.gains += other.gains;
        self.items.extend(other.items);
        self.latencies.extend(other.latencies);
    }

    /// The mean reciprocal rank of the next item among 20.
    #[must_use]
    pub fn mrr(&self) -> f64 {
        self.reciprocal_ranks / f64::from(self.predictions.max(1))
    }

    /// The share of predictions with the next item among 20.
    #[must_use]
    pub fn hit_rate(&self) -> f64 {
        self.hits / f64::from(self.predictions.max(1))
    }

    /// The normalised discounted cumulative gain, the next item being the only relevant one.
    #[must_use]
    pub fn ndcg(&self) -> f64 {
        self.gains / f64::from(self.predictions.max(1))
    }

    /// The share of the catalogue that was ever predicted.
    #[must_use]
    pub fn coverage(&self, catalogue: &Catalogue) -> f64 {
        let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        count(self.items.len()) / count(catalogue.len().max(1))
    }

    /// The latency that this share of the predictions, in thousandths, does not exceed.
    #[must_use]
    pub fn latency(&self, per_mille: usize) -> Duration {
        let mut latencies = self.latencies.clone();
        latencies.sort_unstable();
        let place = (latencies.len() * per_mille / 1000).min(latencies.len().saturating_sub(1));
        latencies.get(place).copied().unwrap_or_default()
    }

    /// How many predictions were made.
    #[must_use]
    pub const fn predictions(&self) -> u32 {
        self.predictions
    }
}

/// Learns a stream of clicks in the order of their times.
pub fn learn_all(predictor: &mut dyn Predictor, clicks: &[Click]) {
    clicks.iter().for_each(|click| predictor.learn(click));
}

/// Predicts every next click of held-out clicks, in the order of their times, from the items before it in its session.
/// Afterwards learns it (prequential) or not (static).
pub fn evaluate(predictor: &mut dyn Predictor, held_out: &[Click], learn: bool) -> Report {
    let mut report = Report::default();
    let mut sessions: rustc_hash::FxHashMap<SessionKey, Vec<ItemId>> =
        rustc_hash::FxHashMap::default();
    let mut answer = Vec::new();
    for click in held_out {
        let items = sessions.entry(click.session).or_default();
        if !items.is_empty() {
            answer.clear();
            let start = Instant::now();
            predictor.predict(
                &Step { session: click.session, items, learned: learn },
                CUTOFF,
                &mut answer,
            );
            report.add(&answer, click.item, start.elapsed());
        }
        items.push(click.item);
        if learn {
            predictor.learn(click);
        }
    }
    report
}
