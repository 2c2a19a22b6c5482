//! The rules of shipping. Pure: what happens to an order's shipment is decided here and nowhere
//! else.
//!
//! ```text
//! Unknown ─> AddressKnown ┐                  ┌─> Cancelled
//!    │  └──> StockKnown ──┴─> Scheduled ─> Released ─> Dispatched ─> Delivered
//!    └─> Tombstone        └─> Refused
//! ```
//!
//! The order's events may come in any order and more than once: every action has an answer in
//! every state, and a repeat changes nothing.

mod carrier;
mod shipment;

use std::sync::Arc;

use kernel::{Decider, OrderId, ShipmentId, Timestamp};

pub use shipment::{
    Address, Booking, Cancelled, Delivered, Dispatched, Refused, Released, Scheduled, Status,
};

/// What is known of one order's shipment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Never heard of the order.
    #[default]
    Unknown,
    /// The order was placed; its stock is not reserved yet.
    AddressKnown(Address),
    /// The stock is reserved; where to ship it is not known yet.
    StockKnown,
    /// The order ended before a shipment was booked: whatever still comes does nothing.
    Tombstone,
    /// SCHEDULED.
    Scheduled(Scheduled),
    /// RELEASED.
    Released(Released),
    /// DISPATCHED.
    Dispatched(Dispatched),
    /// DELIVERED.
    Delivered(Delivered),
    /// CANCELLED.
    Cancelled(Cancelled),
    /// REFUSED.
    Refused(Refused),
}

/// What is asked, of whose shipment, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The order.
    pub order_id: OrderId,
    /// Now.
    pub now: Timestamp,
    /// What is to be done.
    pub action: Action,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The order was placed: remember where it goes, or book if the stock is reserved already.
    NoteAddress(Address, Terms),
    /// The stock is reserved: remember that, or book if the address is known already.
    NoteStock(Terms),
    /// There is no stock: forget an order that has no shipment.
    DropOrder,
    /// The order is confirmed: let the shipment go.
    Release,
    /// The customer asks, for this reason: cancel the shipment while it is here.
    Cancel(String),
    /// The order has ended, for this reason: cancel its shipment, or never book one.
    EndOrder(String),
    /// The parcel of this shipment leaves.
    Dispatch(ShipmentId),
    /// The parcel of this shipment has arrived.
    Deliver(ShipmentId),
}

/// What a shipment is booked by, if the command books one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Its new id.
    pub shipment_id: ShipmentId,
    /// When it would arrive.
    pub eta: Timestamp,
    /// ISO 3166-1 alpha-2 codes of where we do not ship to.
    pub refused_countries: Arc<[String]>,
}

/// What has happened to an order's shipment; each holds all that is known from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The order was placed, its stock is awaited.
    AddressNoted(Address),
    /// The stock is reserved, the order is awaited.
    StockNoted,
    /// There will be no shipment.
    OrderDropped,
    /// A shipment was booked.
    ShipmentScheduled(Scheduled),
    /// The destination was refused.
    ShipmentRefused(Refused),
    /// It may be dispatched.
    ShipmentReleased(Released),
    /// The parcel has left.
    ShipmentDispatched(Dispatched),
    /// The parcel has arrived.
    ShipmentDelivered(Delivered),
    /// It will not be dispatched.
    ShipmentCancelled(Cancelled),
}

/// Why an operator's command is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The order has no shipment, or another one.
    #[error("there is no such shipment")]
    NoShipment,
    /// The order is not confirmed.
    #[error("the shipment waits for its order's confirmation")]
    NotReleased,
    /// The parcel is still here.
    #[error("the shipment was not dispatched yet")]
    NotDispatched,
    /// A repeat.
    #[error("the shipment was dispatched already")]
    AlreadyDispatched,
    /// A repeat, or too late.
    #[error("the shipment was delivered already")]
    AlreadyDelivered,
    /// It will not be dispatched.
    #[error("the shipment was cancelled")]
    Cancelled,
    /// Nothing was ever booked.
    #[error("the shipment's destination was refused")]
    Refused,
}

