//! Happened, and what the others are told.

use std::time::Duration;

use events::{Codec, codec::Decoded, contracts::order_placed::Address as PlacedAddress};
use kernel::{Decider as _, Money};

use crate::{
    choreography::*,
    domain::{Address, Cancellation, Cause, NewOrder, Product, Rules, State},
    testing::{START, events::SHIPMENT},
};

const ORDER: &str = "0197c9a0-7c1e-7d4b-9f32-5f0c5f5d8a00";
const AT: Timestamp = Timestamp(START.0 + 1);

fn address() -> Address {
    Address {
        name: "Ada Lovelace".into(),
        line1: "Inselstr. 1".into(),
        line2: Some("c/o Babbage".into()),
        city: "Berlin".into(),
        postal_code: "10179".into(),
        country: "DE".into(),
    }
}

fn shipment() -> Shipment {
    Shipment {
        id: SHIPMENT.parse().unwrap(),
        carrier: "Snail".into(),
        tracking_number: "S-1".into(),
        eta: AT,
    }
}

/// What happened when Ada ordered two packets of tea.
fn placed() -> Event {
    let price = Money::new(499, "EUR".parse().unwrap());
    let tea = Product { name: "Fine tea".into(), price, active: true };
    let order = NewOrder {
        customer_id: "c-1".parse().unwrap(),
        email: Some("ada@example.org".into()),
        session_id: Some("s-1".parse().unwrap()),
        lines: vec![("tea".parse().unwrap(), 2)],
        address: address(),
    };
    let state = State { order: None, catalogue: [("tea".parse().unwrap(), tea)].into() };
    let (id, order) = (ORDER.parse().unwrap(), Box::new(order));
    let command = Command::Place { id, order, now: START, patience: Duration::from_secs(1) };
    Rules::decide(&state, command).unwrap().remove(0)
}

/// The order after `happened`, as it is when the event is said.
fn order(happened: &Event) -> Order {
    let start = [placed(), Event::Confirmed(shipment(), AT)];
    let state = start.iter().chain([happened]).fold(State::default(), Rules::evolve);
    state.order.unwrap()
}

#[track_caller]
fn check(happened: &Event, told: impl Into<Contract>) {
    assert_eq!(say(&order(happened), happened), Some(told.into()));
}

fn ids() -> (String, String) {
    (ORDER.to_owned(), "c-1".to_owned())
}

#[test]
fn a_placed_order_is_told_whole() {
    let told = OrderPlaced {
        order_id: ORDER.into(),
        customer_id: "c-1".into(),
        email: Some("ada@example.org".into()),
        session_id: Some("s-1".into()),
        currency: "EUR".into(),
        total_minor: 998,
        lines: vec![order_placed::OrderLine {
            sku: "tea".into(),
            name: "Fine tea".into(),
            quantity: 2,
            unit_price_minor: 499,
        }],
        shipping_address: PlacedAddress {
            name: "Ada Lovelace".into(),
            line1: "Inselstr. 1".into(),
            line2: Some("c/o Babbage".into()),
            city: "Berlin".into(),
            postal_code: "10179".into(),
            country: "DE".into(),
        },
        deadline_at: START.0 + 1_000_000,
        placed_at: START.0,
    };
    check(&placed(), told);
}

#[test]
fn a_confirmed_order_is_told_with_its_lines_and_shipment() {
    let (order_id, customer_id) = ids();
    let told = OrderConfirmed {
        order_id,
        customer_id,
        session_id: Some("s-1".into()),
        currency: "EUR".into(),
        total_minor: 998,
        lines: vec![order_confirmed::OrderLine {
            sku: "tea".into(),
            name: "Fine tea".into(),
            quantity: 2,
            unit_price_minor: 499,
        }],
        shipment_id: SHIPMENT.into(),
        confirmed_at: AT.0,
    };
    check(&Event::Confirmed(shipment(), AT), told);
}

#[test]
fn a_rejected_order_is_told_with_what_there_was_too_little_of() {
    let (order_id, customer_id) = ids();
    let short = Shortage { sku: "tea".into(), requested: 2, available: 1 };
    let told = OrderRejected {
        order_id,
        customer_id,
        reason: "too little stock: tea (2 wanted, 1 there)".into(),
        shortages: vec![order_rejected::Shortage { sku: "tea".into(), requested: 2, available: 1 }],
        rejected_at: AT.0,
    };
    check(&Event::Rejected(vec![short], AT), told);
}

#[test]
fn a_wish_to_cancel_is_told_with_the_shipment() {
    for reason in [None, Some("too slow".to_owned())] {
        let (order_id, customer_id) = ids();
        let told = OrderCancellationRequested {
            order_id,
            customer_id,
            shipment_id: SHIPMENT.into(),
            reason: reason.clone(),
            requested_at: AT.0,
        };
        check(&Event::CancellationRequested(Cancellation { reason, requested_at: AT }), told);
    }
}

#[test]
fn a_cancelled_order_is_told_with_its_cause() {
    let causes = [
        (Cause::Customer, "customer"),
        (Cause::RefusedDestination, "refused-destination"),
        (Cause::TimeOut, "time-out"),
        (Cause::Shipping, "shipping"),
    ];
    for (cause, name) in causes {
        let (order_id, customer_id) = ids();
        let (cause_name, reason) = (name.to_owned(), "so it is".to_owned());
        let cancelled_at = AT.0;
        let told =
            OrderCancelled { order_id, customer_id, cause: cause_name, reason, cancelled_at };
        check(&Event::Cancelled(cause, "so it is".into(), AT), told);
    }
}

#[test]
fn a_delivery_completes_the_order_and_a_dispatch_is_told_by_shipping() {
    let (order_id, customer_id) = ids();
    check(&Event::Completed(AT), OrderCompleted { order_id, customer_id, completed_at: AT.0 });
    assert_eq!(say(&order(&Event::Shipped(AT)), &Event::Shipped(AT)), None);
}

#[actix_web::test]
async fn what_is_said_is_read_as_it_was_said() {
    let codec = Codec::fixed();
    let happened = [
        placed(),
        Event::Confirmed(shipment(), AT),
        Event::Rejected(vec![], AT),
        Event::CancellationRequested(Cancellation { reason: None, requested_at: AT }),
        Event::Cancelled(Cause::TimeOut, "ä\u{1f375}".into(), AT),
        Event::Completed(AT),
    ];
    for event in happened {
        let said = say(&order(&event), &event).unwrap();
        assert_eq!((said.key(), said.topic()), (ORDER, &topics::ORDERS));
        let bytes = codec.encode(&said).unwrap();
        assert_eq!(codec.decode(&bytes).await.unwrap(), Decoded::Event(said));
    }
}
