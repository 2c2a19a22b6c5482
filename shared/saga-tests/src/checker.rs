//! The invariants of DESIGN.md, asked of the services' databases and topics by reading alone. It
//! knows nothing of how they came to be what they are: a simulation, one process or a cluster.

mod ends;
mod residue;
mod snapshot;
mod stock;
mod timeline;

use std::collections::BTreeMap;

use anyhow::Result;
use events::Envelope;
use kernel::OrderId;
use sea_orm::DatabaseConnection;

pub use snapshot::{Camera, Snapshot, tables};

/// The databases of a shop.
#[derive(Clone)]
pub struct Checker {
    /// The order service's.
    pub order: DatabaseConnection,
    /// The inventory service's.
    pub inventory: DatabaseConnection,
    /// The shipping service's.
    pub shipping: DatabaseConnection,
}

/// What people were promised, and what they brought.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// Orders that were accepted, by idempotency key. There must be no others.
    pub accepted: BTreeMap<String, OrderId>,
    /// By SKU: the pieces that came (or went, but not by an order), by idempotency key.
    pub stocked: BTreeMap<String, BTreeMap<String, i64>>,
}

/// The rule that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// I5: on_hand = initial + restocked - shipped, 0 <= reserved <= on_hand, reserved is the sum
    /// of the live reservations.
    StockConserved,
    /// I6: every accepted order ends, and services agree how.
    EveryOrderEnds,
    /// Nothing is lost, nothing is doubled.
    NothingLostOrDoubled,
    /// Nothing is left over.
    NoResidue,
    /// The timeline is complete, causes before effects.
    Timeline,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule:?}: {what}")]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// What is wrong, and where.
    pub what: String,
}

/// Collects what is wrong.
#[derive(Debug)]
struct Findings {
    rule: Rule,
    found: Vec<Violation>,
}

impl Findings {
    fn of(rule: Rule) -> Self {
        Self { rule, found: Vec::new() }
    }

    fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.found.push(Violation { rule: self.rule, what: what() });
        }
    }
}

impl Checker {
    /// All rules, once nothing moves any more. `published` are the envelopes of all events of the
    /// saga, as they stand in the topics.
    ///
    /// # Errors
    /// When a database cannot be read.
    pub async fn all(&self, expected: &Expected, published: &[Envelope]) -> Result<Vec<Violation>> {
        let mut found = self.stock(expected).await?;
        found.extend(self.ends(expected).await?);
        found.extend(self.residue().await?);
        found.extend(self.timelines(published).await?);
        Ok(found)
    }
}
