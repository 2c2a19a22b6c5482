//! Any event of the suite about one of a few orders, in no sensible sequence.

use events::{
    Event,
    contracts::{
        order_cancellation_requested::OrderCancellationRequested, order_cancelled::OrderCancelled,
        order_confirmed::OrderConfirmed, order_placed, order_placed::OrderPlaced,
        order_rejected::OrderRejected, product_changed::ProductChanged,
        shipment_cancelled::ShipmentCancelled, shipment_delivered::ShipmentDelivered,
        shipment_dispatched::ShipmentDispatched, shipment_refused::ShipmentRefused,
        shipment_scheduled::ShipmentScheduled, stock_committed::StockCommitted,
        stock_level_changed::StockLevelChanged, stock_rejected::StockRejected,
        stock_released::StockReleased, stock_reserved::StockReserved,
    },
};
use kernel::OrderId;
use order_service::domain::{Address, Command, NewOrder};
use testkit::{Random, clock::START};
use uuid::Uuid;

use super::ORDERS;

const AT: i64 = START.0;

pub fn order(n: usize) -> Uuid {
    Uuid::from_u128(1 + n as u128)
}

/// An order of two packets of tea.
pub fn place(id: OrderId) -> Command {
    let [name, line1, city, postal_code, country] =
        ["Ada", "Inselstr. 1", "Berlin", "10179", "DE"].map(str::to_owned);
    let address = Address { name, line1, line2: None, city, postal_code, country };
    let lines = vec![("tea".parse().unwrap(), 2)];
    let customer_id = "ada".parse().unwrap();
    let order = NewOrder { customer_id, email: None, session_id: None, lines, address };
    let patience = order_service::Config::default().patience;
    Command::Place { id, order: Box::new(order), now: START, patience }
}

pub fn product() -> Event {
    product_changed(1)
}

fn product_changed(version: i64) -> Event {
    ProductChanged {
        sku: "tea".into(),
        version,
        name: format!("Tea {version}"),
        description: None,
        category: None,
        image_url: None,
        price_minor: 499,
        currency: "EUR".into(),
        active: true,
        changed_at: AT,
    }
    .into()
}

pub fn any_event(random: &mut Random) -> Event {
    let order_id = order(random.below(ORDERS)).to_string();
    let version = i64::try_from(random.between(1, 9)).unwrap();
    match random.below(16) {
        0 | 1 => placed(order_id, if random.chance(20) { "AQ" } else { "DE" }),
        2 | 3 => StockReserved { order_id, lines: vec![], reserved_at: AT }.into(),
        4 => StockRejected { order_id, shortages: vec![], rejected_at: AT }.into(),
        5 => scheduled(order_id),
        6 => product_changed(version),
        7 => level(version, random.chance(50)),
        _ => about_its_end(order_id, random),
    }
}

fn about_its_end(order_id: String, random: &mut Random) -> Event {
    let shipment_id = order_id.clone();
    let [customer_id, reason, carrier, tracking_number, cause] =
        ["ada", "because", "Snail", "S-1", "customer"].map(str::to_owned);
    match random.below(10) {
        0 => confirmed(order_id),
        1 => {
            let shortages = vec![];
            OrderRejected { order_id, customer_id, reason, shortages, rejected_at: AT }.into()
        }
        2 => {
            let (reason, requested_at) = (None, AT);
            OrderCancellationRequested { order_id, customer_id, shipment_id, reason, requested_at }
                .into()
        }
        3 => OrderCancelled { order_id, customer_id, cause, reason, cancelled_at: AT }.into(),
        4 => StockReleased { order_id, lines: vec![], released_at: AT }.into(),
        5 => StockCommitted { order_id, lines: vec![], committed_at: AT }.into(),
        6 => {
            let country = "AQ".to_owned();
            ShipmentRefused { order_id, shipment_id, country, reason, refused_at: AT }.into()
        }
        7 => {
            let dispatched_at = AT;
            ShipmentDispatched { order_id, shipment_id, carrier, tracking_number, dispatched_at }
                .into()
        }
        8 => ShipmentDelivered { order_id, shipment_id, delivered_at: AT }.into(),
        _ => ShipmentCancelled { order_id, shipment_id, reason, cancelled_at: AT }.into(),
    }
}

fn placed(order_id: String, country: &str) -> Event {
    let [name, line1, city, postal_code, country] =
        ["Ada", "Inselstr. 1", "Berlin", "10179", country].map(str::to_owned);
    OrderPlaced {
        order_id,
        customer_id: "ada".into(),
        email: Some("ada@example.org".into()),
        session_id: None,
        currency: "EUR".into(),
        total_minor: 998,
        lines: vec![],
        shipping_address: order_placed::Address {
            name,
            line1,
            line2: None,
            city,
            postal_code,
            country,
        },
        deadline_at: AT,
        placed_at: AT,
    }
    .into()
}

fn confirmed(order_id: String) -> Event {
    OrderConfirmed {
        shipment_id: order_id.clone(),
        order_id,
        customer_id: "ada".into(),
        session_id: None,
        currency: "EUR".into(),
        total_minor: 998,
        lines: vec![],
        confirmed_at: AT,
    }
    .into()
}

fn scheduled(order_id: String) -> Event {
    let (carrier, tracking_number) = ("Snail".into(), "S-1".into());
    let (shipment_id, eta, scheduled_at) = (order_id.clone(), AT, AT);
    ShipmentScheduled { order_id, shipment_id, carrier, tracking_number, eta, scheduled_at }.into()
}

fn level(version: i64, low: bool) -> Event {
    let on_hand = if low { 3 } else { 30 };
    let (sku, reserved, available) = ("tea".into(), 1, on_hand - 1);
    StockLevelChanged { sku, version, on_hand, reserved, available, low, changed_at: AT }.into()
}
