//! The parameters turned into tables, once.

use super::Parameters;
use super::arena::MAX_RUN;

/// At most so many items of the current session are looked up: one bit each of a neighbour's matches.
pub const MAX_CONTEXT: usize = 8;
/// Scores are added as integers of this fraction, so that the order of addition does not matter.
const ONE: f64 = (1u64 << 32) as f64;
const MS_PER_MINUTE: f64 = 60_000.0;

/// A weight as a fixed-point number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounds; the cast saturates"
)]
pub fn fixed(weight: f64) -> u64 {
    (weight * ONE) as u64
}

/// A fixed-point number as a weight.
#[expect(clippy::cast_precision_loss, reason = "a score needs no more than 53 bits")]
pub fn unfixed(score: u64) -> f64 {
    score as f64 / ONE
}

/// A small count as a number.
pub fn real(n: usize) -> f64 {
    f64::from(super::narrow(n))
}

/// Weights by position, by distance and by matches.
#[derive(Clone, Debug)]
pub struct Weights {
    /// By position in the current session, the newest first.
    pub context: [f64; MAX_CONTEXT],
    /// By distance behind the matching item; at zero nothing.
    pub forward: [f64; MAX_RUN],
    /// By distance before the matching item; at zero nothing.
    pub backward: [f64; MAX_RUN],
    /// The similarity of a session, by which items of the context it contains, one bit each.
    pub similarity: [f64; 1 << MAX_CONTEXT],
    returns: [f64; MAX_RUN],
    gap_decay_per_ms: f64,
    inactivity_ms: i64,
}

impl Weights {
    /// The tables for these parameters.
    pub fn new(parameters: &Parameters) -> Self {
        let context = std::array::from_fn(|place| parameters.context_decay.powf(real(place)));
        let return_weight = |rank: usize| real(rank.max(1)).powf(-parameters.return_decay);
        Self {
            context,
            forward: by_distance(1.0, parameters.forward_decay),
            backward: by_distance(parameters.backward_weight, parameters.backward_decay),
            similarity: std::array::from_fn(|matches| similarity(&context, matches)),
            returns: std::array::from_fn(return_weight),
            gap_decay_per_ms: parameters.gap_decay_per_minute / MS_PER_MINUTE,
            inactivity_ms: parameters.inactivity_ms,
        }
    }

    /// The weight of a return to the distinct item that lies so many back.
    pub fn return_to(&self, rank: usize) -> f64 {
        self.returns[rank.min(MAX_RUN - 1)]
    }

    /// The weight of two clicks that lie `gap_ms` apart.
    pub fn gap(&self, gap_ms: u32) -> f64 {
        1.0 / (1.0 + self.gap_decay_per_ms * f64::from(gap_ms))
    }

    /// Whether two clicks with nothing between them belong to different visits.
    pub fn is_pause(&self, gap_ms: u32) -> bool {
        i64::from(gap_ms) > self.inactivity_ms
    }
}

fn similarity(context: &[f64; MAX_CONTEXT], matches: usize) -> f64 {
    let matched = (0..MAX_CONTEXT).filter(|place| matches >> place & 1 == 1);
    matched.map(|place| context[place]).sum()
}

fn by_distance(weight: f64, decay: f64) -> [f64; MAX_RUN] {
    std::array::from_fn(|distance| match distance {
        0 => 0.0,
        _ => weight / (1.0 + decay * real(distance - 1)),
    })
}
