//! Synthetic clicks for measurements: sessions that go on side by side, items with a Zipf distribution.

use crate::model::{Catalogue, Click, ClickKind, Fingerprint, ItemId, SessionKey};
use std::collections::VecDeque;

/// What the clicks are like.
#[derive(Clone, Debug)]
pub struct Shape {
    /// How many items there are.
    pub items: u32,
    /// The exponent of the Zipf distribution.
    pub exponent: f64,
    /// One in so many clicks comes up to ten minutes late; 0 for none.
    pub late_one_in: u64,
    /// How many sessions are open at a time.
    pub open_sessions: usize,
    /// The time between two clicks.
    pub interval_micros: i64,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            items: 100_000,
            exponent: 1.0,
            late_one_in: 100,
            open_sessions: 20_000,
            interval_micros: 200,
        }
    }
}

/// An endless stream of clicks, the same for the same shape: five to a session on average.
pub struct SyntheticClicks {
    shape: Shape,
    catalogue: Catalogue,
    items: Vec<ItemId>,
    cumulative: Vec<f64>,
    random: u64,
    open: VecDeque<(SessionKey, u32)>,
    sessions: u64,
    clicks: i64,
}

impl SyntheticClicks {
    /// Clicks of this shape.
    #[must_use]
    pub fn new(shape: &Shape) -> Self {
        let mut catalogue = Catalogue::new(1 << 24);
        let items =
            (0..shape.items).filter_map(|item| catalogue.intern(&format!("sku-{item}"))).collect();
        let mut sum = 0.0;
        let mut add = |rank: u32| {
            sum += f64::from(rank).powf(-shape.exponent);
            sum
        };
        let cumulative = (1..=shape.items).map(&mut add).collect();
        let (shape, open) = (shape.clone(), VecDeque::new());
        Self { shape, catalogue, items, cumulative, random: 1, open, sessions: 0, clicks: 0 }
    }

    /// The items.
    #[must_use]
    pub const fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// An item, by its popularity.
    #[expect(clippy::cast_precision_loss, reason = "53 random bits")]
    pub fn item(&mut self) -> ItemId {
        let uniform = (self.random() >> 11) as f64 / (1u64 << 53) as f64;
        let total = self.cumulative.last().copied().unwrap_or(1.0);
        let rank = self.cumulative.partition_point(|&sum| sum < uniform * total);
        self.items[rank.min(self.items.len() - 1)]
    }

    /// `SplitMix64` (Steele, Lea, Flood, OOPSLA 2014).
    const fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The oldest open session or a new one, and the number of its next click. It goes on with probability 4/5.
    fn session(&mut self) -> (SessionKey, u32) {
        if self.open.len() < self.shape.open_sessions {
            self.sessions += 1;
            self.open.push_back((SessionKey::of(&format!("session-{}", self.sessions)), 0));
        }
        let (session, number) = self.open.pop_front().unwrap_or((SessionKey::from_bits(0), 0));
        if !self.random().is_multiple_of(5) {
            self.open.push_back((session, number + 1));
        }
        (session, number)
    }
}

impl Iterator for SyntheticClicks {
    type Item = Click;

    fn next(&mut self) -> Option<Click> {
        const START_MICROS: i64 = 1_700_000_000_000_000;
        self.clicks += 1;
        let (session, number) = self.session();
        let is_late =
            self.shape.late_one_in > 0 && self.random().is_multiple_of(self.shape.late_one_in);
        let late_micros = if is_late { (self.random() % 600_000_000).cast_signed() } else { 0 };
        let time_micros = START_MICROS + self.clicks * self.shape.interval_micros - late_micros;
        let fingerprint = Fingerprint::numbered(number);
        Some(Click {
            session,
            item: self.item(),
            time_micros,
            fingerprint,
            kind: ClickKind::Viewed,
        })
    }
}
