//! What is heard, what is said.

use std::time::Duration;

use events::contracts::{
    CONTRACTS, order_cancelled::OrderCancelled, order_completed::OrderCompleted,
    order_confirmed::OrderConfirmed, shipment_delivered::ShipmentDelivered,
};

use super::*;
use crate::{domain::Rate, tests::words};

fn policy() -> Arc<Policy> {
    Arc::new(Policy {
        sends_mail: false,
        staff_mail: None,
        rate: Rate { mails: 1, window: Duration::from_secs(1) },
        report_after: Duration::from_secs(1),
        disable_after: Duration::from_secs(1),
    })
}

const STAMP: Stamp = Stamp { now: Timestamp(5), new_id: Uuid::nil() };

fn heard(event: impl Into<Contract>) -> Result<Hearing<Command>, Unusable> {
    hear(&event.into(), Uuid::from_u128(1), STAMP, &policy())
}

fn fact(event: impl Into<Contract>) -> Fact {
    match heard(event).unwrap() {
        Hearing::Do(Command { action: Action::HearOrder(_, id, fact), .. }) => {
            assert_eq!(id, Uuid::from_u128(1));
            fact
        }
        other => panic!("{other:?}"),
    }
}

const ORDER: &str = "0197c9a0-7c1e-7d4b-9f32-5f0c5f5d8a11";

#[test]
fn an_order_is_remembered_with_whom_to_tell() {
    let Fact::Placed(order) = fact(words::placed(ORDER, "ada", Some("ada@example.org"))) else {
        panic!("not placed")
    };
    assert_eq!((order.customer_id.as_str(), order.name.as_str()), ("ada", "Ada"));
    assert_eq!(order.email.as_deref(), Some("ada@example.org"));
    assert_eq!(order.lines.len(), 1);
}

#[test]
fn every_step_that_a_customer_should_know_is_a_fact() {
    let (order_id, customer_id) = (ORDER.to_owned(), "ada".to_owned());
    let cancelled = OrderCancelled {
        order_id: order_id.clone(),
        customer_id,
        cause: "customer".into(),
        reason: "changed my mind".into(),
        cancelled_at: 0,
    };
    let reason = "changed my mind".to_owned();
    assert_eq!(fact(cancelled), Fact::Cancelled { cause: "customer".into(), reason });
    let shipped = Fact::Shipped { carrier: "DHL".into(), tracking_number: "42".into() };
    assert_eq!(fact(words::dispatched(ORDER)), shipped);
    let delivered = ShipmentDelivered { order_id, shipment_id: "s".into(), delivered_at: 0 };
    assert_eq!(fact(delivered), Fact::Delivered);
}

#[test]
fn the_end_of_the_saga_is_told_by_its_parcel() {
    let (order_id, customer_id) = (ORDER.into(), "ada".into());
    let completed = OrderCompleted { order_id, customer_id, completed_at: 0 };
    assert_eq!(heard(completed), Ok(Hearing::Ignore));
}

#[test]
fn an_order_that_cannot_be_named_is_unusable() {
    let confirmed = OrderConfirmed { order_id: "42".into(), ..words::confirmed(ORDER) };
    assert!(heard(confirmed).is_err());
}

#[test]
fn long_texts_are_cut_between_characters() {
    assert_eq!(clip("short"), "short");
    let clipped = clip(&"ä".repeat(MAX_TEXT + 1));
    assert_eq!(clipped.chars().count(), MAX_TEXT + 1);
    assert!(clipped.ends_with("ä…"));
}

#[test]
fn what_it_says_is_in_the_table_of_contracts() {
    let ours: Vec<_> = CONTRACTS.iter().filter(|c| c.owner == "notification").collect();
    assert_eq!(ours.len(), 2);
    assert!(ours.iter().all(|contract| contract.topic.name == "shop.notifications"));
}
