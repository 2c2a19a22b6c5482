//! Inventory's part of the saga: what it hears, what it says, and what undoes it.

use events::{
    Event as Contract,
    contracts::{
        order_placed::OrderPlaced,
        product_changed::ProductChanged,
        stock_committed::{self, StockCommitted},
        stock_level_changed::StockLevelChanged,
        stock_rejected::{self, StockRejected},
        stock_released::{self, StockReleased},
        stock_reserved::{self, StockReserved},
    },
};
use kernel::{OrderId, Sku, Timestamp};
use messaging::service::{Hearing, Unusable};

use crate::domain::{Command, Event, Lines, Product, Shortage, State, Stock};

/// What an event means to inventory.
///
/// | heard | does | undone by |
/// |---|---|---|
/// | OrderPlaced | reserves every line or none | StockReleased |
/// | OrderConfirmed | stops watching the reservation's age | - |
/// | OrderCancelled, OrderRejected | releases, or buries an unknown order | - |
/// | ShipmentDispatched | takes the pieces off hand | - |
///
/// # Errors
/// When an id or a line in it can't be.
pub fn hear(event: &Contract, now: Timestamp) -> Result<Hearing<Command>, Unusable> {
    let command = match event {
        Contract::OrderPlaced(e) => reserve(e, now)?,
        Contract::OrderConfirmed(e) => Command::Confirm { order_id: id(&e.order_id)? },
        Contract::OrderCancelled(e) => Command::Release { order_id: id(&e.order_id)?, now },
        Contract::OrderRejected(e) => Command::Release { order_id: id(&e.order_id)?, now },
        Contract::ShipmentDispatched(e) => Command::Commit { order_id: id(&e.order_id)?, now },
        Contract::OrderCancellationRequested(_)
        | Contract::OrderCompleted(_)
        | Contract::ShipmentScheduled(_)
        | Contract::ShipmentRefused(_)
        | Contract::ShipmentDelivered(_)
        | Contract::ShipmentCancelled(_) => return Ok(Hearing::Ignore),
        // On topics that we do not hear, whatever they will carry one day.
        _ => return Ok(Hearing::Ignore),
    };
    Ok(Hearing::Do(command))
}

fn id(text: &str) -> Result<OrderId, Unusable> {
    text.parse().map_err(|e| Unusable(format!("order_id {text:?} {e}")))
}

fn reserve(placed: &OrderPlaced, now: Timestamp) -> Result<Command, Unusable> {
    let mut lines = Lines::new();
    for (i, line) in placed.lines.iter().enumerate() {
        let wrong = |what: String| Unusable(format!("lines[{i}] {what}"));
        let sku: Sku = line.sku.parse().map_err(|e| wrong(format!("sku {e}")))?;
        if line.quantity < 1 {
            return Err(wrong(format!("quantity {} is less than 1", line.quantity)));
        }
        if lines.insert(sku, line.quantity).is_some() {
            return Err(wrong(format!("sku {:?} is in another line already", line.sku)));
        }
    }
    if lines.is_empty() {
        return Err(Unusable("an order without lines".into()));
    }
    Ok(Command::Reserve { order_id: id(&placed.order_id)?, lines, now })
}

/// What the others are told of what happened, and made `state` what it is.
pub fn say(state: &State, happened: &Event, now: Timestamp) -> Option<Contract> {
    Some(match happened {
        Event::ProductAdded { sku, .. } | Event::ProductChanged { sku, .. } => {
            product_changed(sku, state.product.as_ref()?, now).into()
        }
        Event::StockReserved { order_id, lines, at } => StockReserved {
            order_id: order_id.to_string(),
            lines: pairs(lines, |sku, quantity| stock_reserved::StockLine { sku, quantity }),
            reserved_at: at.0,
        }
        .into(),
        Event::StockRejected { order_id, shortages, at } => StockRejected {
            order_id: order_id.to_string(),
            shortages: shortages.iter().map(shortage).collect(),
            rejected_at: at.0,
        }
        .into(),
        Event::StockReleased { order_id, lines, at } => StockReleased {
            order_id: order_id.to_string(),
            lines: pairs(lines, |sku, quantity| stock_released::StockLine { sku, quantity }),
            released_at: at.0,
        }
        .into(),
        Event::StockCommitted { order_id, lines, at } => StockCommitted {
            order_id: order_id.to_string(),
            lines: pairs(lines, |sku, quantity| stock_committed::StockLine { sku, quantity }),
            committed_at: at.0,
        }
        .into(),
        // The level is told once a transaction, by the store.
        Event::StockAdjusted { .. }
        | Event::ReservationConfirmed
        | Event::OrderBuried
        | Event::OldReservationReported { .. }
        | Event::DispatchedUnreserved { .. } => return None,
    })
}

fn product_changed(sku: &Sku, product: &Product, now: Timestamp) -> ProductChanged {
    let details = product.details.clone();
    ProductChanged {
        sku: sku.to_string(),
        version: product.version,
        name: details.name,
        description: details.description,
        category: details.category,
        image_url: details.image_url,
        price_minor: details.price.amount_minor,
        currency: details.price.currency.to_string(),
        active: details.active,
        changed_at: now.0,
    }
}

fn pairs<T>(lines: &Lines, line: impl Fn(String, i32) -> T) -> Vec<T> {
    lines.iter().map(|(sku, quantity)| line(sku.to_string(), *quantity)).collect()
}

fn shortage(shortage: &Shortage) -> stock_rejected::Shortage {
    let Shortage { sku, requested, available } = shortage.clone();
    stock_rejected::Shortage { sku: sku.into(), requested, available }
}

/// The level of a product's stock.
pub fn level(sku: &Sku, stock: Stock, now: Timestamp) -> StockLevelChanged {
    StockLevelChanged {
        sku: sku.to_string(),
        version: stock.version,
        on_hand: stock.on_hand,
        reserved: stock.reserved,
        available: stock.available(),
        low: stock.is_low(),
        changed_at: now.0,
    }
}

#[cfg(test)]
mod tests;
