//! Events as the other services say them, about the order with a number.

use events::{
    Event,
    contracts::{
        order_cancelled::OrderCancelled,
        order_confirmed::OrderConfirmed,
        order_placed::{Address, OrderLine, OrderPlaced},
        order_rejected::OrderRejected,
        shipment_dispatched::ShipmentDispatched,
    },
};
use kernel::OrderId;
use uuid::Uuid;

pub fn order(n: u128) -> OrderId {
    OrderId(Uuid::from_u128(n))
}

pub fn placed(n: u128, lines: &[(&str, i32)]) -> OrderPlaced {
    let line = |(sku, quantity): &(&str, i32)| OrderLine {
        sku: (*sku).to_owned(),
        name: "Thing".into(),
        quantity: *quantity,
        unit_price_minor: 450,
    };
    OrderPlaced {
        order_id: order(n).to_string(),
        customer_id: "ada".into(),
        email: None,
        session_id: None,
        currency: "EUR".into(),
        total_minor: 450,
        lines: lines.iter().map(line).collect(),
        shipping_address: Address {
            name: "Ada".into(),
            line1: "Inselstr. 1".into(),
            line2: None,
            city: "Berlin".into(),
            postal_code: "10179".into(),
            country: "DE".into(),
        },
        deadline_at: 0,
        placed_at: 0,
    }
}

pub fn confirmed(n: u128) -> Event {
    OrderConfirmed {
        order_id: order(n).to_string(),
        customer_id: "ada".into(),
        session_id: None,
        currency: "EUR".into(),
        total_minor: 450,
        lines: vec![],
        shipment_id: order(n).to_string(),
        confirmed_at: 0,
    }
    .into()
}

pub fn cancelled(n: u128) -> Event {
    OrderCancelled {
        order_id: order(n).to_string(),
        customer_id: "ada".into(),
        cause: "customer".into(),
        reason: "changed my mind".into(),
        cancelled_at: 0,
    }
    .into()
}

pub fn rejected(n: u128) -> Event {
    OrderRejected {
        order_id: order(n).to_string(),
        customer_id: "ada".into(),
        reason: "too little".into(),
        shortages: vec![],
        rejected_at: 0,
    }
    .into()
}

pub fn dispatched(n: u128) -> Event {
    ShipmentDispatched {
        order_id: order(n).to_string(),
        shipment_id: order(n).to_string(),
        carrier: "Snail".into(),
        tracking_number: "S-1".into(),
        dispatched_at: 0,
    }
    .into()
}
