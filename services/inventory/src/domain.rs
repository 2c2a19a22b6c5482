//! The rules of the stock. Pure: what is reserved, released and taken is decided here and nowhere
//! else, so that stock is conserved (I5) whatever is heard, and however often.

mod check;
mod model;

use kernel::{Decider, OrderId, Sku, Timestamp};

pub use check::FieldError;
pub use model::{Details, Held, Lines, Movement, Product, Reservation, State, Stock};

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

#[cfg(test)]
mod tests;
