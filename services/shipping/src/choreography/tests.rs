//! What each event means, and what is said of each.

use std::sync::Arc;

use events::contracts::{
    order_cancellation_requested::OrderCancellationRequested, order_cancelled::OrderCancelled,
    order_completed::OrderCompleted, order_confirmed::OrderConfirmed,
    order_rejected::OrderRejected, stock_committed::StockCommitted, stock_rejected::StockRejected,
    stock_released::StockReleased, stock_reserved::StockReserved,
};
use kernel::{OrderId, Timestamp};
use uuid::Uuid;

use super::*;
use crate::domain::{Booking, Released};

const ORDER: &str = "0197c9a0-7c1e-7d4b-9f32-5f0c5f5d8a11";
const NOW: Timestamp = Timestamp(1_000_000);
const DAY_US: i64 = 86_400_000_000;

fn stamp() -> Stamp {
    Stamp { now: NOW, new_id: Uuid::from_u128(7) }
}

fn placed(order_id: &str) -> Contract {
    order_placed::OrderPlaced {
        order_id: order_id.into(),
        customer_id: "c-1".into(),
        email: Some("ada@example.com".into()),
        session_id: None,
        currency: "EUR".into(),
        total_minor: 100,
        lines: vec![],
        shipping_address: order_placed::Address {
            name: "Ada".into(),
            line1: "1 Mill Lane".into(),
            line2: Some("Flat 2".into()),
            city: "Cambridge".into(),
            postal_code: "CB2 1RX".into(),
            country: "GB".into(),
        },
        deadline_at: 2,
        placed_at: 1,
    }
    .into()
}

fn of_an_order(order_id: &str) -> Vec<Contract> {
    let (id, customer_id) = (|| order_id.to_owned(), || "c-1".to_owned());
    vec![
        placed(order_id),
        StockReserved { order_id: id(), lines: vec![], reserved_at: 1 }.into(),
        StockRejected { order_id: id(), shortages: vec![], rejected_at: 1 }.into(),
        OrderConfirmed {
            order_id: id(),
            customer_id: customer_id(),
            session_id: None,
            currency: "EUR".into(),
            total_minor: 1,
            lines: vec![],
            shipment_id: "whatever".into(),
            confirmed_at: 1,
        }
        .into(),
        OrderCancellationRequested {
            order_id: id(),
            customer_id: customer_id(),
            shipment_id: "whatever".into(),
            reason: Some("I moved to 5 High Street".into()),
            requested_at: 1,
        }
        .into(),
        OrderCancelled {
            order_id: id(),
            customer_id: customer_id(),
            cause: "time-out".into(),
            reason: "I moved to 5 High Street".into(),
            cancelled_at: 1,
        }
        .into(),
        OrderRejected {
            order_id: id(),
            customer_id: customer_id(),
            reason: "too little".into(),
            shortages: vec![],
            rejected_at: 1,
        }
        .into(),
    ]
}

fn hear_it(event: &Contract) -> Result<Hearing<Command>, Unusable> {
    hear(event, stamp(), &Config::default())
}

#[test]
fn each_event_of_an_order_means_one_action() {
    let address = Address {
        name: "Ada".into(),
        line1: "1 Mill Lane".into(),
        line2: Some("Flat 2".into()),
        city: "Cambridge".into(),
        postal_code: "CB2 1RX".into(),
        country: "GB".into(),
    };
    let terms = || Terms {
        shipment_id: ShipmentId(Uuid::from_u128(7)),
        eta: Timestamp(NOW.0 + 3 * DAY_US),
        refused_countries: Arc::new(["AQ".to_owned()]),
    };
    let expected = [
        Action::NoteAddress(address, terms()),
        Action::NoteStock(terms()),
        Action::DropOrder,
        Action::Release,
        Action::Cancel("the customer asked to cancel the order".into()),
        Action::EndOrder("the order was cancelled: time-out".into()),
        Action::EndOrder("the order was rejected".into()),
    ];
    let order_id: OrderId = ORDER.parse().unwrap_or(OrderId(Uuid::nil()));
    for (event, action) in of_an_order(ORDER).iter().zip(expected) {
        let command = Command { order_id, now: NOW, action };
        assert_eq!(hear_it(event), Ok(Hearing::Do(command)), "{}", event.name());
    }
}

#[test]
fn an_order_without_a_proper_id_is_unusable() {
    for event in of_an_order("42") {
        let Err(Unusable(reason)) = hear_it(&event) else { panic!("{} was used", event.name()) };
        assert!(reason.contains("order_id \"42\""), "{reason}");
    }
}