/// The rules.
pub struct Rules;

impl Decider for Rules {
    type State = State;
    type Command = Command;
    type Event = Event;
    type Error = Refusal;

    fn decide(state: &State, command: Command) -> Result<Vec<Event>, Refusal> {
        let Command { order_id, now, action } = command;
        match action {
            Action::NoteAddress(address, terms) => {
                Ok(note_address(state, address, |address| book(order_id, now, address, terms)))
            }
            Action::NoteStock(terms) => {
                Ok(note_stock(state, |address| book(order_id, now, address, terms)))
            }
            Action::DropOrder => Ok(drop_order(state)),
            Action::Release => Ok(release(state, now)),
            Action::Cancel(reason) => Ok(cancel(state, now, reason)),
            Action::EndOrder(reason) => Ok(end_order(state, now, reason)),
            Action::Dispatch(shipment_id) => dispatch(state, shipment_id, now),
            Action::Deliver(shipment_id) => deliver(state, shipment_id, now),
        }
    }

    fn evolve(_: State, event: &Event) -> State {
        match event.clone() {
            Event::AddressNoted(address) => State::AddressKnown(address),
            Event::StockNoted => State::StockKnown,
            Event::OrderDropped => State::Tombstone,
            Event::ShipmentScheduled(shipment) => State::Scheduled(shipment),
            Event::ShipmentRefused(shipment) => State::Refused(shipment),
            Event::ShipmentReleased(shipment) => State::Released(shipment),
            Event::ShipmentDispatched(shipment) => State::Dispatched(shipment),
            Event::ShipmentDelivered(shipment) => State::Delivered(shipment),
            Event::ShipmentCancelled(shipment) => State::Cancelled(shipment),
        }
    }
}

fn note_address(
    state: &State,
    address: Address,
    book: impl FnOnce(Address) -> Event,
) -> Vec<Event> {
    match state {
        State::Unknown => vec![Event::AddressNoted(address)],
        State::StockKnown => vec![book(address)],
        State::AddressKnown(_)
        | State::Tombstone
        | State::Scheduled(_)
        | State::Released(_)
        | State::Dispatched(_)
        | State::Delivered(_)
        | State::Cancelled(_)
        | State::Refused(_) => vec![],
    }
}

fn note_stock(state: &State, book: impl FnOnce(Address) -> Event) -> Vec<Event> {
    match state {
        State::Unknown => vec![Event::StockNoted],
        State::AddressKnown(address) => vec![book(address.clone())],
        State::StockKnown
        | State::Tombstone
        | State::Scheduled(_)
        | State::Released(_)
        | State::Dispatched(_)
        | State::Delivered(_)
        | State::Cancelled(_)
        | State::Refused(_) => vec![],
    }
}

fn book(order_id: OrderId, now: Timestamp, address: Address, terms: Terms) -> Event {
    let Terms { shipment_id, eta, refused_countries } = terms;
    let Address { country, .. } = &address;
    if refused_countries.iter().any(|refused| refused.eq_ignore_ascii_case(country)) {
        let (country, reason) = (country.clone(), format!("we do not ship to {country}"));
        return Event::ShipmentRefused(Refused {
            order_id,
            shipment_id,
            country,
            reason,
            refused_at: now,
        });
    }
    let (carrier, tracking_number) = carrier::of(shipment_id);
    let booking =
        Booking { order_id, shipment_id, carrier, tracking_number, eta, scheduled_at: now };
    Event::ShipmentScheduled(Scheduled { booking, address })
}

