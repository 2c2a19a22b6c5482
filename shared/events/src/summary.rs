//! One line for a person about each event, as the timeline shows it.

use crate::contracts::Event;

impl Event {
    /// What happened, in a few words, without personal data.
    pub fn summary(&self) -> String {
        match self {
            Self::ProductChanged(e) => format!("{} is {}", e.sku, e.name),
            Self::OrderPlaced(e) => format!(
                "{} for {}",
                count(e.lines.len(), "line"),
                amount(e.total_minor, &e.currency)
            ),
            Self::OrderConfirmed(_) => "stock is reserved and a shipment is booked".into(),
            Self::OrderRejected(e) => e.reason.clone(),
            Self::OrderCancellationRequested(_) => "the customer asks to cancel".into(),
            Self::OrderCancelled(e) => format!("cancelled: {}", e.cause),
            Self::OrderCompleted(_) => "delivered, all done".into(),
            Self::StockReserved(e) => format!("{} reserved", count(e.lines.len(), "line")),
            Self::StockRejected(e) => {
                let skus: Vec<_> =
                    e.shortages.iter().map(|shortage| shortage.sku.as_str()).collect();
                format!("too little of {}", skus.join(", "))
            }
            Self::StockReleased(e) => format!("{} available again", count(e.lines.len(), "line")),
            Self::StockCommitted(e) => format!("{} taken off hand", count(e.lines.len(), "line")),
            Self::StockLevelChanged(e) => format!("{} of {} available", e.available, e.sku),
            Self::ShipmentScheduled(e) => {
                format!("{}, tracking number {}", e.carrier, e.tracking_number)
            }
            Self::ShipmentRefused(e) => e.reason.clone(),
            Self::ShipmentDispatched(e) => format!("handed to {}", e.carrier),
            Self::ShipmentDelivered(_) => "the parcel has arrived".into(),
            Self::ShipmentCancelled(e) => format!("shipment cancelled: {}", e.reason),
            Self::NotificationSent(e) => format!("{} to {} by {}", e.kind, e.audience, e.channel),
            Self::NotificationFailed(e) => {
                format!("{} to {} by {} given up: {}", e.kind, e.audience, e.channel, e.reason)
            }
            Self::ProductViewed(e) => format!("a visitor looks at {}", e.sku),
            Self::AddedToCart(e) => format!("a visitor puts {} into the cart", e.sku),
        }
    }
}

fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// An amount with two decimals; most currencies have them, and a summary need not know better.
fn amount(minor: i64, currency: &str) -> String {
    format!("{}.{:02} {currency}", minor / 100, minor % 100)
}
