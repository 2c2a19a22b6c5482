//! The rules of an order. Pure: what happens to an order is decided here and nowhere else.

mod check;

use std::{collections::BTreeMap, time::Duration};

use kernel::{CustomerId, Decider, Money, OrderId, SessionId, ShipmentId, Sku, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use check::FieldError;

/// All that a command may need to know: the order, and the products it is to be priced by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The order; `None` is "never heard of it".
    pub order: Option<Order>,
    /// This service's own replica of the products named by a [`Command::Place`].
    pub catalogue: BTreeMap<Sku, Product>,
}

/// A product as this service knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// What it is called.
    pub name: String,
    /// Of one piece.
    pub price: Money,
    /// Whether it can be ordered.
    pub active: bool,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Who ordered.
    pub customer_id: CustomerId,
    /// Where to write to.
    pub email: Option<String>,
    /// The visitor's session.
    pub session_id: Option<SessionId>,
    /// What was ordered.
    pub lines: Vec<Line>,
    /// Sum of all lines.
    pub total: Money,
    /// Where to.
    pub address: Address,
    /// Where it stands.
    pub status: Status,
    /// Why it was rejected or cancelled.
    pub status_reason: Option<String>,
    /// Its shipment, from CONFIRMED on.
    pub shipment: Option<Shipment>,
    /// The cancellation that shipping has not answered yet.
    pub cancellation: Option<Cancellation>,
    /// When it was accepted.
    pub placed_at: Timestamp,
    /// When it is cancelled if it is still PENDING.
    pub deadline_at: Timestamp,
    /// Every status it has had, oldest first.
    pub history: Vec<StatusChange>,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// How many events made it what it is.
    pub version: i64,
}

/// One product of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Which product.
    pub sku: Sku,
    /// Its name when it was priced.
    pub name: String,
    /// Pieces.
    pub quantity: u32,
    /// Of one piece.
    pub unit_price: Money,
}

/// Where an order goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Address {
    /// The recipient.
    #[schema(example = "Ada Lovelace")]
    pub name: String,
    /// Street and number.
    #[schema(example = "Inselstr. 1")]
    pub line1: String,
    /// Second line, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line2: Option<String>,
    /// City.
    #[schema(example = "Berlin")]
    pub city: String,
    /// As the country writes it.
    #[schema(example = "10179")]
    pub postal_code: String,
    /// ISO 3166-1 alpha-2.
    #[schema(example = "DE")]
    pub country: String,
}

/// Where an order stands: `PENDING → CONFIRMED → SHIPPED → DELIVERED`, or one of the other ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Accepted; stock and shipping have not both answered.
    Pending,
    /// Stock is reserved and a shipment is booked.
    Confirmed,
    /// The parcel has left.
    Shipped,
    /// The parcel has arrived.
    Delivered,
    /// The stock did not suffice.
    Rejected,
    /// By the customer, by the destination, or by time.
    Cancelled,
}

impl Status {
    /// Its name in the REST contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Confirmed => "CONFIRMED",
            Self::Shipped => "SHIPPED",
            Self::Delivered => "DELIVERED",
            Self::Rejected => "REJECTED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Rejected | Self::Cancelled)
    }
}

/// An order's shipment, as far as the order knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shipment {
    /// Its id.
    #[schema(value_type = String, format = "uuid")]
    pub id: ShipmentId,
    /// Who carries it.
    pub carrier: String,
    /// The carrier's number.
    pub tracking_number: String,
    /// Expected time of delivery.
    #[schema(value_type = String, format = "date-time")]
    pub eta: Timestamp,
}

/// A customer's wish to cancel a confirmed order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    /// What the customer gave as the reason.
    pub reason: Option<String>,
    /// When it was asked for.
    pub requested_at: Timestamp,
}

/// One step of an order's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusChange {
    /// The order's version it came with.
    pub version: i64,
    /// The status since then.
    pub status: Status,
    /// Why, if there is something to say.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A product there was too little of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// Which.
    pub sku: String,
    /// Pieces asked for.
    pub requested: i32,
    /// Pieces there were.
    pub available: i64,
}

/// What a customer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Who orders.
    pub customer_id: CustomerId,
    /// Where to write to.
    pub email: Option<String>,
    /// The visitor's session.
    pub session_id: Option<SessionId>,
    /// SKUs and pieces.
    pub lines: Vec<(Sku, u32)>,
    /// Where to.
    pub address: Address,
}

