//! What is remembered of an order: who is to be told, of what, and what they were told already.

use std::collections::BTreeSet;

use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::notification::{Bill, Content, Kind};

/// All that is remembered of one order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrderFile {
    /// The order; `None` while its OrderPlaced has not been heard.
    pub order: Option<Order>,
    /// What was heard before OrderPlaced (it is in another topic), with the events' ids.
    pub early: Vec<(Uuid, Fact)>,
    /// What has been told; each once.
    pub told: BTreeSet<Kind>,
    /// When the staff is told that it still waits.
    pub report_at: Option<i64>,
    /// When it was placed.
    pub placed_at: i64,
}

impl OrderFile {
    /// Whether this was heard before, whether or not it could be told already.
    pub fn knows(&self, fact: &Fact) -> bool {
        self.told.contains(&fact.kind()) || self.early.iter().any(|(_, e)| e.kind() == fact.kind())
    }

    /// When the staff is told that it still waits.
    pub fn report_at(&self) -> Option<Timestamp> {
        self.report_at.map(Timestamp)
    }
}

/// This service's replica of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Whose it is.
    pub customer_id: String,
    /// Where to write to, if it was given.
    pub email: Option<String>,
    /// The recipient's name.
    pub name: String,
    /// What was ordered.
    pub lines: Vec<Line>,
    /// ISO 4217.
    pub currency: String,
    /// In minor units.
    pub total_minor: i64,
}

/// One product of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The product.
    pub sku: String,
    /// Its name when it was priced.
    pub name: String,
    /// Pieces.
    pub quantity: i32,
    /// In minor units.
    pub unit_price_minor: i64,
}

/// A product there was too little of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// The product.
    pub sku: String,
    /// Its name in the order; empty until it is known.
    pub name: String,
    /// Pieces the order asked for.
    pub requested: i32,
    /// Pieces there were.
    pub available: i64,
}

/// What happened to an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named as their events")]
pub enum Fact {
    Placed(Order),
    Confirmed,
    Rejected { shortages: Vec<Shortage> },
    Cancelled { cause: String, reason: String },
    Shipped { carrier: String, tracking_number: String },
    Delivered,
}

impl Fact {
    /// What the customer is told of it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Placed(_) => Kind::OrderReceived,
            Self::Confirmed => Kind::OrderConfirmed,
            Self::Rejected { .. } => Kind::OrderRejected,
            Self::Cancelled { .. } => Kind::OrderCancelled,
            Self::Shipped { .. } => Kind::OrderShipped,
            Self::Delivered => Kind::OrderDelivered,
        }
    }

    /// Whether the order waits for stock and shipping no more.
    pub fn ends_waiting(&self) -> bool {
        !matches!(self, Self::Placed(_))
    }
}

impl Order {
    /// What the customer is told of `fact`.
    pub fn content(&self, fact: &Fact) -> Content {
        let name = self.name.clone();
        match fact {
            Fact::Placed(_) => Content::OrderReceived(self.bill()),
            Fact::Confirmed => Content::OrderConfirmed(self.bill()),
            Fact::Rejected { shortages } => {
                let shortages = shortages.iter().map(|shortage| self.named(shortage)).collect();
                Content::OrderRejected { name, shortages }
            }
            Fact::Cancelled { cause, reason } => {
                Content::OrderCancelled { name, cause: cause.clone(), reason: reason.clone() }
            }
            Fact::Shipped { carrier, tracking_number } => Content::OrderShipped {
                carrier: carrier.clone(),
                tracking_number: tracking_number.clone(),
                bill: self.bill(),
            },
            Fact::Delivered => Content::OrderDelivered { name },
        }
    }

    fn bill(&self) -> Bill {
        let Self { name, lines, currency, total_minor, .. } = self.clone();
        Bill { name, lines, currency, total_minor }
    }

    fn named(&self, shortage: &Shortage) -> Shortage {
        let line = self.lines.iter().find(|line| line.sku == shortage.sku);
        let name = line.map_or_else(|| shortage.sku.clone(), |line| line.name.clone());
        Shortage { name, ..shortage.clone() }
    }
}
