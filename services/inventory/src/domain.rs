//! The rules of the stock. Pure: what is reserved, released and taken is decided here and nowhere
//! else, so that stock is conserved (I5) whatever is heard, and however often.

mod check;

use std::collections::BTreeMap;

use kernel::{Decider, Money, OrderId, Sku, Timestamp};

pub use check::FieldError;

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

/// What inventory is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are explained by the types they end in")]
pub enum Command {
    /// List a product, or list it differently.
    PutProduct { sku: Sku, details: Details },
    /// Add to the stock or take away from it.
    AdjustStock { sku: Sku, delta: i64, reason: String, now: Timestamp },
    /// Hold every line of an order, or none.
    Reserve { order_id: OrderId, lines: Lines, now: Timestamp },
    /// Remember that the order is confirmed.
    Confirm { order_id: OrderId },
    /// Let go of what an order holds.
    Release { order_id: OrderId, now: Timestamp },
    /// Take what an order holds off hand: it has left.
    Commit { order_id: OrderId, now: Timestamp },
    /// Report a reservation that has been unconfirmed for too long.
    Report { order_id: OrderId },
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the commands")]
pub enum Event {
    /// A product is listed for the first time.
    ProductAdded { sku: Sku, details: Details },
    /// It is listed differently.
    ProductChanged { sku: Sku, details: Details },
    /// Pieces came or went.
    StockAdjusted { sku: Sku, delta: i64, reason: String, at: Timestamp },
    /// Every line is held.
    StockReserved { order_id: OrderId, lines: Lines, at: Timestamp },
    /// At least one line could not be held, so none is.
    StockRejected { order_id: OrderId, shortages: Vec<Shortage>, at: Timestamp },
    /// The order was confirmed.
    ReservationConfirmed,
    /// What was held is available again.
    StockReleased { order_id: OrderId, lines: Lines, at: Timestamp },
    /// What was held has left.
    StockCommitted { order_id: OrderId, lines: Lines, at: Timestamp },
    /// The order was over before it was heard of.
    OrderBuried,
    /// It was held for long without being confirmed.
    OldReservationReported { order_id: OrderId, since: Timestamp },
    /// A parcel has left for which nothing was held.
    DispatchedUnreserved { order_id: OrderId },
}

/// A product there was too little of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// Which.
    pub sku: Sku,
    /// Pieces asked for.
    pub requested: i32,
    /// Pieces there were.
    pub available: i64,
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The product isn't listed.
    #[error("there is no product {0}")]
    UnknownProduct(Sku),
    /// What is asked for can't be, ever.
    #[error("{} of its fields are wrong", .0.len())]
    Invalid(Vec<FieldError>),
    /// Pieces would be taken away that are not there, or that orders hold.
    #[error("{} are on hand and {} of them reserved: {taken} can't be taken away", .stock.on_hand, .stock.reserved)]
    BelowReserved {
        /// What there is.
        stock: Stock,
        /// Pieces to be taken away.
        taken: u64,
    },
}

/// The rules.
pub struct Rules;

impl Decider for Rules {
    type State = State;
    type Command = Command;
    type Event = Event;
    type Error = Refusal;

    fn decide(state: &State, command: Command) -> Result<Vec<Event>, Refusal> {
        match command {
            Command::PutProduct { sku, details } => put_product(state, sku, details),
            Command::AdjustStock { sku, delta, reason, now } => {
                adjust_stock(state, sku, delta, reason, now)
            }
            Command::Reserve { order_id, lines, now } => Ok(reserve(state, order_id, lines, now)),
            Command::Confirm { order_id: _ } => Ok(confirm(state)),
            Command::Release { order_id, now } => Ok(release(state, order_id, now)),
            Command::Commit { order_id, now } => Ok(commit(state, order_id, now)),
            Command::Report { order_id } => Ok(report(state, order_id)),
        }
    }

    fn evolve(mut state: State, event: &Event) -> State {
        match event {
            Event::ProductAdded { sku, details } => {
                state.stock.entry(sku.clone()).or_default();
                state.list(details);
            }
            Event::ProductChanged { sku: _, details } => state.list(details),
            Event::StockAdjusted { sku, delta, reason, at } => {
                state.move_stock(sku, *delta, 0);
                state.note(sku, *delta, reason.clone(), *at);
            }
            Event::StockReserved { order_id: _, lines, at } => {
                let (lines, reserved_at) = (lines.clone(), *at);
                lines.iter().for_each(|(sku, n)| state.move_stock(sku, 0, i64::from(*n)));
                let held = Held { lines, reserved_at, confirmed: false, reported: false };
                state.reservation = Reservation::Live(held);
            }
            Event::StockRejected { .. } => state.reservation = Reservation::Rejected,
            Event::ReservationConfirmed => state.change_held(|held| held.confirmed = true),
            Event::StockReleased { order_id: _, lines, at: _ } => {
                lines.iter().for_each(|(sku, n)| state.move_stock(sku, 0, -i64::from(*n)));
                state.reservation = Reservation::Released;
            }
            Event::StockCommitted { order_id, lines, at } => {
                for (sku, n) in lines {
                    let delta = -i64::from(*n);
                    state.move_stock(sku, delta, delta);
                    state.note(sku, delta, format!("order {order_id}"), *at);
                }
                state.reservation = Reservation::Committed;
            }
            Event::OrderBuried => state.reservation = Reservation::Tombstone,
            Event::OldReservationReported { .. } => state.change_held(|held| held.reported = true),
            Event::DispatchedUnreserved { .. } => {
                state.reservation = Reservation::DispatchedUnreserved;
            }
        }
        state
    }
}

