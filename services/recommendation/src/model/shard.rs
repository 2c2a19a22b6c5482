//! A shard: the sessions, orders and counts of one part of the session keys.

use super::retention::{LOTS, lot_of};
use super::trending::Trending;
use super::{
    Click, ClickKind, Fingerprint, Learned, Order, Parameters, SessionIndex, SessionKey, narrow,
};

/// There can be this many shards at most.
pub const MAX_SHARDS: usize = LOTS;
/// An item put into a cart counts this many times for what is popular, and an item bought.
const CART_COUNTS: u32 = 2;
const ORDER_COUNTS: u32 = 3;

/// The state of one shard. A pure function of the events learned, in the order of each session.
#[derive(Clone, Debug)]
pub struct Shard {
    pub(super) visits: SessionIndex,
    pub(super) orders: SessionIndex,
    pub(super) trending: Trending,
}

impl Shard {
    /// An empty shard.
    #[must_use]
    pub fn new(parameters: &Parameters) -> Self {
        Self {
            visits: SessionIndex::new(parameters.sessions_retained, parameters.clicks_per_session),
            orders: SessionIndex::new(parameters.orders_retained, super::arena::MAX_RUN),
            trending: Trending::default(),
        }
    }

    /// Which of `shards` learns the events of a session or of an order.
    #[must_use]
    pub fn of(key: SessionKey, shards: usize) -> usize {
        lot_of(key) % shards.clamp(1, MAX_SHARDS)
    }

    /// Learns a click in its place, whenever it comes.
    pub fn learn_click(&mut self, click: &Click) -> Learned {
        let time_ms = click.time_micros.div_euclid(1000);
        let learned = self.visits.learn(click.session, click.item, time_ms, click.fingerprint);
        if learned == Learned::New {
            let times = if click.kind == ClickKind::AddedToCart { CART_COUNTS } else { 1 };
            self.trending.count(click.item.0, time_ms, times);
        }
        learned
    }

    /// Learns a confirmed order, once.
    pub fn learn_order(&mut self, order: &Order<'_>) -> Learned {
        let time_ms = order.time_micros.div_euclid(1000);
        if self.orders.find(order.order).is_some() {
            return Learned::Repeat;
        }
        for (line, &item) in order.items.iter().take(super::arena::MAX_RUN).enumerate() {
            let learned =
                self.orders.learn(order.order, item, time_ms, Fingerprint::numbered(narrow(line)));
            if learned != Learned::New {
                return learned;
            }
            self.trending.count(item.0, time_ms, ORDER_COUNTS);
        }
        Learned::New
    }

    /// Tells the shard the newest event time of all shards, in microseconds since 1970, so that the windows of all end
    /// at the same time. To be called after each batch.
    pub fn advance_watermark(&mut self, watermark_micros: i64) {
        self.trending.advance(watermark_micros.div_euclid(1000));
    }

    /// The newest event time seen, in microseconds since 1970; `None` before the first.
    #[must_use]
    pub fn watermark_micros(&self) -> Option<i64> {
        self.trending.watermark_ms().checked_mul(1000)
    }

    /// The sessions and what they clicked.
    #[must_use]
    pub const fn visits(&self) -> &SessionIndex {
        &self.visits
    }

    /// The orders and what was bought together.
    #[must_use]
    pub const fn orders(&self) -> &SessionIndex {
        &self.orders
    }

    /// Whether a session has clicked within the time of inactivity before the watermark.
    #[must_use]
    pub fn is_open(&self, session: SessionKey, parameters: &Parameters) -> bool {
        let closes_before = self.trending.watermark_ms().saturating_sub(parameters.inactivity_ms);
        self.visits.find(session).is_some_and(|session| session.newest_ms() >= closes_before)
    }
}
