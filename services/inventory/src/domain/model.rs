//! What is known of products, stock and orders.

use std::collections::BTreeMap;

use kernel::{Money, Sku, Timestamp};

/// Pieces by product, each at least 1; in the order in which stock is locked.
pub type Lines = BTreeMap<Sku, i32>;

/// Stock is low when no more than this many pieces are available.
const LOW_AVAILABLE: i64 = 5;

/// All that a command may need to know. A command about a product has that product and its stock;
/// one about an order has its reservation and the stock of its lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The product; `None` is "never heard of it".
    pub product: Option<Product>,
    /// The stock that the command may change.
    pub stock: BTreeMap<Sku, Stock>,
    /// What the order holds.
    pub reservation: Reservation,
    /// What is to be written to the ledger.
    pub movements: Vec<Movement>,
}

/// A product as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// What can be put.
    pub details: Details,
    /// How often it has changed; its first is 1.
    pub version: i64,
}

/// What a person decides about a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Of one piece.
    pub price: Money,
    /// The shelf it stands on.
    pub category: Option<String>,
    /// A picture.
    pub image_url: Option<String>,
    /// Whether it can be ordered.
    pub active: bool,
}

/// The pieces of one product: always `0 <= reserved <= on_hand`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// In the warehouse.
    pub on_hand: i64,
    /// Held by live reservations.
    pub reserved: i64,
    /// How often it has changed.
    pub version: i64,
}

impl Stock {
    /// What can still be reserved.
    pub fn available(self) -> i64 {
        self.on_hand - self.reserved
    }

    /// Whether it is time to buy.
    pub fn is_low(self) -> bool {
        self.available() <= LOW_AVAILABLE
    }
}

/// What an order holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reservation {
    /// Never heard of the order.
    #[default]
    Unknown,
    /// Its pieces are held, until OrderCancelled or ShipmentDispatched; never by age alone.
    Live(Held),
    /// There was too little: it holds nothing.
    Rejected,
    /// Its pieces are available again.
    Released,
    /// Its pieces have left the warehouse.
    Committed,
    /// It was over before it was heard of: a later OrderPlaced does nothing.
    Tombstone,
    /// A parcel is said to have left for which nothing was held. The saga cannot bring this about;
    /// no stock is touched, and a person is told.
    DispatchedUnreserved,
}

/// The pieces that an order holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Which.
    pub lines: Lines,
    /// Since when.
    pub reserved_at: Timestamp,
    /// Whether the order is confirmed.
    pub confirmed: bool,
    /// Whether it was reported for being held so long without that.
    pub reported: bool,
}

impl Held {
    /// Whether it is to be reported one day, if nothing happens.
    pub fn awaits_confirmation(&self) -> bool {
        !self.confirmed && !self.reported
    }
}

/// One entry of the ledger; the sum of a product's deltas is what is on hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Which product.
    pub sku: Sku,
    /// Pieces that came, or (negative) went.
    pub delta: i64,
    /// Why, for a person to read.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

impl State {
    /// The stock of `sku`; of an unknown one there is none.
    pub fn stock_of(&self, sku: &Sku) -> Stock {
        self.stock.get(sku).copied().unwrap_or_default()
    }

    /// The product with these details, one version on.
    pub(super) fn list(&mut self, details: &Details) {
        let version = self.product.as_ref().map_or(0, |product| product.version) + 1;
        self.product = Some(Product { details: details.clone(), version });
    }

    /// Changes what is on hand and what of it is reserved.
    pub(super) fn move_stock(&mut self, sku: &Sku, on_hand: i64, reserved: i64) {
        let stock = self.stock.entry(sku.clone()).or_default();
        stock.on_hand += on_hand;
        stock.reserved += reserved;
        stock.version += 1;
        debug_assert!((0..=stock.on_hand).contains(&stock.reserved), "I5: {sku} {stock:?}");
    }

    /// Puts an entry into the ledger.
    pub(super) fn note(&mut self, sku: &Sku, delta: i64, reason: String, at: Timestamp) {
        self.movements.push(Movement { sku: sku.clone(), delta, reason, at });
    }

    /// Changes what is held, if anything is.
    pub(super) fn change_held(&mut self, change: impl FnOnce(&mut Held)) {
        if let Reservation::Live(held) = &mut self.reservation {
            change(held);
        }
    }
}
