//! What clients get, as it stands in the contract.

use kernel::{CustomerId, Money, OrderId, Sku, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{Address, Line, Order, Shipment, Status},
    store::timeline,
};

/// An order.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Order)]
pub struct OrderView {
    /// A UUIDv7.
    pub id: OrderId,
    customer_id: CustomerId,
    status: Status,
    /// Why it was rejected or cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status_reason: Option<String>,
    lines: Vec<LineView>,
    total: Money,
    shipping_address: Address,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shipment: Option<Shipment>,
    placed_at: Timestamp,
    updated_at: Timestamp,
    /// Grows with everything that happens to the order.
    version: i64,
}

/// One product of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = OrderLine)]
pub struct LineView {
    sku: Sku,
    name: String,
    quantity: u32,
    unit_price: Money,
}

impl From<&Order> for OrderView {
    fn from(order: &Order) -> Self {
        Self {
            id: order.id,
            customer_id: order.customer_id.clone(),
            status: order.status,
            status_reason: order.status_reason.clone(),
            lines: order.lines.iter().map(LineView::from).collect(),
            total: order.total,
            shipping_address: order.address.clone(),
            shipment: order.shipment.clone(),
            placed_at: order.placed_at,
            updated_at: order.updated_at,
            version: order.version,
        }
    }
}

impl From<&Line> for LineView {
    fn from(line: &Line) -> Self {
        Self {
            sku: line.sku.clone(),
            name: line.name.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price,
        }
    }
}

/// Every event of an order's saga.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Timeline)]
pub struct TimelineView {
    order_id: OrderId,
    status: Status,
    events: Vec<EventView>,
    /// What an unfinished order waits for; null when it waits for nothing.
    waiting_for: Option<WaitingFor>,
}

/// One event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TimelineEvent)]
pub struct EventView {
    event_id: String,
    r#type: String,
    service: String,
    occurred_at: Timestamp,
    /// The event that caused it; null for the first.
    causation_id: Option<String>,
    trace_id: Option<String>,
    summary: String,
}

/// What an order waits for.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct WaitingFor {
    /// Whose turn it is.
    service: &'static str,
    /// The events that would end the wait.
    events: Vec<&'static str>,
    /// When the order is cancelled if none has come; null when it waits for a person.
    until: Option<Timestamp>,
}

impl TimelineView {
    /// The timeline of `order`.
    pub fn new(order: &Order, events: Vec<timeline::Model>) -> Self {
        let happened = |name: &str| events.iter().any(|event| event.r#type == name);
        Self {
            order_id: order.id,
            status: order.status,
            waiting_for: waiting_for(order, happened("StockReserved")),
            events: events.into_iter().map(EventView::from).collect(),
        }
    }
}

fn waiting_for(order: &Order, has_stock: bool) -> Option<WaitingFor> {
    let wait = |service, events: &[&'static str], until| {
        Some(WaitingFor { service, events: events.to_vec(), until })
    };
    let deadline = Some(order.deadline_at);
    match order.status {
        Status::Pending if !has_stock => {
            wait("inventory", &["StockReserved", "StockRejected"], deadline)
        }
        Status::Pending => wait("shipping", &["ShipmentScheduled", "ShipmentRefused"], deadline),
        Status::Confirmed if order.cancellation.is_some() => {
            wait("shipping", &["ShipmentCancelled", "ShipmentDispatched"], None)
        }
        Status::Confirmed => wait("shipping", &["ShipmentDispatched"], None),
        Status::Shipped => wait("shipping", &["ShipmentDelivered"], None),
        Status::Delivered | Status::Rejected | Status::Cancelled => None,
    }
}

impl From<timeline::Model> for EventView {
    fn from(row: timeline::Model) -> Self {
        Self {
            event_id: row.event_id,
            r#type: row.r#type,
            service: row.service,
            occurred_at: Timestamp(row.occurred_at),
            causation_id: row.causation_id,
            trace_id: row.trace_id,
            summary: row.summary,
        }
    }
}
