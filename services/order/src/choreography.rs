//! The order service's part of the saga: what it hears, what it says, and what undoes it.

use events::{
    Event as Contract,
    contracts::{
        order_cancellation_requested::OrderCancellationRequested,
        order_cancelled::OrderCancelled,
        order_completed::OrderCompleted,
        order_confirmed::{self, OrderConfirmed},
        order_placed::{self, OrderPlaced},
        order_rejected::{self, OrderRejected},
        product_changed::ProductChanged,
        shipment_scheduled::ShipmentScheduled,
        stock_rejected,
    },
    topics,
};
use kernel::{Currency, OrderId, Sku, Timestamp};
use messaging::service::{Hearing, Unusable};

use crate::domain::{Change, Command, Event, Line, Order, Shipment, Shortage, shortage_reason};

/// What an event means to the order service.
///
/// | heard | does | undone by |
/// |---|---|---|
/// | ShipmentScheduled | confirms | OrderCancelled |
/// | StockRejected | rejects | - |
/// | ShipmentRefused | cancels | - |
/// | ShipmentCancelled | cancels | - |
/// | ShipmentDispatched | SHIPPED | - |
/// | ShipmentDelivered | DELIVERED | - |
/// | any other of the saga, ProductChanged | notes it | - |
///
/// # Errors
/// When what is to be kept of it cannot be read: an id, a price, a time.
pub fn hear(event: &Contract, now: Timestamp) -> Result<Hearing<Command>, Unusable> {
    if let Contract::ProductChanged(product) = event {
        return check_product(product).map(|()| Hearing::Note);
    }
    if !topics::SAGA.contains(&event.topic()) {
        return Ok(Hearing::Ignore);
    }
    let order_id = id::<OrderId>("order_id", event.key())?;
    let change = match event {
        Contract::ShipmentScheduled(e) => Change::Confirm(shipment(e)?),
        Contract::StockRejected(e) => {
            Change::Reject(e.shortages.iter().map(heard_shortage).collect())
        }
        Contract::ShipmentRefused(e) => Change::Refuse(e.reason.clone()),
        Contract::ShipmentCancelled(e) => Change::ConfirmCancellation(e.reason.clone()),
        Contract::ShipmentDispatched(_) => Change::Ship,
        Contract::ShipmentDelivered(_) => Change::Deliver,
        _ => return Ok(Hearing::Note),
    };
    Ok(Hearing::Do(Command::Change(order_id, change, now)))
}

/// What only timelines tell of: it is saved with what comes next.
pub fn can_wait(event: &Contract) -> bool {
    matches!(
        event,
        Contract::StockReserved(_) | Contract::StockReleased(_) | Contract::StockCommitted(_)
    )
}

/// Orders are priced by it later, and it must be readable then.
fn check_product(product: &ProductChanged) -> Result<(), Unusable> {
    let ProductChanged { sku, currency, price_minor, .. } = product;
    id::<Sku>("sku", sku)?;
    currency.parse::<Currency>().map_err(|e| Unusable(format!("currency {currency:?} {e}")))?;
    if *price_minor < 0 {
        return Err(Unusable(format!("price_minor {price_minor} must not be negative")));
    }
    Ok(())
}

fn shipment(scheduled: &ShipmentScheduled) -> Result<Shipment, Unusable> {
    let ShipmentScheduled { shipment_id, carrier, tracking_number, eta, .. } = scheduled;
    Ok(Shipment {
        id: id("shipment_id", shipment_id)?,
        carrier: carrier.clone(),
        tracking_number: tracking_number.clone(),
        eta: time("eta", *eta)?,
    })
}

fn heard_shortage(shortage: &stock_rejected::Shortage) -> Shortage {
    let stock_rejected::Shortage { sku, requested, available } = shortage.clone();
    Shortage { sku, requested, available }
}