fn put_product(state: &State, sku: Sku, details: Details) -> Result<Vec<Event>, Refusal> {
    check::details(&details).map_err(Refusal::Invalid)?;
    Ok(match &state.product {
        None => vec![Event::ProductAdded { sku, details }],
        Some(product) if product.details == details => vec![],
        Some(_) => vec![Event::ProductChanged { sku, details }],
    })
}

fn adjust_stock(
    state: &State,
    sku: Sku,
    delta: i64,
    reason: String,
    at: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    check::adjustment(delta, &reason).map_err(Refusal::Invalid)?;
    if state.product.is_none() {
        return Err(Refusal::UnknownProduct(sku));
    }
    let stock = state.stock_of(&sku);
    let on_hand = stock.on_hand.checked_add(delta).ok_or_else(|| {
        Refusal::Invalid(vec![FieldError::new("delta", "is more than can be counted")])
    })?;
    if on_hand < stock.reserved {
        return Err(Refusal::BelowReserved { stock, taken: delta.unsigned_abs() });
    }
    Ok(vec![Event::StockAdjusted { sku, delta, reason, at }])
}

/// Every line or none; whatever became of the order before, a repeat does nothing.
fn reserve(state: &State, order_id: OrderId, lines: Lines, at: Timestamp) -> Vec<Event> {
    if state.reservation != Reservation::Unknown {
        return vec![];
    }
    let shortages: Vec<_> = lines
        .iter()
        .map(|(sku, &requested)| {
            let available = state.stock_of(sku).available();
            Shortage { sku: sku.clone(), requested, available }
        })
        .filter(|shortage| shortage.available < i64::from(shortage.requested))
        .collect();
    if shortages.is_empty() {
        vec![Event::StockReserved { order_id, lines, at }]
    } else {
        vec![Event::StockRejected { order_id, shortages, at }]
    }
}

fn confirm(state: &State) -> Vec<Event> {
    match &state.reservation {
        Reservation::Live(held) if !held.confirmed => vec![Event::ReservationConfirmed],
        Reservation::Live(_)
        | Reservation::Unknown
        | Reservation::Rejected
        | Reservation::Released
        | Reservation::Committed
        | Reservation::Tombstone
        | Reservation::DispatchedUnreserved => vec![],
    }
}

fn release(state: &State, order_id: OrderId, at: Timestamp) -> Vec<Event> {
    match &state.reservation {
        Reservation::Live(Held { lines, .. }) => {
            vec![Event::StockReleased { order_id, lines: lines.clone(), at }]
        }
        Reservation::Unknown => vec![Event::OrderBuried],
        Reservation::Rejected
        | Reservation::Released
        | Reservation::Committed
        | Reservation::Tombstone
        | Reservation::DispatchedUnreserved => vec![],
    }
}

fn commit(state: &State, order_id: OrderId, at: Timestamp) -> Vec<Event> {
    match &state.reservation {
        Reservation::Live(Held { lines, .. }) => {
            vec![Event::StockCommitted { order_id, lines: lines.clone(), at }]
        }
        Reservation::Unknown
        | Reservation::Rejected
        | Reservation::Released
        | Reservation::Tombstone => vec![Event::DispatchedUnreserved { order_id }],
        Reservation::Committed | Reservation::DispatchedUnreserved => vec![],
    }
}

fn report(state: &State, order_id: OrderId) -> Vec<Event> {
    match &state.reservation {
        Reservation::Live(held) if held.awaits_confirmation() => {
            vec![Event::OldReservationReported { order_id, since: held.reserved_at }]
        }
        Reservation::Live(_)
        | Reservation::Unknown
        | Reservation::Rejected
        | Reservation::Released
        | Reservation::Committed
        | Reservation::Tombstone
        | Reservation::DispatchedUnreserved => vec![],
    }
}

impl State {
    /// The stock of `sku`; of an unknown one there is none.
    pub fn stock_of(&self, sku: &Sku) -> Stock {
        self.stock.get(sku).copied().unwrap_or_default()
    }

    fn list(&mut self, details: &Details) {
        let version = self.product.as_ref().map_or(0, |product| product.version) + 1;
        self.product = Some(Product { details: details.clone(), version });
    }

    fn move_stock(&mut self, sku: &Sku, on_hand: i64, reserved: i64) {
        let stock = self.stock.entry(sku.clone()).or_default();
        stock.on_hand += on_hand;
        stock.reserved += reserved;
        stock.version += 1;
        debug_assert!((0..=stock.on_hand).contains(&stock.reserved), "I5: {sku} {stock:?}");
    }

    fn note(&mut self, sku: &Sku, delta: i64, reason: String, at: Timestamp) {
        self.movements.push(Movement { sku: sku.clone(), delta, reason, at });
    }

    fn change_held(&mut self, change: impl FnOnce(&mut Held)) {
        if let Reservation::Live(held) = &mut self.reservation {
            change(held);
        }
    }
}

#[cfg(test)]
mod tests;
