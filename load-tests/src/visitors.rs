//! What the visitors of one phase (warm-up, or the measurement) share, and what each can do.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{Rng as _, rngs::StdRng};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    cli::Wait,
    clock::Clock,
    ledger::{Ledger, Outcome},
    recorder::{Recorder, SAGA},
    shop::{Call, Service, Shop},
    stocking::Goods,
};

/// The most lines and pieces of an order.
const MAX_LINES: usize = 3;
const MAX_PIECES: u32 = 2;

/// All of one phase.
#[derive(Clone, Debug)]
pub struct Visitors {
    /// Whom they visit.
    pub shop: Arc<Shop>,
    /// What there is.
    pub goods: Arc<Goods>,
    /// What they ordered.
    pub ledger: Arc<Ledger>,
    /// What they measure.
    pub recorder: Arc<Recorder>,
    /// The time of day.
    pub clock: Clock,
    /// Whether this phase is the measurement.
    pub measured: bool,
    /// Of a hundred orders, how many go where nobody ships to.
    pub refused: u32,
    /// How an order's end is awaited.
    pub wait: Wait,
    /// How often `Wait::Poll` asks.
    pub poll: Duration,
    /// How long an order may take to end.
    pub patience: Duration,
}

impl Visitors {
    /// Sends a call; `since` is when it was meant to be sent.
    pub async fn call(&self, call: Call, since: Instant) -> Option<Value> {
        self.shop.call(&call, &self.recorder, since).await.ok()
    }

    /// One to three different products, one or two pieces of each.
    pub fn basket(&self, random: &mut StdRng) -> Vec<(usize, u32)> {
        let mut lines: Vec<(usize, u32)> = Vec::new();
        for _ in 0..random.random_range(1..=MAX_LINES) {
            let product = random.random_range(0..self.goods.skus.len());
            if lines.iter().all(|(known, _)| *known != product) {
                lines.push((product, random.random_range(1..=MAX_PIECES)));
            }
        }
        lines
    }

    /// Places an order; returns its number and id when it is acknowledged.
    pub async fn place(
        &self,
        lines: Vec<(usize, u32)>,
        is_refused: bool,
        intended: Instant,
    ) -> Option<(usize, String)> {
        let number = self.ledger.begin(lines, intended, self.measured);
        Some((number, self.send(number, is_refused, intended).await?))
    }

    /// Sends an order, as often as it takes; returns its id.
    pub async fn send(&self, number: usize, is_refused: bool, intended: Instant) -> Option<String> {
        let order = self.order(number, is_refused);
        let call = Call::post("order", Service::Order, "/api/v1/orders", order);
        let answer = self.call(call.key(self.ledger.key(number)), intended).await?;
        let id = answer["id"].as_str().unwrap_or_default().to_owned();
        self.ledger.acknowledge(number, id.clone());
        Some(id)
    }

    /// The body of an order.
    fn order(&self, number: usize, is_refused: bool) -> Value {
        let skus = &self.goods.skus;
        let line =
            |(product, pieces): (usize, u32)| json!({"sku": skus[product], "quantity": pieces});
        let lines: Vec<_> = self.ledger.lines(number).into_iter().map(line).collect();
        let country = if is_refused { "AQ" } else { "DE" };
        json!({
            "customer_id": self.ledger.customer(number),
            "lines": lines,
            "shipping_address": {"name": "Ada Lovelace", "line1": "Inselstr. 1", "city": "Berlin",
                "postal_code": "10179", "country": country},
        })
    }

    /// An order's end was heard of.
    pub fn ended(&self, number: usize, outcome: Outcome, at: Instant) {
        let Some(entry) = self.ledger.end(number, outcome, at) else { return };
        if entry.measured {
            let time = at.saturating_duration_since(entry.intended);
            self.recorder.took(SAGA, time);
            self.recorder.took(outcome.operation(), time);
        }
    }

    /// Reports that a session looked at a product, or put it into the cart.
    pub async fn report(&self, session: &str, kind: &str, product: usize, intended: Instant) {
        let entry = self.activity(session, kind, product, self.clock.now());
        let call =
            Call::post("activity", Service::Recommendation, "/api/v1/activity", json!([entry]));
        self.call(call, intended).await;
    }

    /// One entry of activity. Its id is derived, so that a repeat has no effect.
    pub fn activity(&self, session: &str, kind: &str, product: usize, at: OffsetDateTime) -> Value {
        let sku = &self.goods.skus[product];
        json!({
            "event_id": format!("{sku}-{}", at.unix_timestamp_nanos()),
            "session_id": session,
            "type": kind,
            "sku": sku,
            "occurred_at": at.format(&Rfc3339).unwrap_or_default(),
        })
    }
}
