use kernel::Money;

use super::*;
use crate::testing::{details, heard, sku};

const NOW: Timestamp = Timestamp(1_000_000);

fn order() -> OrderId {
    heard::order(7)
}

#[track_caller]
fn check(event: impl Into<Contract>, command: Command) {
    assert_eq!(hear(&event.into(), NOW), Ok(Hearing::Do(command)));
}

#[test]
fn each_event_of_the_saga_has_its_effect() {
    let lines = Lines::from([(sku("cup"), 2), (sku("tea"), 1)]);
    let placed = heard::placed(7, &[("tea", 1), ("cup", 2)]);
    check(placed, Command::Reserve { order_id: order(), lines, now: NOW });
    check(heard::confirmed(7), Command::Confirm { order_id: order() });
    check(heard::cancelled(7), Command::Release { order_id: order(), now: NOW });
    check(heard::rejected(7), Command::Release { order_id: order(), now: NOW });
    check(heard::dispatched(7), Command::Commit { order_id: order(), now: NOW });
}

#[test]
fn what_it_says_itself_it_ignores() {
    let level = level(&sku("tea"), Stock::default(), NOW);
    assert_eq!(hear(&level.into(), NOW), Ok(Hearing::Ignore));
}

#[test]
fn an_order_that_cannot_be_goes_to_the_dead_letters() {
    let unusable = |event: OrderPlaced| match hear(&event.into(), NOW) {
        Err(Unusable(reason)) => reason,
        Ok(hearing) => panic!("{hearing:?}"),
    };
    let wrong_id = OrderPlaced { order_id: "42".into(), ..heard::placed(7, &[("tea", 1)]) };
    assert!(unusable(wrong_id).contains("order_id"));
    assert!(unusable(heard::placed(7, &[])).contains("without lines"));
    assert!(unusable(heard::placed(7, &[("tea", 1), ("", 1)])).contains("lines[1] sku"));
    assert!(unusable(heard::placed(7, &[("tea", 0)])).contains("lines[0] quantity"));
    assert!(unusable(heard::placed(7, &[("tea", -3)])).contains("lines[0] quantity"));
    assert!(unusable(heard::placed(7, &[("tea", 1), ("tea", 1)])).contains("another line"));
}

fn said(happened: &Event) -> Option<Contract> {
    say(&State::default(), happened, NOW)
}

#[test]
fn every_change_of_a_reservation_is_said() {
    let lines = Lines::from([(sku("cup"), 2)]);
    let (order_id, at) = (order(), NOW);
    let id = || order().to_string();
    let reserved = Event::StockReserved { order_id, lines: lines.clone(), at };
    let line = stock_reserved::StockLine { sku: "cup".into(), quantity: 2 };
    let contract = StockReserved { order_id: id(), lines: vec![line], reserved_at: at.0 };
    assert_eq!(said(&reserved), Some(contract.into()));

    let released = Event::StockReleased { order_id, lines: lines.clone(), at };
    let line = stock_released::StockLine { sku: "cup".into(), quantity: 2 };
    let contract = StockReleased { order_id: id(), lines: vec![line], released_at: at.0 };
    assert_eq!(said(&released), Some(contract.into()));

    let committed = Event::StockCommitted { order_id, lines, at };
    let line = stock_committed::StockLine { sku: "cup".into(), quantity: 2 };
    let contract = StockCommitted { order_id: id(), lines: vec![line], committed_at: at.0 };
    assert_eq!(said(&committed), Some(contract.into()));
}

#[test]
fn a_rejection_says_what_there_was_too_little_of() {
    let short = Shortage { sku: sku("cup"), requested: 3, available: 1 };
    let rejected = Event::StockRejected { order_id: order(), shortages: vec![short], at: NOW };
    let short = stock_rejected::Shortage { sku: "cup".into(), requested: 3, available: 1 };
    let (order_id, rejected_at) = (order().to_string(), NOW.0);
    let contract = StockRejected { order_id, shortages: vec![short], rejected_at };
    assert_eq!(said(&rejected), Some(contract.into()));
}

#[test]
fn a_product_is_said_whole_with_its_version() {
    let mut listed = details("Tea");
    listed.price = Money::new(0, listed.price.currency);
    listed.category = Some("drinks".into());
    let product = Some(Product { details: listed.clone(), version: 4 });
    let state = State { product, ..State::default() };
    let changed = Event::ProductChanged { sku: sku("tea"), details: listed };
    let contract = ProductChanged {
        sku: "tea".into(),
        version: 4,
        name: "Tea".into(),
        description: None,
        category: Some("drinks".into()),
        image_url: None,
        price_minor: 0,
        currency: "EUR".into(),
        active: true,
        changed_at: NOW.0,
    };
    assert_eq!(say(&state, &changed, NOW), Some(contract.into()));
}

#[test]
fn what_concerns_only_inventory_is_not_said() {
    let order_id = order();
    let silent = [
        Event::StockAdjusted { sku: sku("tea"), delta: 1, reason: "count".into(), at: NOW },
        Event::ReservationConfirmed,
        Event::OrderBuried,
        Event::OldReservationReported { order_id, since: NOW },
        Event::DispatchedUnreserved { order_id },
    ];
    for happened in &silent {
        assert_eq!(said(happened), None, "{happened:?}");
    }
}

#[test]
fn a_level_says_what_is_available_and_whether_it_is_low() {
    let stock = Stock { on_hand: 9, reserved: 4, version: 3 };
    let low = level(&sku("tea"), stock, NOW);
    assert_eq!((low.on_hand, low.reserved, low.available, low.version), (9, 4, 5, 3));
    assert!(low.low);
    assert!(!level(&sku("tea"), Stock { on_hand: 10, ..stock }, NOW).low);
}
