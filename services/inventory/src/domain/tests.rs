mod conservation;
mod products;

use std::collections::BTreeMap;

use kernel::{Money, OrderId, Sku, Timestamp};
use testkit::{Given, given};
use uuid::Uuid;

use super::*;

const NOW: Timestamp = Timestamp(1_000_000);
const LATER: Timestamp = Timestamp(2_000_000);
const ORDER: OrderId = OrderId(Uuid::from_u128(7));

fn sku(name: &str) -> Sku {
    name.parse().unwrap()
}

fn lines(pairs: &[(&str, i32)]) -> Lines {
    pairs.iter().map(|(name, quantity)| (sku(name), *quantity)).collect()
}

fn details() -> Details {
    Details {
        name: "Tea".into(),
        description: None,
        price: Money::new(450, "EUR".parse().unwrap()),
        category: None,
        image_url: None,
        active: true,
    }
}

/// What these products have on hand.
fn on_hand(pairs: &[(&str, i64)]) -> Given<Rules> {
    given(pairs.iter().map(|(name, delta)| Event::StockAdjusted {
        sku: sku(name),
        delta: *delta,
        reason: "delivery".into(),
        at: NOW,
    }))
}

fn ask(pairs: &[(&str, i32)]) -> Command {
    Command::Reserve { order_id: ORDER, lines: lines(pairs), now: NOW }
}

fn reserved(pairs: &[(&str, i32)]) -> Event {
    Event::StockReserved { order_id: ORDER, lines: lines(pairs), at: NOW }
}

fn released(pairs: &[(&str, i32)]) -> Event {
    Event::StockReleased { order_id: ORDER, lines: lines(pairs), at: LATER }
}

fn committed(pairs: &[(&str, i32)]) -> Event {
    Event::StockCommitted { order_id: ORDER, lines: lines(pairs), at: LATER }
}

fn rejected(short: &[(&str, i32, i64)]) -> Event {
    let shortages = short.iter().map(|(name, requested, available)| Shortage {
        sku: sku(name),
        requested: *requested,
        available: *available,
    });
    Event::StockRejected { order_id: ORDER, shortages: shortages.collect(), at: NOW }
}

const CONFIRM: Command = Command::Confirm { order_id: ORDER };
const RELEASE: Command = Command::Release { order_id: ORDER, now: LATER };
const COMMIT: Command = Command::Commit { order_id: ORDER, now: LATER };
const REPORT: Command = Command::Report { order_id: ORDER };

#[test]
fn an_order_gets_every_line_or_none() {
    let given = || on_hand(&[("cup", 5), ("tea", 2)]);
    given().when(ask(&[("cup", 5), ("tea", 2)])).then([reserved(&[("cup", 5), ("tea", 2)])]);
    given().when(ask(&[("cup", 5), ("tea", 3)])).then([rejected(&[("tea", 3, 2)])]);
    given().when(ask(&[("cup", 6), ("tea", 3)])).then([rejected(&[("cup", 6, 5), ("tea", 3, 2)])]);
}

#[test]
fn of_an_unknown_product_there_is_none() {
    on_hand(&[("cup", 5)]).when(ask(&[("cup", 1), ("gin", 1)])).then([rejected(&[("gin", 1, 0)])]);
}

#[test]
fn what_one_order_holds_is_not_there_for_another() {
    let other = OrderId(Uuid::from_u128(8));
    let held = Event::StockReserved { order_id: other, lines: lines(&[("cup", 4)]), at: NOW };
    let mut state = Rules::evolve(Rules::evolve(State::default(), &stocked("cup", 5)), &held);
    state.reservation = Reservation::Unknown;
    Given::<Rules>::state(state).when(ask(&[("cup", 2)])).then([rejected(&[("cup", 2, 1)])]);
}

fn stocked(name: &str, delta: i64) -> Event {
    Event::StockAdjusted { sku: sku(name), delta, reason: "delivery".into(), at: NOW }
}

#[test]
fn a_cancelled_order_gives_back_and_a_shipped_one_takes_along() {
    let held = || on_hand(&[("cup", 5)]).and([reserved(&[("cup", 2)])]);
    held().when(RELEASE).then([released(&[("cup", 2)])]);
    held().when(COMMIT).then([committed(&[("cup", 2)])]);
}

