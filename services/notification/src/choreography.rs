//! Notification's part of the saga: it hears everything that somebody should know, changes nothing
//! of it, and says what became of the telling.

use std::sync::Arc;

use events::{
    Event as Contract,
    contracts::{
        notification_failed::NotificationFailed, notification_sent::NotificationSent,
        order_placed::OrderPlaced, order_rejected, stock_level_changed::StockLevelChanged,
    },
};
use kernel::Timestamp;
use messaging::service::{Hearing, Stamp, Unusable};
use serde::Serialize;
use uuid::Uuid;

use crate::domain::{
    Action, Command, Event, Fact, Line, Notification, Order, Policy, Progress, Shortage, StockLevel,
};

/// The longest text that is kept of what others wrote, in characters; the shop's own limit.
const MAX_TEXT: usize = 16_384;

/// What an event means to notification.
///
/// | heard | does | undone by |
/// |---|---|---|
/// | OrderPlaced | remembers who is to be told, tells that it was received | - |
/// | OrderConfirmed, OrderRejected, OrderCancelled, ShipmentDispatched, ShipmentDelivered | tells | - (what was said is said; the next event tells what has changed) |
/// | OrderCancelled by its deadline | tells the staff as well | - |
/// | StockLevelChanged | tells the staff when it becomes low | - |
///
/// # Errors
/// When the order's id cannot be read.
pub fn hear(
    event: &Contract,
    event_id: Uuid,
    stamp: Stamp,
    policy: &Arc<Policy>,
) -> Result<Hearing<Command>, Unusable> {
    let (order_id, fact) = match event {
        Contract::OrderPlaced(e) => (&e.order_id, Fact::Placed(order(e))),
        Contract::OrderConfirmed(e) => (&e.order_id, Fact::Confirmed),
        Contract::OrderRejected(e) => {
            (&e.order_id, Fact::Rejected { shortages: e.shortages.iter().map(shortage).collect() })
        }
        Contract::OrderCancelled(e) => {
            (&e.order_id, Fact::Cancelled { cause: clip(&e.cause), reason: clip(&e.reason) })
        }
        Contract::ShipmentDispatched(e) => {
            let (carrier, tracking_number) = (clip(&e.carrier), clip(&e.tracking_number));
            (&e.order_id, Fact::Shipped { carrier, tracking_number })
        }
        Contract::ShipmentDelivered(e) => (&e.order_id, Fact::Delivered),
        Contract::StockLevelChanged(e) => {
            let action = Action::HearStock(event_id, level(e));
            return Ok(Hearing::Do(Command { now: stamp.now, policy: policy.clone(), action }));
        }
        // Steps between, and topics that we do not hear.
        _ => return Ok(Hearing::Ignore),
    };
    let unusable = |error| Unusable(format!("order_id {order_id:?} {error}"));
    let order_id = order_id.parse().map_err(unusable)?;
    let action = Action::HearOrder(order_id, event_id, fact);
    Ok(Hearing::Do(Command { now: stamp.now, policy: policy.clone(), action }))
}

fn order(placed: &OrderPlaced) -> Order {
    let line = |line: &events::contracts::order_placed::OrderLine| Line {
        sku: clip(&line.sku),
        name: clip(&line.name),
        quantity: line.quantity,
        unit_price_minor: line.unit_price_minor,
    };
    Order {
        customer_id: placed.customer_id.clone(),
        email: placed.email.clone(),
        name: clip(&placed.shipping_address.name),
        lines: placed.lines.iter().map(line).collect(),
        currency: clip(&placed.currency),
        total_minor: placed.total_minor,
    }
}

fn shortage(short: &order_rejected::Shortage) -> Shortage {
    let order_rejected::Shortage { sku, requested, available } = short.clone();
    Shortage { sku: clip(&sku), name: String::new(), requested, available }
}

fn level(changed: &StockLevelChanged) -> StockLevel {
    let StockLevelChanged { sku, version, available, on_hand, low, .. } = changed.clone();
    StockLevel { sku, version, available, on_hand, low }
}

/// At most [`MAX_TEXT`] characters, and an ellipsis if there were more.
fn clip(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// What the others are told of what happened.
///
/// | says | undone by |
/// |---|---|
/// | NotificationSent, NotificationFailed | - (it may be sent again, under the same id) |
pub fn say(happened: &Event, now: Timestamp) -> Option<Contract> {
    match happened {
        // What only needs to be kept is told at once.
        Event::Created(n) if matches!(n.progress, Progress::Sent(_)) => Some(sent(n, now).into()),
        Event::Sent(notification) => Some(sent(notification, now).into()),
        Event::GivenUp(notification) => Some(failed(notification, now).into()),
        Event::Created(_)
        | Event::Postponed(_)
        | Event::Requeued(_)
        | Event::OrderNoted(_)
        | Event::StockNoted(_)
        | Event::LettersNoted(_)
        | Event::CustomerChanged(_)
        | Event::StaffMailed(_)
        | Event::EndpointAdded(_)
        | Event::EndpointChanged(_) => None,
    }
}

fn sent(notification: &Notification, now: Timestamp) -> NotificationSent {
    NotificationSent {
        notification_id: notification.id.to_string(),
        customer_id: notification.customer_id.clone(),
        order_id: notification.order_id.map(|id| id.to_string()),
        kind: word(notification.content.kind()),
        audience: word(notification.audience),
        channel: word(notification.channel),
        attempts: i32::try_from(notification.attempts).unwrap_or(i32::MAX),
        sent_at: now.0,
    }
}

fn failed(notification: &Notification, now: Timestamp) -> NotificationFailed {
    NotificationFailed {
        notification_id: notification.id.to_string(),
        customer_id: notification.customer_id.clone(),
        order_id: notification.order_id.map(|id| id.to_string()),
        kind: word(notification.content.kind()),
        audience: word(notification.audience),
        channel: word(notification.channel),
        attempts: i32::try_from(notification.attempts).unwrap_or(i32::MAX),
        reason: notification.last_error.clone().unwrap_or_default(),
        failed_at: now.0,
    }
}

/// A unit variant as it is written everywhere: in events, rows and REST.
pub fn word(of: impl Serialize) -> String {
    match serde_json::to_value(of) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("a unit variant is written as a word, not as {other:?}"),
    }
}

#[cfg(test)]
mod tests;
