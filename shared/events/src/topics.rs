//! The one table of topics. Kafka's topics are created from it or compared with it, the embedded
//! log has the same, and Debezium's outbox router can derive each name from `aggregatetype`.

/// A topic and how long it keeps what it holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Topic {
    /// The full name, such as `shop.orders`.
    pub name: &'static str,
    /// Number of partitions, the same on every platform so that a key stays in its partition.
    pub partitions: u32,
    /// What may be forgotten.
    pub cleanup: Cleanup,
}

/// What a topic may forget, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// Keeps the newest record of each key; a tombstone stays `delete.retention.ms` (1 day).
    Compact,
    /// Forgets records older than this many hours, or once a partition is larger than this.
    Delete {
        /// In hours.
        hours: u32,
        /// In bytes per partition; `None` is no limit.
        bytes: Option<u64>,
    },
}

/// Prefix of all names; the rest is the outbox's `aggregatetype`.
pub const PREFIX: &str = "shop.";

const WEEK: Cleanup = Cleanup::Delete { hours: 7 * 24, bytes: None };
const QUARTER: Cleanup = Cleanup::Delete { hours: 90 * 24, bytes: None };

/// A week of clicks, or a GiB of them to a partition: whoever learns from them keeps snapshots.
const CLICKS: Cleanup = Cleanup::Delete { hours: 7 * 24, bytes: Some(1 << 30) };

const fn topic(name: &'static str, partitions: u32, cleanup: Cleanup) -> Topic {
    Topic { name, partitions, cleanup }
}

/// Keyed by SKU: the newest state of every product.
pub const PRODUCTS: Topic = topic("shop.products", 3, Cleanup::Compact);
/// Keyed by order id.
pub const ORDERS: Topic = topic("shop.orders", 6, WEEK);
/// Keyed by order id.
pub const INVENTORY: Topic = topic("shop.inventory", 6, WEEK);
/// Keyed by SKU: the newest stock level of every product.
pub const STOCK_LEVELS: Topic = topic("shop.stock-levels", 3, Cleanup::Compact);
/// Keyed by order id.
pub const SHIPPING: Topic = topic("shop.shipping", 6, WEEK);

/// Keyed by customer id: who was told what.
pub const NOTIFICATIONS: Topic = topic("shop.notifications", 3, WEEK);
/// Keyed by session id: what visitors do. The number of partitions divides 64, the model's lots.
pub const ACTIVITY: Topic = topic("shop.activity", 8, CLICKS);

/// The topics whose events belong to the saga of one order and are keyed by its id.
pub const SAGA: &[&Topic] = &[&ORDERS, &INVENTORY, &SHIPPING];

/// All topics that carry events.
pub const ALL: &[&Topic] =
    &[&PRODUCTS, &ORDERS, &INVENTORY, &STOCK_LEVELS, &SHIPPING, &NOTIFICATIONS, &ACTIVITY];

/// The services that keep dead letters.
pub const SERVICES: &[&str] = &["order", "inventory", "shipping", "notification", "recommendation"];

/// Where `service` keeps what it could not process, keyed as the original.
pub fn dead_letters(service: &str) -> Option<&'static Topic> {
    DEAD_LETTERS.iter().find(|topic| {
        let name =
            topic.name.strip_prefix(PREFIX).and_then(|name| name.strip_suffix(".dead-letters"));
        name == Some(service)
    })
}

/// The dead-letter topics, in the order of [`SERVICES`].
pub const DEAD_LETTERS: &[Topic] = &[
    topic("shop.order.dead-letters", 1, QUARTER),
    topic("shop.inventory.dead-letters", 1, QUARTER),
    topic("shop.shipping.dead-letters", 1, QUARTER),
    topic("shop.notification.dead-letters", 1, QUARTER),
    topic("shop.recommendation.dead-letters", 1, QUARTER),
];