#[test]
fn stock_counts_what_is_on_hand_and_what_of_it_is_reserved() {
    let stock = |happened: &[Event]| {
        let all = [&[stocked("cup", 5), reserved(&[("cup", 2)])], happened].concat();
        let state = all.iter().fold(State::default(), Rules::evolve);
        let Stock { on_hand, reserved, version } = state.stock_of(&sku("cup"));
        (on_hand, reserved, version)
    };
    assert_eq!(stock(&[]), (5, 2, 2));
    assert_eq!(stock(&[released(&[("cup", 2)])]), (5, 0, 3));
    assert_eq!(stock(&[committed(&[("cup", 2)])]), (3, 0, 3));
}

#[test]
fn the_ledger_has_what_came_and_what_left_but_not_what_is_only_reserved() {
    let happened = [stocked("cup", 5), reserved(&[("cup", 2)]), committed(&[("cup", 2)])];
    let state = happened.iter().fold(State::default(), Rules::evolve);
    let ledger: Vec<_> =
        state.movements.iter().map(|entry| (entry.delta, entry.reason.as_str())).collect();
    assert_eq!(ledger, [(5, "delivery"), (-2, format!("order {ORDER}").as_str())]);
}

#[test]
fn an_order_that_was_over_before_it_was_known_never_reserves() {
    on_hand(&[("cup", 5)])
        .when(RELEASE)
        .then([Event::OrderBuried])
        .when(ask(&[("cup", 1)]))
        .then_nothing()
        .when(RELEASE)
        .then_nothing();
}

/// Every state an order's reservation can end in, by what happened to it.
fn ends() -> Vec<Vec<Event>> {
    let two = &[("cup", 2)];
    vec![
        vec![rejected(&[("cup", 9, 5)])],
        vec![reserved(two), released(two)],
        vec![reserved(two), committed(two)],
        vec![Event::OrderBuried],
        vec![Event::DispatchedUnreserved { order_id: ORDER }],
    ]
}

#[test]
fn a_repeated_order_does_nothing_whatever_became_of_it() {
    let live = vec![vec![reserved(&[("cup", 2)])]];
    for happened in ends().into_iter().chain(live) {
        on_hand(&[("cup", 5)]).and(happened).when(ask(&[("cup", 2)])).then_nothing();
    }
}

#[test]
fn what_is_over_is_not_released_confirmed_or_reported() {
    for happened in ends() {
        let given = || on_hand(&[("cup", 5)]).and(happened.clone());
        given().when(RELEASE).then_nothing();
        given().when(CONFIRM).then_nothing();
        given().when(REPORT).then_nothing();
    }
}

#[test]
fn a_parcel_for_which_nothing_is_held_touches_no_stock_and_is_told_once() {
    let told = || [Event::DispatchedUnreserved { order_id: ORDER }];
    let two = &[("cup", 2)];
    let without_stock = [
        vec![],
        vec![rejected(&[("cup", 9, 5)])],
        vec![reserved(two), released(two)],
        vec![Event::OrderBuried],
    ];
    for happened in without_stock {
        on_hand(&[("cup", 5)]).and(happened).when(COMMIT).then(told()).when(COMMIT).then_nothing();
    }
    let state = Rules::evolve(State::default(), &stocked("cup", 5));
    let [told] = told();
    assert_eq!(Rules::evolve(state, &told).stock_of(&sku("cup")).on_hand, 5);
}

#[test]
fn a_repeated_dispatch_takes_nothing_twice() {
    let two = &[("cup", 2)];
    on_hand(&[("cup", 5)])
        .and([reserved(two)])
        .when(COMMIT)
        .then([committed(two)])
        .when(COMMIT)
        .then_nothing();
}

#[test]
fn an_unconfirmed_reservation_is_reported_once_and_kept() {
    let old = Event::OldReservationReported { order_id: ORDER, since: NOW };
    on_hand(&[("cup", 5)])
        .and([reserved(&[("cup", 2)])])
        .when(REPORT)
        .then([old])
        .when(REPORT)
        .then_nothing()
        .when(COMMIT)
        .then([committed(&[("cup", 2)])]);
}

#[test]
fn a_confirmed_reservation_is_not_reported() {
    on_hand(&[("cup", 5)])
        .and([reserved(&[("cup", 2)])])
        .when(CONFIRM)
        .then([Event::ReservationConfirmed])
        .when(CONFIRM)
        .then_nothing()
        .when(REPORT)
        .then_nothing();
    given::<Rules>([]).when(CONFIRM).then_nothing();
    given::<Rules>([]).when(REPORT).then_nothing();
}

#[test]
fn stock_is_low_from_five_on_down() {
    let low = |on_hand, reserved| Stock { on_hand, reserved, version: 1 }.is_low();
    assert!(low(5, 0) && low(9, 4) && low(0, 0));
    assert!(!low(6, 0) && !low(9, 3));
}
