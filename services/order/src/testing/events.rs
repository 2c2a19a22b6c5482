//! Events as the other services say them, and the records they arrive in.

use events::{
    Codec, Event,
    contracts::{
        product_changed::ProductChanged, shipment_cancelled::ShipmentCancelled,
        shipment_delivered::ShipmentDelivered, shipment_dispatched::ShipmentDispatched,
        shipment_refused::ShipmentRefused, shipment_scheduled::ShipmentScheduled,
        stock_committed::StockCommitted, stock_rejected, stock_rejected::StockRejected,
        stock_released::StockReleased, stock_reserved, stock_reserved::StockReserved,
    },
};
use kernel::Clock;
use messaging::record::NewRecord;
use testkit::records;
use uuid::Uuid;

use super::START;
pub use testkit::records::arrived;

/// The id of every shipment.
pub const SHIPMENT: &str = "0197c9a0-7c1e-7d4b-9f32-5f0c5f5d8a11";

fn shipment_id() -> String {
    SHIPMENT.to_owned()
}

pub fn product(sku: &str, price_minor: i64, currency: &str) -> ProductChanged {
    ProductChanged {
        sku: sku.to_owned(),
        version: 1,
        name: format!("Fine {sku}"),
        description: None,
        category: None,
        image_url: None,
        price_minor,
        currency: currency.to_owned(),
        active: true,
        changed_at: START.0,
    }
}

pub fn stock_reserved(order_id: &str) -> Event {
    let lines = vec![stock_reserved::StockLine { sku: "tea".into(), quantity: 2 }];
    StockReserved { order_id: order_id.into(), lines, reserved_at: START.0 }.into()
}

pub fn stock_rejected(order_id: &str) -> Event {
    let short = stock_rejected::Shortage { sku: "tea".into(), requested: 2, available: 1 };
    StockRejected { order_id: order_id.into(), shortages: vec![short], rejected_at: START.0 }.into()
}

pub fn stock_released(order_id: &str) -> Event {
    StockReleased { order_id: order_id.into(), lines: vec![], released_at: START.0 }.into()
}

pub fn stock_committed(order_id: &str) -> Event {
    StockCommitted { order_id: order_id.into(), lines: vec![], committed_at: START.0 }.into()
}

pub fn shipment_scheduled(order_id: &str) -> ShipmentScheduled {
    ShipmentScheduled {
        order_id: order_id.into(),
        shipment_id: shipment_id(),
        carrier: "Snail".into(),
        tracking_number: "S-1".into(),
        eta: START.0,
        scheduled_at: START.0,
    }
}

pub fn shipment_refused(order_id: &str) -> Event {
    ShipmentRefused {
        order_id: order_id.into(),
        shipment_id: shipment_id(),
        country: "AQ".into(),
        reason: "nobody goes to AQ".into(),
        refused_at: START.0,
    }
    .into()
}

pub fn shipment_dispatched(order_id: &str) -> Event {
    ShipmentDispatched {
        order_id: order_id.into(),
        shipment_id: shipment_id(),
        carrier: "Snail".into(),
        tracking_number: "S-1".into(),
        dispatched_at: START.0,
    }
    .into()
}

pub fn shipment_delivered(order_id: &str) -> Event {
    let shipment_id = shipment_id();
    ShipmentDelivered { order_id: order_id.into(), shipment_id, delivered_at: START.0 }.into()
}

pub fn shipment_cancelled(order_id: &str) -> Event {
    ShipmentCancelled {
        order_id: order_id.into(),
        shipment_id: shipment_id(),
        reason: "as the order".into(),
        cancelled_at: START.0,
    }
    .into()
}

/// `event` on its way to the log, caused by the event with the id `cause`.
pub fn outgoing(clock: &dyn Clock, event: &Event, cause: Option<Uuid>) -> NewRecord {
    records::outgoing(&Codec::fixed(), clock, event, cause)
}
