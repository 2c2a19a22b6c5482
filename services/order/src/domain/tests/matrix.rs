//! Every change in every status: the state machine on one screen.

use super::*;

fn confirm() -> Change {
    Change::Confirm(shipment())
}

/// The columns of the table.
fn changes() -> [Change; 8] {
    [
        confirm(),
        Change::Reject(shortages()),
        Change::Refuse("too far".into()),
        Change::Expire,
        Change::Cancel(None),
        Change::ConfirmCancellation("shipping's own".into()),
        Change::Ship,
        Change::Deliver,
    ]
}

/// A new change does not compile here until the table has a column for it.
fn column(change: &Change) -> usize {
    match change {
        Change::Confirm(_) => 0,
        Change::Reject(_) => 1,
        Change::Refuse(_) => 2,
        Change::Expire => 3,
        Change::Cancel(_) => 4,
        Change::ConfirmCancellation(_) => 5,
        Change::Ship => 6,
        Change::Deliver => 7,
    }
}

fn name(event: &Event) -> &'static str {
    match event {
        Event::Placed(_) => "placed",
        Event::Confirmed(..) => "confirmed",
        Event::Rejected(..) => "rejected",
        Event::CancellationRequested(_) => "asked",
        Event::Cancelled(Cause::Customer, ..) => "customer",
        Event::Cancelled(Cause::RefusedDestination, ..) => "refused",
        Event::Cancelled(Cause::TimeOut, ..) => "time-out",
        Event::Cancelled(Cause::Shipping, ..) => "shipping",
        Event::Shipped(_) => "shipped",
        Event::Completed(_) => "completed",
    }
}

/// What happens, in a word or two; `-` is nothing.
fn outcome(state: &State, command: Command) -> String {
    match Rules::decide(state, command) {
        Ok(events) if events.is_empty() => "-".into(),
        Ok(events) => events.iter().map(name).collect::<Vec<_>>().join("+"),
        Err(Refusal::TooLate(status)) if status == order(state).status => "too late".into(),
        Err(refusal) => panic!("{refusal}"),
    }
}

#[test]
fn every_change_in_every_status() {
    let asked = [confirm(), Change::Cancel(None)];
    #[rustfmt::skip]
    let table: [(Status, &[Change], [&str; 8]); 8] = [
        //                                                 Confirm      Reject      Refuse     Expire      Cancel      ConfirmC.   Ship       Deliver
        (Status::Pending, &[],                            ["confirmed", "rejected", "refused", "time-out", "customer", "-",        "-",       "-"]),
        (Status::Confirmed, &[confirm()],                 ["-",         "-",        "-",       "-",        "asked",    "shipping", "shipped", "shipped+completed"]),
        (Status::Confirmed, &asked,                       ["-",         "-",        "-",       "-",        "-",        "customer", "shipped", "shipped+completed"]),
        (Status::Shipped, &[confirm(), Change::Ship],     ["-",         "-",        "-",       "-",        "too late", "-",        "-",       "completed"]),
        (Status::Delivered, &[confirm(), Change::Deliver],["-",         "-",        "-",       "-",        "too late", "-",        "-",       "-"]),
        (Status::Rejected, &[Change::Reject(vec![])],     ["-",         "-",        "-",       "-",        "too late", "-",        "-",       "-"]),
        (Status::Cancelled, &[Change::Expire],            ["-",         "-",        "-",       "-",        "too late", "-",        "-",       "-"]),
        (Status::Cancelled, &[Change::Cancel(None)],      ["-",         "-",        "-",       "-",        "too late", "-",        "-",       "-"]),
    ];
    for (status, given, expected) in table {
        let state = after(given);
        assert_eq!(order(&state).status, status);
        for (when, then) in changes().into_iter().zip(expected) {
            assert_eq!(changes()[column(&when)], when);
            assert_eq!(outcome(&state, change(when.clone())), then, "{status:?}: {when:?}");
        }
    }
}

#[test]
fn nothing_happens_to_an_order_nobody_placed() {
    for when in changes() {
        check(&shop(), change(when), Err(Refusal::Unknown(id())));
    }
}

#[test]
fn an_order_is_placed_once() {
    for given in [&[][..], &[confirm()], &[Change::Expire]] {
        check(&after(given), place(new_order()), Ok(vec![]));
    }
}

#[test]
fn only_three_statuses_are_final() {
    use Status::{Cancelled, Confirmed, Delivered, Pending, Rejected, Shipped};
    for status in [Pending, Confirmed, Shipped] {
        assert!(!status.is_final(), "{status:?}");
    }
    for status in [Delivered, Rejected, Cancelled] {
        assert!(status.is_final(), "{status:?}");
    }
}
