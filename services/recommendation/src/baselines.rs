//! What the model is compared with: popularity, Markov chains, co-occurrence, and VMIS-kNN as published. All learn
//! click by click.

use crate::evaluate::{Predictor, Step};
use crate::model::ranking::Ranking;
use crate::model::{Click, Fingerprint, ItemId, SessionIndex, SessionKey};
use rustc_hash::FxHashMap;

/// The most clicked items.
#[derive(Default)]
pub struct Popularity {
    clicks: Ranking,
}

impl Predictor for Popularity {
    fn name(&self) -> &'static str {
        "popularity"
    }

    fn learn(&mut self, click: &Click) {
        self.clicks.increment(click.item.0);
    }

    fn predict(&mut self, step: &Step<'_>, limit: usize, answer: &mut Vec<ItemId>) {
        let current = step.items.last();
        let items = (0..).map_while(|place| self.clicks.at(place)).map(|(item, _)| ItemId(item));
        answer.extend(items.filter(|item| Some(item) != current).take(limit));
    }
}

/// Counts of pairs of items, which two baselines differ in choosing.
#[derive(Default)]
struct Pairs {
    counts: FxHashMap<ItemId, FxHashMap<ItemId, u32>>,
}

impl Pairs {
    fn count(&mut self, from: ItemId, to: ItemId) {
        if from != to {
            *self.counts.entry(from).or_default().entry(to).or_default() += 1;
        }
    }

    fn most_frequent(&self, current: Option<&ItemId>, limit: usize, answer: &mut Vec<ItemId>) {
        let counts = current.and_then(|item| self.counts.get(item));
        let mut pairs: Vec<_> =
            counts.into_iter().flatten().map(|(&item, &count)| (count, item)).collect();
        pairs.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        answer.extend(pairs.iter().take(limit).map(|&(_, item)| item));
    }
}

/// What most often followed the current item at once.
#[derive(Default)]
pub struct Markov {
    newest: FxHashMap<SessionKey, ItemId>,
    pairs: Pairs,
}

impl Predictor for Markov {
    fn name(&self) -> &'static str {
        "Markov"
    }

    fn learn(&mut self, click: &Click) {
        if let Some(previous) = self.newest.insert(click.session, click.item) {
            self.pairs.count(previous, click.item);
        }
    }

    fn predict(&mut self, step: &Step<'_>, limit: usize, answer: &mut Vec<ItemId>) {
        self.pairs.most_frequent(step.items.last(), limit, answer);
    }
}

/// What is most often in the same session as the current item.
#[derive(Default)]
pub struct CoOccurrence {
    sessions: FxHashMap<SessionKey, Vec<ItemId>>,
    pairs: Pairs,
}

impl Predictor for CoOccurrence {
    fn name(&self) -> &'static str {
        "co-occurrence"
    }

    fn learn(&mut self, click: &Click) {
        let session = self.sessions.entry(click.session).or_default();
        for &other in session.iter() {
            self.pairs.count(other, click.item);
            self.pairs.count(click.item, other);
        }
        session.push(click.item);
    }

    fn predict(&mut self, step: &Step<'_>, limit: usize, answer: &mut Vec<ItemId>) {
        self.pairs.most_frequent(step.items.last(), limit, answer);
    }
}

/// VMIS-kNN with the parameters published for the data (m=1502, k=288, the last 4 items), after the Rust code of the
/// crate serenade 0.3.1.
pub struct PlainVmisKnn {
    index: SessionIndex,
    clicks: u32,
}

impl Default for PlainVmisKnn {
    fn default() -> Self {
        Self { index: SessionIndex::new(1_000_000, 64), clicks: 0 }
    }
}

impl PlainVmisKnn {
    const SESSIONS_PER_ITEM: usize = 1502;
    const NEIGHBOURS: usize = 288;
    const CONTEXT: usize = 4;

    /// The slots of the neighbours with their similarities.
    fn neighbours(&self, context: &[ItemId], own: SessionKey) -> Vec<(f64, i64, u32)> {
        let mut similarities: FxHashMap<u32, f64> = FxHashMap::default();
        let length = f64::from(u32::try_from(context.len()).unwrap_or(u32::MAX));
        for (place, &item) in (0u32..).zip(context) {
            let decay = (length - f64::from(place)) / length;
            for posting in self.index.newest(item.0).take(Self::SESSIONS_PER_ITEM) {
                *similarities.entry(posting.slot()).or_default() += decay;
            }
        }
        let with_time =
            |(slot, similarity)| (similarity, self.index.session(slot).newest_ms(), slot);
        let mut neighbours: Vec<_> = similarities.into_iter().map(with_time).collect();
        neighbours.retain(|&(_, _, slot)| self.index.session(slot).key != own);
        neighbours
            .sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)).then(a.2.cmp(&b.2)));
        neighbours.truncate(Self::NEIGHBOURS);
        neighbours
    }

    fn idf(&self, item: u32) -> f64 {
        let sessions = u32::try_from(self.index.sessions_with(item)).unwrap_or(u32::MAX);
        (f64::from(self.clicks) / f64::from(sessions.max(1))).ln()
    }
}

impl Predictor for PlainVmisKnn {
    fn name(&self) -> &'static str {
        "VMIS-kNN"
    }

    fn learn(&mut self, click: &Click) {
        let Click { session, item, time_micros, fingerprint: Fingerprint(number), .. } = *click;
        let learned = self.index.learn(session, item, time_micros / 1000, Fingerprint(number));
        self.clicks += u32::from(learned == crate::model::Learned::New);
    }

    fn predict(&mut self, step: &Step<'_>, limit: usize, answer: &mut Vec<ItemId>) {
        let mut context: Vec<ItemId> = Vec::new();
        for &item in step.items.iter().rev().take(Self::CONTEXT) {
            if !context.contains(&item) {
                context.push(item);
            }
        }
        let mut scores: FxHashMap<u32, f64> = FxHashMap::default();
        for (similarity, _, slot) in self.neighbours(&context, step.session) {
            let mut items: Vec<u32> =
                self.index.session(slot).clicks.iter().map(|click| click.item).collect();
            items.sort_unstable();
            items.dedup();
            let first_match = (1u32..).zip(&context).find(|(_, item)| items.contains(&item.0));
            let weight = first_match.map_or(0.0, |(place, _)| 1.0 - 0.1 * f64::from(place));
            for item in items {
                *scores.entry(item).or_default() += weight * similarity * self.idf(item);
            }
        }
        let mut best: Vec<(f64, u32)> =
            scores.into_iter().map(|(item, score)| (score, item)).collect();
        best.retain(|&(_, item)| Some(&ItemId(item)) != context.first());
        best.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        answer.extend(best.iter().take(limit).map(|&(_, item)| ItemId(item)));
    }
}
