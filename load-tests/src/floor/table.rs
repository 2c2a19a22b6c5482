//! What one saga leaves behind: an order of two lines that is confirmed and goes no further. This is
//! the one place where it is written down; statements and records are made from it.
//!
//! Counted in the services' code (their stores, `messaging::execute`) and in the files of a shop that
//! had taken 99 orders; the bytes are those of that shop. What is only noted in passing, such as a
//! new customer, is left out. A shop that has several orders of one product in a transaction writes its
//! stock once; here every line is a product of its own.

use events::topics::{self, Topic};

use super::statements as sql;

/// Lines of an order.
pub const LINES: u64 = 2;

/// How many there are of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Each {
    /// One for every order; its key is the order's id.
    Order,
    /// One for every line of it; its key is the line's SKU.
    Line,
}

impl Each {
    /// How many there are in a saga.
    pub fn per_saga(self) -> u64 {
        match self {
            Self::Order => 1,
            Self::Line => LINES,
        }
    }
}

/// An event that is said in a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Tells it from the others; part of its id.
    pub number: u8,
    /// As in the contract.
    pub name: &'static str,
    /// Where it goes.
    pub topic: &'static Topic,
    /// How many of it there are.
    pub each: Each,
    /// The size of its value, encoded.
    pub value_bytes: usize,
}

const fn event(
    number: u8,
    name: &'static str,
    topic: &'static Topic,
    each: Each,
    value_bytes: usize,
) -> Event {
    Event { number, name, topic, each, value_bytes }
}

const PLACED: Event = event(1, "OrderPlaced", &topics::ORDERS, Each::Order, 283);
const RESERVED: Event = event(2, "StockReserved", &topics::INVENTORY, Each::Order, 106);
const LEVEL: Event = event(3, "StockLevelChanged", &topics::STOCK_LEVELS, Each::Line, 48);
const SCHEDULED: Event = event(4, "ShipmentScheduled", &topics::SHIPPING, Each::Order, 126);
const CONFIRMED: Event = event(5, "OrderConfirmed", &topics::ORDERS, Each::Order, 187);
/// That the order was received; the next, that it is confirmed. Keyed by the customer in the shop; here
/// every order has a customer of its own.
const RECEIVED_SENT: Event = event(6, "NotificationSent", &topics::NOTIFICATIONS, Each::Order, 140);
const CONFIRMED_SENT: Event =
    event(7, "NotificationSent", &topics::NOTIFICATIONS, Each::Order, 140);

/// The rows that a statement writes.
#[derive(Clone, Copy, Debug)]
pub enum Rows {
    /// Found by their keys.
    Keys(Each),
    /// One for each of these events: its id, and its key.
    Events(&'static [Event]),
}

/// One statement of a step.
#[derive(Clone, Copy, Debug)]
pub struct Write {
    /// One of [`super::statements`].
    pub sql: &'static str,
    /// What it writes.
    pub rows: Rows,
    /// The size of the text in each row that stands for its JSON.
    pub body_bytes: usize,
}

const fn orders(sql: &'static str, body_bytes: usize) -> Write {
    Write { sql, rows: Rows::Keys(Each::Order), body_bytes }
}

const fn lines(sql: &'static str, body_bytes: usize) -> Write {
    Write { sql, rows: Rows::Keys(Each::Line), body_bytes }
}

const fn of(events: &'static [Event], sql: &'static str, body_bytes: usize) -> Write {
    Write { sql, rows: Rows::Events(events), body_bytes }
}

/// One transaction, for all orders of a batch: marks in the inbox, these writes, rows in the outbox.
/// The next one removes the latter, as the shop does.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What is marked.
    pub hears: &'static [Event],
    /// What changes beside inbox and outbox.
    pub writes: &'static [Write],
    /// What goes through the outbox to the log.
    pub says: &'static [Event],
}

/// One consumer group, with its database if it has one.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// The topics that it reads, those of its events that mean nothing to it too.
    pub reads: &'static [&'static Topic],
    /// What it does for a saga, in this order. Without any it has no database.
    pub steps: &'static [Step],
}

