//! Events as other services say them.

use events::contracts::{
    order_cancelled::OrderCancelled,
    order_confirmed::OrderConfirmed,
    order_placed::{Address, OrderLine, OrderPlaced},
    shipment_dispatched::ShipmentDispatched,
    stock_level_changed::StockLevelChanged,
};

pub fn placed(order: impl ToString, customer: &str, email: Option<&str>) -> OrderPlaced {
    OrderPlaced {
        order_id: order.to_string(),
        customer_id: customer.into(),
        email: email.map(str::to_owned),
        session_id: None,
        currency: "EUR".into(),
        total_minor: 1780,
        lines: vec![OrderLine {
            sku: "TEA".into(),
            name: "Green tea".into(),
            quantity: 2,
            unit_price_minor: 890,
        }],
        shipping_address: Address {
            name: "Ada".into(),
            line1: "1 Mill Lane".into(),
            line2: None,
            city: "Cambridge".into(),
            postal_code: "CB2 1RX".into(),
            country: "GB".into(),
        },
        deadline_at: 0,
        placed_at: 0,
    }
}

pub fn confirmed(order: impl ToString) -> OrderConfirmed {
    OrderConfirmed {
        order_id: order.to_string(),
        customer_id: "ada".into(),
        session_id: None,
        currency: "EUR".into(),
        total_minor: 1780,
        lines: vec![],
        shipment_id: String::new(),
        confirmed_at: 0,
    }
}

pub fn cancelled(order: impl ToString, cause: &str) -> OrderCancelled {
    OrderCancelled {
        order_id: order.to_string(),
        customer_id: "ada".into(),
        cause: cause.into(),
        reason: "nobody answered".into(),
        cancelled_at: 0,
    }
}

pub fn dispatched(order: impl ToString) -> ShipmentDispatched {
    ShipmentDispatched {
        order_id: order.to_string(),
        shipment_id: "s".into(),
        carrier: "DHL".into(),
        tracking_number: "42".into(),
        dispatched_at: 0,
    }
}

pub fn level(version: i64, low: bool) -> StockLevelChanged {
    StockLevelChanged {
        sku: "TEA".into(),
        version,
        on_hand: 3,
        reserved: 1,
        available: 2,
        low,
        changed_at: 0,
    }
}