/// A time that can be written as RFC 3339; one in the wrong unit is beyond its years.
fn time(field: &str, micros: i64) -> Result<Timestamp, Unusable> {
    let time = Timestamp(micros);
    let kept = Timestamp::parse(&time.to_string());
    kept.ok_or_else(|| Unusable(format!("{field} {time} must be in the years up to 9999")))
}

fn id<T: std::str::FromStr<Err = kernel::IdError>>(field: &str, text: &str) -> Result<T, Unusable> {
    text.parse().map_err(|e| Unusable(format!("{field} {text:?} {e}")))
}

/// What the others are told of what happened to `order`.
pub fn say(order: &Order, happened: &Event) -> Option<Contract> {
    let (order_id, customer_id) = (order.id.to_string(), order.customer_id.to_string());
    Some(match happened {
        Event::Placed(_) => placed(order).into(),
        Event::Confirmed(shipment, at) => confirmed(order, shipment, *at).into(),
        Event::Rejected(shortages, at) => OrderRejected {
            order_id,
            customer_id,
            reason: shortage_reason(shortages),
            shortages: shortages.iter().map(shortage).collect(),
            rejected_at: at.0,
        }
        .into(),
        Event::CancellationRequested(asked) => OrderCancellationRequested {
            order_id,
            customer_id,
            shipment_id: order.shipment.as_ref().map(|s| s.id.to_string()).unwrap_or_default(),
            reason: asked.reason.clone(),
            requested_at: asked.requested_at.0,
        }
        .into(),
        Event::Cancelled(cause, reason, at) => OrderCancelled {
            order_id,
            customer_id,
            cause: cause.as_str().to_owned(),
            reason: reason.clone(),
            cancelled_at: at.0,
        }
        .into(),
        // ShipmentDispatched has told everybody.
        Event::Shipped(_) => return None,
        Event::Completed(at) => OrderCompleted { order_id, customer_id, completed_at: at.0 }.into(),
    })
}

fn placed(order: &Order) -> OrderPlaced {
    let address = &order.address;
    OrderPlaced {
        order_id: order.id.to_string(),
        customer_id: order.customer_id.to_string(),
        email: order.email.clone(),
        session_id: order.session_id.clone().map(Into::into),
        currency: order.total.currency.to_string(),
        total_minor: order.total.amount_minor,
        lines: order
            .lines
            .iter()
            .map(|line| {
                let (sku, name, quantity, unit_price_minor) = line_parts(line);
                order_placed::OrderLine { sku, name, quantity, unit_price_minor }
            })
            .collect(),
        shipping_address: order_placed::Address {
            name: address.name.clone(),
            line1: address.line1.clone(),
            line2: address.line2.clone(),
            city: address.city.clone(),
            postal_code: address.postal_code.clone(),
            country: address.country.clone(),
        },
        deadline_at: order.deadline_at.0,
        placed_at: order.placed_at.0,
    }
}

fn confirmed(order: &Order, shipment: &Shipment, at: Timestamp) -> OrderConfirmed {
    OrderConfirmed {
        order_id: order.id.to_string(),
        customer_id: order.customer_id.to_string(),
        session_id: order.session_id.clone().map(Into::into),
        currency: order.total.currency.to_string(),
        total_minor: order.total.amount_minor,
        lines: order
            .lines
            .iter()
            .map(|line| {
                let (sku, name, quantity, unit_price_minor) = line_parts(line);
                order_confirmed::OrderLine { sku, name, quantity, unit_price_minor }
            })
            .collect(),
        shipment_id: shipment.id.to_string(),
        confirmed_at: at.0,
    }
}

fn line_parts(line: &Line) -> (String, String, i32, i64) {
    // At most 10,000: the rules see to it.
    let quantity = i32::try_from(line.quantity).unwrap_or(i32::MAX);
    (line.sku.to_string(), line.name.clone(), quantity, line.unit_price.amount_minor)
}

fn shortage(shortage: &Shortage) -> order_rejected::Shortage {
    let Shortage { sku, requested, available } = shortage.clone();
    order_rejected::Shortage { sku, requested, available }
}

#[cfg(test)]
mod tests;