/// StockRejected says that there will be no StockReserved, so it buries the order at once: its
/// address is forgotten even if the order's own end is long in coming. A shipment that was booked
/// all the same is left to that end.
fn drop_order(state: &State) -> Vec<Event> {
    match state {
        State::Unknown | State::AddressKnown(_) | State::StockKnown => vec![Event::OrderDropped],
        State::Tombstone
        | State::Scheduled(_)
        | State::Released(_)
        | State::Dispatched(_)
        | State::Delivered(_)
        | State::Cancelled(_)
        | State::Refused(_) => vec![],
    }
}

/// Nobody can confirm an order without our ShipmentScheduled: before that there is nothing to
/// release, and nothing to remember.
fn release(state: &State, now: Timestamp) -> Vec<Event> {
    match state {
        State::Scheduled(shipment) => vec![Event::ShipmentReleased(shipment.clone().release(now))],
        State::Unknown
        | State::AddressKnown(_)
        | State::StockKnown
        | State::Tombstone
        | State::Released(_)
        | State::Dispatched(_)
        | State::Delivered(_)
        | State::Cancelled(_)
        | State::Refused(_) => vec![],
    }
}

/// Only a confirmed order asks, so it has a shipment; ShipmentDispatched or ShipmentCancelled has
/// answered, or will, when there is nothing left to cancel.
fn cancel(state: &State, now: Timestamp, reason: String) -> Vec<Event> {
    match state {
        State::Scheduled(shipment) => {
            vec![Event::ShipmentCancelled(shipment.clone().cancel(now, reason))]
        }
        State::Released(shipment) => {
            vec![Event::ShipmentCancelled(shipment.clone().cancel(now, reason))]
        }
        State::Unknown
        | State::AddressKnown(_)
        | State::StockKnown
        | State::Tombstone
        | State::Dispatched(_)
        | State::Delivered(_)
        | State::Cancelled(_)
        | State::Refused(_) => vec![],
    }
}

fn end_order(state: &State, now: Timestamp, reason: String) -> Vec<Event> {
    match state {
        State::Unknown | State::AddressKnown(_) | State::StockKnown => vec![Event::OrderDropped],
        State::Scheduled(_) | State::Released(_) => cancel(state, now, reason),
        // A dispatched order was confirmed, and a confirmed one ends only by our ShipmentCancelled.
        State::Dispatched(_) | State::Delivered(_) => vec![],
        State::Tombstone | State::Cancelled(_) | State::Refused(_) => vec![],
    }
}

fn dispatch(state: &State, id: ShipmentId, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    check_id(state, id)?;
    match state {
        State::Released(shipment) => {
            Ok(vec![Event::ShipmentDispatched(shipment.clone().dispatch(now))])
        }
        State::Scheduled(_) => Err(Refusal::NotReleased),
        State::Dispatched(_) => Err(Refusal::AlreadyDispatched),
        State::Delivered(_) => Err(Refusal::AlreadyDelivered),
        State::Cancelled(_) => Err(Refusal::Cancelled),
        State::Refused(_) => Err(Refusal::Refused),
        State::Unknown | State::AddressKnown(_) | State::StockKnown | State::Tombstone => {
            Err(Refusal::NoShipment)
        }
    }
}

fn deliver(state: &State, id: ShipmentId, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    check_id(state, id)?;
    match state {
        State::Dispatched(shipment) => {
            Ok(vec![Event::ShipmentDelivered(shipment.clone().deliver(now))])
        }
        State::Scheduled(_) | State::Released(_) => Err(Refusal::NotDispatched),
        State::Delivered(_) => Err(Refusal::AlreadyDelivered),
        State::Cancelled(_) => Err(Refusal::Cancelled),
        State::Refused(_) => Err(Refusal::Refused),
        State::Unknown | State::AddressKnown(_) | State::StockKnown | State::Tombstone => {
            Err(Refusal::NoShipment)
        }
    }
}

fn check_id(state: &State, id: ShipmentId) -> Result<(), Refusal> {
    if state.shipment_id() == Some(id) { Ok(()) } else { Err(Refusal::NoShipment) }
}

#[cfg(test)]
mod tests;
