//! What holds for any sequence of changes, and any lines.

use proptest::{collection::vec, prelude::*};

use super::*;

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Confirm(shipment())),
        vec(Just(shortages()), 0..3).prop_map(|shortages| Change::Reject(shortages.concat())),
        ".{0,8}".prop_map(Change::Refuse),
        Just(Change::Expire),
        proptest::option::of(".{0,8}").prop_map(Change::Cancel),
        ".{0,8}".prop_map(Change::ConfirmCancellation),
        Just(Change::Ship),
        Just(Change::Deliver),
    ]
}

/// The arrows of DESIGN.md, section 6.
fn may_follow(from: Status, to: Status) -> bool {
    use Status::{Cancelled, Confirmed, Delivered, Pending, Rejected, Shipped};
    matches!(
        (from, to),
        (Pending, Confirmed | Rejected | Cancelled)
            | (Confirmed, Shipped | Cancelled)
            | (Shipped, Delivered)
    )
}

#[track_caller]
fn check_history(order: &Order) {
    let history = &order.history;
    assert_eq!((history[0].version, history[0].status), (1, Status::Pending));
    for step in history.windows(2) {
        assert!(may_follow(step[0].status, step[1].status), "{history:?}");
        assert!(step[0].version < step[1].version && step[0].at <= step[1].at, "{history:?}");
    }
    let last = history.last().unwrap();
    assert_eq!((last.status, &last.reason), (order.status, &order.status_reason));
    assert!(last.version <= order.version && order.version <= last.version + 1);
}

/// Does `change`, counts what happened, and does it again: nothing more may happen.
fn step(state: State, change: Change, now: Timestamp, events: &mut i64) -> State {
    let command = Command::Change(id(), change, now);
    let happened = Rules::decide(&state, command.clone()).unwrap_or_default();
    *events += i64::try_from(happened.len()).unwrap();
    let state = happened.iter().fold(state, Rules::evolve);
    assert_eq!(Rules::decide(&state, command).unwrap_or_default(), vec![]);
    state
}

proptest! {
    #[test]
    fn whatever_happens_an_order_walks_the_state_machine(changes in vec(any_change(), 0..20)) {
        let (mut state, mut now, mut events) = (after(&[]), START, 1);
        for change in changes {
            now = now.plus(Duration::from_secs(1));
            let before = state.clone();
            state = step(state, change, now, &mut events);
            let order = order(&state);
            check_history(order);
            prop_assert_eq!(order.version, events);
            prop_assert!(!before.order.is_some_and(|before| before.status.is_final() && before != *order));
        }
    }

    #[test]
    fn a_redelivery_of_all_that_happened_changes_nothing(changes in vec(any_change(), 0..8)) {
        let settle = |state: State, change: &Change| step(state, change.clone(), LATER, &mut 0);
        let is_ours = |change: &&Change| !matches!(change, Change::Cancel(_) | Change::Expire);
        let state = changes.iter().chain([&Change::Expire]).fold(after(&[]), settle);
        if order(&state).status.is_final() {
            prop_assert_eq!(changes.iter().filter(is_ours).fold(state.clone(), settle), state);
        }
    }

    #[test]
    fn a_total_is_exact_or_refused(wanted in vec((0..20_000_u32, 0..i64::MAX), 1..8)) {
        let named = |i: usize| sku(&format!("sku-{i}"));
        let price = |(i, (_, price)): (usize, &(u32, i64))| (named(i), product(money(*price, "EUR")));
        let catalogue = wanted.iter().enumerate().map(price).collect();
        let lines = wanted.iter().enumerate().map(|(i, (quantity, _))| (named(i), *quantity)).collect();
        let decided = Rules::decide(&State { order: None, catalogue }, place(NewOrder { lines, ..new_order() }));
        let exact: i128 = wanted.iter().map(|(quantity, price)| i128::from(*quantity) * i128::from(*price)).sum();
        let sellable = wanted.iter().all(|(quantity, _)| (1..=10_000).contains(quantity));
        match decided.as_deref() {
            Ok([Event::Placed(order)]) => prop_assert_eq!(i128::from(order.total.amount_minor), exact),
            Err(Refusal::Invalid(_)) => prop_assert!(!sellable || exact > i128::from(i64::MAX)),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn no_text_makes_the_rules_panic(email in ".{0,40}", country in ".{0,4}", name in "\\PC{0,10}") {
        let address = Address { country, name, ..address() };
        let order = NewOrder { email: Some(email), address, ..new_order() };
        prop_assert!(matches!(Rules::decide(&shop(), place(order)), Ok(_) | Err(Refusal::Invalid(_))));
    }
}