/// What may be asked of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A customer orders.
    Place {
        /// The new order's id.
        id: OrderId,
        /// What is ordered.
        order: Box<NewOrder>,
        /// Now.
        now: Timestamp,
        /// How long to wait for stock and shipping.
        patience: Duration,
    },
    /// Anything later, to a known order.
    Change(OrderId, Change, Timestamp),
}

/// What may happen to a known order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A shipment is booked.
    Confirm(Shipment),
    /// The stock does not suffice.
    Reject(Vec<Shortage>),
    /// The destination is refused.
    Refuse(String),
    /// The deadline has come.
    Expire,
    /// The customer wants to cancel.
    Cancel(Option<String>),
    /// Shipping has cancelled the shipment.
    ConfirmCancellation(String),
    /// The parcel has left.
    Ship,
    /// The parcel has arrived.
    Deliver,
}

/// What has happened to an order.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It was accepted.
    Placed(Box<Order>),
    /// Stock is reserved and a shipment is booked.
    Confirmed(Shipment, Timestamp),
    /// The stock did not suffice.
    Rejected(Vec<Shortage>, Timestamp),
    /// The customer wants to cancel; shipping decides.
    CancellationRequested(Cancellation),
    /// It is over.
    Cancelled(Cause, String, Timestamp),
    /// The parcel has left.
    Shipped(Timestamp),
    /// The parcel has arrived.
    Completed(Timestamp),
}

/// Who or what cancelled an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The customer.
    Customer,
    /// We don't ship there.
    RefusedDestination,
    /// No answer in time.
    TimeOut,
    /// Shipping, by itself.
    Shipping,
}

impl Cause {
    /// Its name in the event.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::RefusedDestination => "refused-destination",
            Self::TimeOut => "time-out",
            Self::Shipping => "shipping",
        }
    }
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such order.
    #[error("there is no order {0}")]
    Unknown(OrderId),
    /// The order can't be placed like this.
    #[error("the order is not valid")]
    Invalid(Vec<FieldError>),
    /// It is too late to cancel.
    #[error("the order is {} and can't be cancelled any more", .0.as_str())]
    TooLate(Status),
}

/// The rules.
pub struct Rules;

impl Decider for Rules {
    type State = State;
    type Command = Command;
    type Event = Event;
    type Error = Refusal;

