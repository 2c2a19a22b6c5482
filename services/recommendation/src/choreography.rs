//! The recommendation service's part in what happens: it hears and says nothing. Pure.
//!
//! | heard | learned |
//! |---|---|
//! | ProductViewed, AddedToCart | a click of its session, in its place by event time |
//! | OrderConfirmed | what was bought together |
//! | ProductChanged | which products there are and can be ordered |
//! | StockLevelChanged | what is in stock |
//!
//! Nothing is undone: a model of what people look at stays right when an order is cancelled later.

use events::{
    Event,
    activity::{Activity, ActivityKind},
    topics::{self, Topic},
};
use kernel::Sku;
use messaging::{murmur2, service::Unusable};

use crate::{
    activity::EARLIEST,
    model::{Click, ClickKind, Fingerprint, ItemId, MAX_SHARDS, SessionKey},
};

/// The topics it hears.
pub const TOPICS: &[&Topic] =
    &[&topics::PRODUCTS, &topics::STOCK_LEVELS, &topics::ACTIVITY, &topics::ORDERS];

/// How far an event's own time may lie ahead of the record's, in microseconds: five minutes are allowed to a
/// storefront's clock, and as many to the difference between ours. A time in the far future would end every window.
const MAX_AHEAD_MICROS: i64 = 10 * 60 * 1_000_000;

/// What an event has to teach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lesson {
    /// Somebody clicked.
    Click {
        /// Whose click.
        session: SessionKey,
        /// On what.
        sku: String,
        /// When, in microseconds since 1970.
        time_micros: i64,
        /// Tells a repeat from a new click.
        fingerprint: Fingerprint,
        /// View or cart.
        kind: ClickKind,
    },
    /// An order was confirmed.
    Order {
        /// The key of its id.
        order: SessionKey,
        /// What was bought together.
        skus: Vec<String>,
        /// When, in microseconds since 1970.
        time_micros: i64,
    },
    /// A product is listed, or not any more.
    Product {
        /// Which.
        sku: String,
        /// Grows with each change.
        version: i64,
        /// Whether it can be ordered.
        active: bool,
    },
    /// There is some of a product, or none.
    Stock {
        /// Which.
        sku: String,
        /// Grows with each change.
        version: i64,
        /// Whether any is left to be ordered.
        available: bool,
    },
    /// The log has forgotten a product or its stock.
    Forgotten {
        /// Which.
        sku: String,
    },
}

/// What an event teaches that was appended at `appended_ms`; `None` when it is not our business.
///
/// # Errors
/// When it can never be learned: it goes to the dead letters.
pub fn hear(event: Event, appended_ms: i64) -> Result<Option<Lesson>, Unusable> {
    let lesson = match event {
        Event::ProductViewed(e) => hear_activity(&Activity::from(&e), appended_ms)?,
        Event::AddedToCart(e) => hear_activity(&Activity::from(&e), appended_ms)?,
        Event::OrderConfirmed(e) => Lesson::Order {
            order: order_key(&e.order_id),
            skus: e.lines.into_iter().map(|line| usable_sku(line.sku)).collect::<Result<_, _>>()?,
            time_micros: usable_time(e.confirmed_at, appended_ms)?,
        },
        Event::ProductChanged(e) => {
            Lesson::Product { sku: usable_sku(e.sku)?, version: e.version, active: e.active }
        }
        Event::StockLevelChanged(e) => {
            let available = e.available > 0;
            Lesson::Stock { sku: usable_sku(e.sku)?, version: e.version, available }
        }
        _ => return Ok(None),
    };
    Ok(Some(lesson))
}

fn hear_activity(activity: &Activity<'_>, appended_ms: i64) -> Result<Lesson, Unusable> {
    Ok(Lesson::Click {
        session: session_key(activity.session_id),
        sku: usable_sku(activity.sku.to_owned())?,
        time_micros: usable_time(activity.occurred_at, appended_ms)?,
        fingerprint: Fingerprint::of(activity.event_id),
        kind: kind_of(activity),
    })
}

/// The click on an item whose SKU was found usable before.
///
/// # Errors
/// When it can never be learned.
pub fn click_on(
    item: ItemId,
    activity: &Activity<'_>,
    appended_ms: i64,
) -> Result<Click, Unusable> {
    Ok(Click {
        session: session_key(activity.session_id),
        item,
        time_micros: usable_time(activity.occurred_at, appended_ms)?,
        fingerprint: Fingerprint::of(activity.event_id),
        kind: kind_of(activity),
    })
}

const fn kind_of(activity: &Activity<'_>) -> ClickKind {
    match activity.kind {
        ActivityKind::Viewed => ClickKind::Viewed,
        ActivityKind::AddedToCart => ClickKind::AddedToCart,
    }
}

/// What a tombstone teaches: only the compacted topics have them.
pub fn hear_tombstone(topic: &str, key: Option<&str>) -> Option<Lesson> {
    let is_compacted = [topics::PRODUCTS.name, topics::STOCK_LEVELS.name].contains(&topic);
    let sku = key.filter(|_| is_compacted)?.to_owned();
    Some(Lesson::Forgotten { sku })
}

/// The key of a visitor's session.
pub fn session_key(session_id: &str) -> SessionKey {
    key(session_id, &topics::ACTIVITY)
}

/// The key of an order.
pub fn order_key(order_id: &str) -> SessionKey {
    key(order_id, &topics::ORDERS)
}

/// The hash of an id, its lot taken from the partition that the id's events are in.
///
/// Each lot decides alone which of its sessions go when there are too many. As all its events come from one partition,
/// they come in one order, however the partitions are interleaved: so a replay retains what was retained before, and
/// two replicas retain the same.
fn key(id: &str, topic: &Topic) -> SessionKey {
    let lots = MAX_SHARDS as u64;
    let hash = SessionKey::of(id).bits();
    let partitions = u64::from(topic.partitions).clamp(1, lots);
    let partition = u64::from(murmur2::partition(id.as_bytes(), topic.partitions)) % partitions;
    let lot = partition + partitions * (hash / lots % (lots / partitions));
    SessionKey::from_bits(hash - hash % lots + lot)
}

fn usable_sku(sku: String) -> Result<String, Unusable> {
    match sku.parse::<Sku>() {
        Ok(_) => Ok(sku),
        Err(error) => Err(Unusable(format!("the sku {error}"))),
    }
}

fn usable_time(time_micros: i64, appended_ms: i64) -> Result<i64, Unusable> {
    let latest = appended_ms.saturating_mul(1000).saturating_add(MAX_AHEAD_MICROS);
    if (EARLIEST.0..=latest).contains(&time_micros) {
        Ok(time_micros)
    } else {
        Err(Unusable(format!("it happened {time_micros} microseconds after 1970, which cannot be")))
    }
}

#[cfg(test)]
mod tests;
