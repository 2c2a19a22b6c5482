//! What each change leaves behind: status, reason, history, version, deadline.

use super::*;

/// The history as `version STATUS reason`.
fn history(state: &State) -> Vec<String> {
    let entry = |change: &StatusChange| {
        let reason = change.reason.as_deref().unwrap_or("-");
        format!("{} {} {reason}", change.version, change.status.as_str())
    };
    order(state).history.iter().map(entry).collect()
}

fn confirm() -> Change {
    Change::Confirm(shipment())
}

#[test]
fn a_new_order_waits_until_its_deadline() {
    let state = after(&[]);
    let order = order(&state);
    assert_eq!(order.status, Status::Pending);
    assert_eq!(order.total, money(2 * 499 + 1_200, "EUR"));
    assert_eq!((order.placed_at, order.updated_at), (START, START));
    assert_eq!(order.deadline_at, START.plus(PATIENCE));
    assert_eq!((order.version, history(&state)), (1, vec!["1 PENDING -".to_owned()]));
}

#[test]
fn a_confirmed_order_knows_its_shipment() {
    let happened = vec![Event::Confirmed(shipment(), LATER)];
    let state = check(&after(&[]), change(confirm()), Ok(happened));
    assert_eq!(order(&state).shipment, Some(shipment()));
    assert_eq!((order(&state).status, order(&state).updated_at), (Status::Confirmed, LATER));
    assert_eq!(history(&state), ["1 PENDING -", "2 CONFIRMED -"]);
}

#[test]
fn a_rejected_order_says_what_there_was_too_little_of() {
    let happened = vec![Event::Rejected(shortages(), LATER)];
    let state = check(&after(&[]), change(Change::Reject(shortages())), Ok(happened));
    let reason = "too little stock: tea (2 wanted, 1 there)";
    assert_eq!(order(&state).status_reason.as_deref(), Some(reason));
    assert_eq!(history(&state), ["1 PENDING -".to_owned(), format!("2 REJECTED {reason}")]);
}

#[test]
fn a_cancelled_order_says_who_cancelled_it() {
    let wish = || Change::Cancel(Some("found it cheaper".into()));
    let shipping = || Change::ConfirmCancellation("the lorry burnt".into());
    #[rustfmt::skip]
    let table = [
        (vec![], Change::Refuse("nobody goes to AQ".into()), "refused destination: nobody goes to AQ"),
        (vec![], Change::Expire, "time-out: stock and shipping did not both answer within 900 s"),
        (vec![], wish(), "customer: found it cheaper"),
        (vec![], Change::Cancel(None), "customer: no reason given"),
        (vec![confirm(), wish()], shipping(), "customer: found it cheaper"),
        (vec![confirm(), Change::Cancel(None)], shipping(), "customer: no reason given"),
        (vec![confirm()], shipping(), "shipping: the lorry burnt"),
    ];
    for (given, when, reason) in table {
        let state = after(&[given, vec![when]].concat());
        assert_eq!(order(&state).status, Status::Cancelled);
        assert_eq!(order(&state).status_reason.as_deref(), Some(reason));
        assert!(history(&state).last().unwrap().ends_with(reason));
    }
}

#[test]
fn a_wish_to_cancel_is_a_version_but_no_status() {
    let asked = Cancellation { reason: Some("too slow".into()), requested_at: LATER };
    let when = change(Change::Cancel(asked.reason.clone()));
    let happened = vec![Event::CancellationRequested(asked.clone())];
    let state = check(&after(&[confirm()]), when, Ok(happened));
    assert_eq!((order(&state).status, order(&state).version), (Status::Confirmed, 3));
    assert_eq!(order(&state).cancellation, Some(asked));
    assert_eq!(history(&state), ["1 PENDING -", "2 CONFIRMED -"]);
}

#[test]
fn a_dispatch_at_the_same_moment_beats_the_wish_to_cancel() {
    let state = after(&[confirm(), Change::Cancel(None), Change::Ship]);
    assert_eq!(history(&state), ["1 PENDING -", "2 CONFIRMED -", "4 SHIPPED -"]);
    check(&state, change(Change::ConfirmCancellation("late".into())), Ok(vec![]));
}

#[test]
fn a_delivery_whose_dispatch_was_lost_makes_up_for_it() {
    let happened = vec![Event::Shipped(LATER), Event::Completed(LATER)];
    let state = check(&after(&[confirm()]), change(Change::Deliver), Ok(happened));
    let expected = ["1 PENDING -", "2 CONFIRMED -", "3 SHIPPED -", "4 DELIVERED -"];
    assert_eq!((history(&state), order(&state).version), (expected.map(str::to_owned).to_vec(), 4));
}

#[test]
fn an_answer_after_the_deadline_changes_nothing() {
    let state = after(&[Change::Expire]);
    for late in [confirm(), Change::Reject(shortages()), Change::Refuse("late".into())] {
        assert_eq!(check(&state, change(late), Ok(vec![])), state);
    }
}
