//! Shipping's part of the saga: what it hears, what it says, and what undoes it.

use events::{
    Event as Contract,
    contracts::{
        order_placed, shipment_cancelled::ShipmentCancelled, shipment_delivered::ShipmentDelivered,
        shipment_dispatched::ShipmentDispatched, shipment_refused::ShipmentRefused,
        shipment_scheduled::ShipmentScheduled,
    },
};
use kernel::ShipmentId;
use messaging::service::{Hearing, Stamp, Unusable};

use crate::{
    app::Config,
    domain::{
        Action, Address, Cancelled, Command, Delivered, Dispatched, Event, Refused, Scheduled,
        Terms,
    },
};

/// What an event means to shipping.
///
/// | heard | does | undone by |
/// |---|---|---|
/// | OrderPlaced, StockReserved | the second of them books, or refuses the destination | ShipmentCancelled |
/// | OrderConfirmed | releases the shipment for dispatch | ShipmentCancelled |
/// | StockRejected | forgets the half-joined order | - |
/// | OrderCancellationRequested | cancels unless dispatched | - |
/// | OrderCancelled, OrderRejected | cancels; forgets the half-joined order; buries the unknown | - |
///
/// # Errors
/// When the order's id cannot be read.
pub fn hear(event: &Contract, stamp: Stamp, config: &Config) -> Result<Hearing<Command>, Unusable> {
    let terms = || terms(stamp, config);
    let (order_id, action) = match event {
        Contract::OrderPlaced(e) => (&e.order_id, Action::NoteAddress(address(e), terms())),
        Contract::StockReserved(e) => (&e.order_id, Action::NoteStock(terms())),
        Contract::StockRejected(e) => (&e.order_id, Action::DropOrder),
        Contract::OrderConfirmed(e) => (&e.order_id, Action::Release),
        Contract::OrderCancellationRequested(e) => (&e.order_id, Action::Cancel(ASKED.into())),
        Contract::OrderCancelled(e) => (&e.order_id, Action::EndOrder(cancelled(&e.cause))),
        Contract::OrderRejected(e) => (&e.order_id, Action::EndOrder(REJECTED.into())),
        // The end of the saga, and effects of what we said ourselves.
        Contract::OrderCompleted(_) | Contract::StockReleased(_) | Contract::StockCommitted(_) => {
            return Ok(Hearing::Ignore);
        }
        // On topics that we do not hear, whatever they will carry one day.
        _ => return Ok(Hearing::Ignore),
    };
    let unusable = |error| Unusable(format!("order_id {order_id:?} {error}"));
    let order_id = order_id.parse().map_err(unusable)?;
    Ok(Hearing::Do(Command { order_id, now: stamp.now, action }))
}

/// Half of what is needed: StockReserved is on its way, and what both come to is saved at once. (The
/// other way round, which is rare, the order is booked a moment later.)
pub fn can_wait(event: &Contract) -> bool {
    matches!(event, Contract::OrderPlaced(_))
}

// Reasons are shown in timelines: what the customer wrote may be personal and stays with the order.
const ASKED: &str = "the customer asked to cancel the order";
const REJECTED: &str = "the order was rejected";

fn cancelled(cause: &str) -> String {
    format!("the order was cancelled: {cause}")
}

fn terms(stamp: Stamp, config: &Config) -> Terms {
    Terms {
        shipment_id: ShipmentId(stamp.new_id),
        eta: stamp.now.plus(config.delivery_time),
        refused_countries: config.refused_countries.clone(),
    }
}

fn address(event: &order_placed::OrderPlaced) -> Address {
    let order_placed::Address { name, line1, line2, city, postal_code, country } =
        event.shipping_address.clone();
    Address { name, line1, line2, city, postal_code, country }
}

/// What the others are told of what happened.
///
/// | says | undone by |
/// |---|---|
/// | ShipmentScheduled | ShipmentCancelled |
/// | ShipmentRefused | - (nothing was booked) |
/// | ShipmentDispatched, ShipmentDelivered | - (the parcel is on its way) |
/// | ShipmentCancelled | - |
pub fn say(happened: &Event) -> Option<Contract> {
    match happened {
        // Half of what is needed, or the answer to what the order has said itself.
        Event::AddressNoted(_) | Event::StockNoted | Event::OrderDropped => None,
        Event::ShipmentReleased(_) => None,
        Event::ShipmentScheduled(shipment) => Some(scheduled(shipment).into()),
        Event::ShipmentRefused(shipment) => Some(refused(shipment).into()),
        Event::ShipmentDispatched(shipment) => Some(dispatched(shipment).into()),
        Event::ShipmentDelivered(shipment) => Some(delivered(shipment).into()),
        Event::ShipmentCancelled(shipment) => Some(shipment_cancelled(shipment).into()),
    }
}

fn scheduled(Scheduled { booking, .. }: &Scheduled) -> ShipmentScheduled {
    ShipmentScheduled {
        order_id: booking.order_id.to_string(),
        shipment_id: booking.shipment_id.to_string(),
        carrier: booking.carrier.clone(),
        tracking_number: booking.tracking_number.clone(),
        eta: booking.eta.0,
        scheduled_at: booking.scheduled_at.0,
    }
}

fn refused(shipment: &Refused) -> ShipmentRefused {
    ShipmentRefused {
        order_id: shipment.order_id.to_string(),
        shipment_id: shipment.shipment_id.to_string(),
        country: shipment.country.clone(),
        reason: shipment.reason.clone(),
        refused_at: shipment.refused_at.0,
    }
}

fn dispatched(Dispatched { booking, dispatched_at, .. }: &Dispatched) -> ShipmentDispatched {
    ShipmentDispatched {
        order_id: booking.order_id.to_string(),
        shipment_id: booking.shipment_id.to_string(),
        carrier: booking.carrier.clone(),
        tracking_number: booking.tracking_number.clone(),
        dispatched_at: dispatched_at.0,
    }
}

fn delivered(Delivered { booking, delivered_at, .. }: &Delivered) -> ShipmentDelivered {
    ShipmentDelivered {
        order_id: booking.order_id.to_string(),
        shipment_id: booking.shipment_id.to_string(),
        delivered_at: delivered_at.0,
    }
}

fn shipment_cancelled(shipment: &Cancelled) -> ShipmentCancelled {
    ShipmentCancelled {
        order_id: shipment.booking.order_id.to_string(),
        shipment_id: shipment.booking.shipment_id.to_string(),
        reason: shipment.reason.clone(),
        cancelled_at: shipment.cancelled_at.0,
    }
}

#[cfg(test)]
mod tests;