#[test]
fn effects_of_our_own_word_are_ignored() {
    let (order_id, customer_id) = (|| "42".to_owned(), "c-1".to_owned());
    for event in [
        StockReleased { order_id: order_id(), lines: vec![], released_at: 1 }.into(),
        StockCommitted { order_id: order_id(), lines: vec![], committed_at: 1 }.into(),
        Contract::from(OrderCompleted { order_id: order_id(), customer_id, completed_at: 1 }),
    ] {
        assert_eq!(hear_it(&event), Ok(Hearing::Ignore), "{}", event.name());
    }
}

fn booking() -> Booking {
    Booking {
        order_id: OrderId(Uuid::from_u128(1)),
        shipment_id: ShipmentId(Uuid::from_u128(2)),
        carrier: "Blue Van".into(),
        tracking_number: "BV2".into(),
        eta: Timestamp(5),
        scheduled_at: Timestamp(1),
    }
}

fn nowhere() -> Address {
    let [name, line1, city, postal_code, country] = ["secret"; 5].map(str::to_owned);
    Address { name, line1, line2: None, city, postal_code, country }
}

/// What is said of `happened`, without its address.
fn said(happened: &Event) -> Contract {
    let said = say(happened).unwrap();
    assert!(!format!("{said:?}").contains("secret"), "{said:?}");
    said
}

fn ids() -> (String, String) {
    (Uuid::from_u128(1).to_string(), Uuid::from_u128(2).to_string())
}

#[test]
fn a_booking_is_said_without_its_address() {
    let (order_id, shipment_id) = ids();
    let expected = ShipmentScheduled {
        order_id,
        shipment_id,
        carrier: "Blue Van".into(),
        tracking_number: "BV2".into(),
        eta: 5,
        scheduled_at: 1,
    };
    let shipment = Scheduled { booking: booking(), address: nowhere() };
    assert_eq!(said(&Event::ShipmentScheduled(shipment)), expected.into());
}

#[test]
fn a_dispatch_is_said_without_its_address() {
    let (order_id, shipment_id) = ids();
    let expected = ShipmentDispatched {
        order_id,
        shipment_id,
        carrier: "Blue Van".into(),
        tracking_number: "BV2".into(),
        dispatched_at: 3,
    };
    let (released_at, dispatched_at) = (Timestamp(2), Timestamp(3));
    let shipment =
        Dispatched { booking: booking(), address: nowhere(), released_at, dispatched_at };
    assert_eq!(said(&Event::ShipmentDispatched(shipment)), expected.into());
}

#[test]
fn a_delivery_is_said() {
    let (order_id, shipment_id) = ids();
    let expected = ShipmentDelivered { order_id, shipment_id, delivered_at: 4 };
    let (released_at, dispatched_at, delivered_at) = (Timestamp(2), Timestamp(3), Timestamp(4));
    let shipment = Delivered { booking: booking(), released_at, dispatched_at, delivered_at };
    assert_eq!(said(&Event::ShipmentDelivered(shipment)), expected.into());
}

#[test]
fn a_cancellation_is_said_with_its_reason() {
    let (order_id, shipment_id) = ids();
    let reason = || "asked".to_owned();
    let expected = ShipmentCancelled { order_id, shipment_id, reason: reason(), cancelled_at: 4 };
    let cancelled_at = Timestamp(4);
    let shipment =
        Cancelled { booking: booking(), released_at: None, cancelled_at, reason: reason() };
    assert_eq!(said(&Event::ShipmentCancelled(shipment)), expected.into());
}

#[test]
fn a_refusal_is_said_with_its_country() {
    let Booking { order_id, shipment_id, .. } = booking();
    let (country, reason) = ("AQ".to_owned(), "we do not ship to AQ".to_owned());
    let refused_at = Timestamp(3);
    let shipment = Refused { order_id, shipment_id, country, reason, refused_at };
    let Some(Contract::ShipmentRefused(said)) = say(&Event::ShipmentRefused(shipment)) else {
        panic!("not said")
    };
    assert_eq!((said.country.as_str(), said.refused_at), ("AQ", 3));
    assert_eq!(said.reason, "we do not ship to AQ");
    assert_eq!(said.order_id, order_id.to_string());
    assert_eq!(said.shipment_id, shipment_id.to_string());
}

#[test]
fn half_a_join_and_a_release_are_nobody_elses_business() {
    let released = Released { booking: booking(), address: nowhere(), released_at: Timestamp(2) };
    for event in [
        Event::AddressNoted(nowhere()),
        Event::StockNoted,
        Event::OrderDropped,
        Event::ShipmentReleased(released),
    ] {
        assert_eq!(say(&event), None, "{event:?}");
    }
}