impl Service {
    /// What it says in a saga.
    pub fn says(&self) -> impl Iterator<Item = &'static Event> {
        self.steps.iter().flat_map(|step| step.says)
    }

    /// How many records a saga has for it.
    pub fn reads_per_saga(&self) -> u64 {
        let reads = |event: &&Event| self.reads.contains(&event.topic);
        let said = SERVICES.iter().flat_map(Service::says);
        said.filter(reads).map(|event| event.each.per_saga()).sum()
    }
}

/// All of it.
pub const SERVICES: &[Service] = &[
    Service {
        name: "order",
        reads: &[&topics::INVENTORY, &topics::SHIPPING],
        steps: &[
            Step {
                hears: &[],
                writes: &[
                    orders(sql::ORDER_PLACED, 800),
                    orders(sql::IDEMPOTENCY_KEY, 644),
                    orders(sql::DEADLINE_SET, 0),
                    of(&[PLACED], sql::TIMELINE, 42),
                ],
                says: &[PLACED],
            },
            Step { hears: &[RESERVED], writes: &[of(&[RESERVED], sql::TIMELINE, 42)], says: &[] },
            Step {
                hears: &[SCHEDULED],
                writes: &[
                    orders(sql::ORDER_CONFIRMED, 1084),
                    orders(sql::DEADLINE_CLEARED, 0),
                    of(&[SCHEDULED, CONFIRMED], sql::TIMELINE, 42),
                ],
                says: &[CONFIRMED],
            },
        ],
    },
    Service {
        name: "inventory",
        reads: &[&topics::ORDERS, &topics::SHIPPING],
        steps: &[
            Step {
                hears: &[PLACED],
                writes: &[
                    orders(sql::RESERVATION_MADE, 61),
                    lines(sql::STOCK_RESERVED, 0),
                    orders(sql::DEADLINE_SET, 0),
                ],
                says: &[RESERVED, LEVEL],
            },
            Step {
                hears: &[CONFIRMED],
                writes: &[orders(sql::RESERVATION_CONFIRMED, 61), orders(sql::DEADLINE_CLEARED, 0)],
                says: &[],
            },
        ],
    },
    Service {
        name: "shipping",
        reads: &[&topics::ORDERS, &topics::INVENTORY],
        steps: &[
            Step { hears: &[PLACED], writes: &[orders(sql::ADDRESS_KNOWN, 111)], says: &[] },
            Step {
                hears: &[RESERVED],
                writes: &[orders(sql::SHIPMENT_SCHEDULED, 111)],
                says: &[SCHEDULED],
            },
            Step { hears: &[CONFIRMED], writes: &[orders(sql::SHIPMENT_RELEASED, 111)], says: &[] },
        ],
    },
    Service {
        name: "notification",
        reads: &[&topics::ORDERS, &topics::SHIPPING, &topics::STOCK_LEVELS],
        steps: &[
            Step {
                hears: &[PLACED],
                writes: &[
                    orders(sql::ORDER_FILE_OPENED, 490),
                    orders(sql::DEADLINE_SET, 0),
                    of(&[RECEIVED_SENT], sql::NOTIFICATION, 307),
                ],
                says: &[RECEIVED_SENT],
            },
            Step { hears: &[LEVEL], writes: &[lines(sql::STOCK_FILE, 25)], says: &[] },
            Step {
                hears: &[CONFIRMED],
                writes: &[
                    orders(sql::ORDER_FILE_CHANGED, 490),
                    orders(sql::DEADLINE_CLEARED, 0),
                    of(&[CONFIRMED_SENT], sql::NOTIFICATION, 307),
                ],
                says: &[CONFIRMED_SENT],
            },
        ],
    },
    // Learns from the log, and keeps snapshots instead of a database.
    Service {
        name: "recommendation",
        reads: &[&topics::ORDERS, &topics::STOCK_LEVELS],
        steps: &[],
    },
];
