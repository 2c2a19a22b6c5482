//! Heard, and what is to be done about it.

use std::collections::BTreeSet;

use events::contracts::CONTRACTS;
use messaging::service::Service as _;

use crate::{
    OrderService,
    choreography::*,
    testing::{START, events::*},
};

const ORDER: &str = "0197c9a0-7c1e-7d4b-9f32-5f0c5f5d8a00";
const NOW: Timestamp = Timestamp(START.0 + 1);

#[track_caller]
fn check(heard: &Contract, meaning: Hearing<Command>) {
    assert_eq!(hear(heard, NOW), Ok(meaning), "{}", heard.name());
}

#[track_caller]
fn check_unusable(heard: impl Into<Contract>, reason: &str) {
    let heard = heard.into();
    let Err(Unusable(said)) = hear(&heard, NOW) else { panic!("{heard:?} is usable") };
    assert!(said.starts_with(reason), "{said}");
}

fn changes(change: Change) -> Hearing<Command> {
    Hearing::Do(Command::Change(ORDER.parse().unwrap(), change, NOW))
}

/// Every event on the topics that the order service hears, of the order with this id.
fn every(order_id: &str) -> Vec<Contract> {
    vec![
        product("tea", 499, "EUR").into(),
        stock_reserved(order_id),
        stock_rejected(order_id),
        stock_released(order_id),
        stock_committed(order_id),
        shipment_scheduled(order_id).into(),
        shipment_refused(order_id),
        shipment_dispatched(order_id),
        shipment_delivered(order_id),
        shipment_cancelled(order_id),
    ]
}

#[test]
fn each_event_means_one_change_or_none() {
    let shipment = Shipment {
        id: SHIPMENT.parse().unwrap(),
        carrier: "Snail".into(),
        tracking_number: "S-1".into(),
        eta: START,
    };
    let short = Shortage { sku: "tea".into(), requested: 2, available: 1 };
    check(&shipment_scheduled(ORDER).into(), changes(Change::Confirm(shipment)));
    check(&stock_rejected(ORDER), changes(Change::Reject(vec![short])));
    check(&shipment_refused(ORDER), changes(Change::Refuse("nobody goes to AQ".into())));
    check(&shipment_cancelled(ORDER), changes(Change::ConfirmCancellation("as the order".into())));
    check(&shipment_dispatched(ORDER), changes(Change::Ship));
    check(&shipment_delivered(ORDER), changes(Change::Deliver));
    for noted in [stock_reserved(ORDER), stock_released(ORDER), stock_committed(ORDER)] {
        check(&noted, Hearing::Note);
    }
    check(&product("tea", 0, "EUR").into(), Hearing::Note);
}

#[test]
fn every_event_of_the_topics_it_hears_is_at_least_noted() {
    let topics = OrderService::new(crate::Config::default()).topics();
    let heard = CONTRACTS.iter().filter(|contract| topics.contains(&contract.topic));
    let known: BTreeSet<_> = every(ORDER).iter().map(Contract::name).collect();
    assert_eq!(known, heard.map(|contract| contract.name).collect());
    for event in every(ORDER) {
        assert_ne!(hear(&event, NOW), Ok(Hearing::Ignore), "{}", event.name());
    }
}

#[test]
fn it_does_not_hear_itself_nor_stock_levels() {
    let topics: Vec<_> =
        OrderService::new(crate::Config::default()).topics().iter().map(|t| t.name).collect();
    assert_eq!(topics, ["shop.inventory", "shop.shipping", "shop.products"]);
}

#[test]
fn an_event_of_an_order_without_a_proper_id_is_unusable() {
    for id in ["", "42", "0197c9a0-7c1e-7d4b-9f32-5f0c5f5d8a0", "0197c9a0\n"] {
        for event in every(id).into_iter().filter(|event| event.topic() != &topics::PRODUCTS) {
            check_unusable(event, "order_id");
        }
    }
}

#[test]
fn a_shipment_that_cannot_be_kept_is_unusable() {
    let scheduled = || shipment_scheduled(ORDER);
    check_unusable(ShipmentScheduled { shipment_id: "S-1".into(), ..scheduled() }, "shipment_id");
    // Nanoseconds where microseconds belong.
    for eta in [START.0 * 1000, i64::MAX, i64::MIN] {
        check_unusable(ShipmentScheduled { eta, ..scheduled() }, "eta");
    }
}

#[test]
fn a_product_that_nothing_can_be_priced_by_is_unusable() {
    check_unusable(product("", 499, "EUR"), "sku");
    check_unusable(product("a\nb", 499, "EUR"), "sku");
    check_unusable(product(&"a".repeat(101), 499, "EUR"), "sku");
    check_unusable(product("tea", 499, "eur"), "currency");
    check_unusable(product("tea", 499, ""), "currency");
    check_unusable(product("tea", -1, "EUR"), "price_minor");
}