    fn decide(state: &State, command: Command) -> Result<Vec<Event>, Refusal> {
        match (command, &state.order) {
            (Command::Place { .. }, Some(_)) => Ok(vec![]),
            (Command::Place { id, order, now, patience }, None) => {
                let (lines, total) =
                    check::price(&order, &state.catalogue).map_err(Refusal::Invalid)?;
                Ok(vec![Event::Placed(Box::new(placed(id, *order, lines, total, now, patience)))])
            }
            (Command::Change(id, ..), None) => Err(Refusal::Unknown(id)),
            (Command::Change(_, change, now), Some(order)) => decide_change(order, change, now),
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        let order = match (event, state.order) {
            (Event::Placed(order), _) => Some((**order).clone()),
            (event, order) => order.map(|order| evolve_order(order, event)),
        };
        State { order, ..state }
    }
}

fn placed(
    id: OrderId,
    new: NewOrder,
    lines: Vec<Line>,
    total: Money,
    now: Timestamp,
    patience: Duration,
) -> Order {
    let NewOrder { customer_id, email, session_id, address, .. } = new;
    let first = StatusChange { version: 1, status: Status::Pending, reason: None, at: now };
    Order {
        id,
        customer_id,
        email,
        session_id,
        lines,
        total,
        address,
        status: Status::Pending,
        status_reason: None,
        shipment: None,
        cancellation: None,
        placed_at: now,
        deadline_at: now.plus(patience),
        history: vec![first],
        updated_at: now,
        version: 1,
    }
}

/// While PENDING the order service alone decides; once CONFIRMED, shipping does. What comes late
/// or twice changes nothing.
fn decide_change(order: &Order, change: Change, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    use Status::{Cancelled, Confirmed, Delivered, Pending, Rejected, Shipped};
    let cancelled = |cause, reason: String| Ok(vec![Event::Cancelled(cause, reason, now)]);
    match (change, order.status) {
        (Change::Confirm(shipment), Pending) => Ok(vec![Event::Confirmed(shipment, now)]),
        (Change::Reject(shortages), Pending) => Ok(vec![Event::Rejected(shortages, now)]),
        (Change::Refuse(reason), Pending) => cancelled(Cause::RefusedDestination, reason),
        (Change::Expire, Pending) => cancelled(Cause::TimeOut, time_out(order)),
        (Change::Cancel(reason), Pending) => cancelled(Cause::Customer, wish(reason)),
        (Change::Cancel(reason), Confirmed) if order.cancellation.is_none() => {
            Ok(vec![Event::CancellationRequested(Cancellation { reason, requested_at: now })])
        }
        // Asked again while shipping has not answered.
        (Change::Cancel(_), Confirmed) => Ok(vec![]),
        (Change::Cancel(_), Shipped | Delivered | Rejected | Cancelled) => {
            Err(Refusal::TooLate(order.status))
        }
        (Change::ConfirmCancellation(reason), Confirmed) => match &order.cancellation {
            Some(asked) => cancelled(Cause::Customer, wish(asked.reason.clone())),
            None => cancelled(Cause::Shipping, reason),
        },
        (Change::Ship, Confirmed) => Ok(vec![Event::Shipped(now)]),
        // The dispatch was lost in the dead letters; the delivery tells of it.
        (Change::Deliver, Confirmed) => Ok(vec![Event::Shipped(now), Event::Completed(now)]),
        (Change::Deliver, Shipped) => Ok(vec![Event::Completed(now)]),
        // Only a RELEASED shipment is dispatched, and only a CONFIRMED order releases it.
        (Change::ConfirmCancellation(_) | Change::Ship | Change::Deliver, Pending)
        // An answer that comes late or twice; shipping and inventory undo theirs by our event.
        | (Change::Confirm(_) | Change::Reject(_) | Change::Refuse(_) | Change::Expire,
            Confirmed | Shipped | Delivered | Rejected | Cancelled)
        | (Change::ConfirmCancellation(_) | Change::Ship, Shipped | Delivered | Rejected | Cancelled)
        | (Change::Deliver, Delivered | Rejected | Cancelled) => Ok(vec![]),
    }
}

fn wish(reason: Option<String>) -> String {
    reason.unwrap_or_else(|| "no reason given".to_owned())
}

fn time_out(order: &Order) -> String {
    let waited = order.deadline_at.since(order.placed_at);
    format!("stock and shipping did not both answer within {} s", waited.as_secs())
}

fn evolve_order(mut order: Order, event: &Event) -> Order {
    order.version += 1;
    match event {
        Event::Placed(_) => {}
        Event::Confirmed(shipment, at) => {
            order.shipment = Some(shipment.clone());
            enter(&mut order, Status::Confirmed, None, *at);
        }
        Event::Rejected(shortages, at) => {
            enter(&mut order, Status::Rejected, Some(shortage_reason(shortages)), *at);
        }
        Event::CancellationRequested(cancellation) => {
            order.updated_at = cancellation.requested_at;
            order.cancellation = Some(cancellation.clone());
        }
        Event::Cancelled(cause, reason, at) => {
            let reason = format!("{}: {reason}", in_words(*cause));
            enter(&mut order, Status::Cancelled, Some(reason), *at);
        }
        Event::Shipped(at) => enter(&mut order, Status::Shipped, None, *at),
        Event::Completed(at) => enter(&mut order, Status::Delivered, None, *at),
    }
    order
}

fn in_words(cause: Cause) -> &'static str {
    match cause {
        Cause::Customer => "customer",
        Cause::RefusedDestination => "refused destination",
        Cause::TimeOut => "time-out",
        Cause::Shipping => "shipping",
    }
}

fn enter(order: &mut Order, status: Status, reason: Option<String>, at: Timestamp) {
    order.status = status;
    order.status_reason.clone_from(&reason);
    order.updated_at = at;
    order.history.push(StatusChange { version: order.version, status, reason, at });
}

/// The reason of an [`Event::Rejected`].
pub fn shortage_reason(shortages: &[Shortage]) -> String {
    let words = |Shortage { sku, requested, available }: &Shortage| {
        format!("{sku} ({requested} wanted, {available} there)")
    };
    let shortages: Vec<_> = shortages.iter().map(words).collect();
    format!("too little stock: {}", shortages.join(", "))
}

#[cfg(test)]
mod tests;
