//! Every action in every state, and what no history may lead to.

use proptest::{collection::vec, prelude::*, sample::select};
use uuid::Uuid;

use super::*;

const ORDER: OrderId = OrderId(Uuid::from_u128(1));
const SHIPMENT: ShipmentId = ShipmentId(Uuid::from_u128(2));
const OTHER: ShipmentId = ShipmentId(Uuid::from_u128(3));
const NOW: Timestamp = Timestamp(1_795_248_000_000_000);
const ETA: Timestamp = Timestamp(1_795_507_200_000_000);

fn to(country: &str) -> Address {
    Address {
        name: "Ada".into(),
        line1: "1 Mill Lane".into(),
        line2: None,
        city: "Cambridge".into(),
        postal_code: "CB2 1RX".into(),
        country: country.into(),
    }
}

fn terms() -> Terms {
    Terms { shipment_id: SHIPMENT, eta: ETA, refused_countries: Arc::new(["AQ".to_owned()]) }
}

fn place(country: &str) -> Action {
    Action::NoteAddress(to(country), terms())
}

fn reserve() -> Action {
    Action::NoteStock(terms())
}

fn end() -> Action {
    Action::EndOrder("time-out".into())
}

fn cancel() -> Action {
    Action::Cancel("asked".into())
}

fn try_to(state: &State, action: Action) -> Result<Vec<Event>, Refusal> {
    Rules::decide(state, Command { order_id: ORDER, now: NOW, action })
}

/// The state after `action`, and what happened.
fn then(state: State, action: Action) -> (State, Vec<Event>) {
    let events = try_to(&state, action).unwrap_or_default();
    (events.iter().fold(state, Rules::evolve), events)
}

fn after(actions: impl IntoIterator<Item = Action>) -> State {
    actions.into_iter().fold(State::Unknown, |state, action| then(state, action).0)
}

fn state(name: &str) -> State {
    let dispatch = || Action::Dispatch(SHIPMENT);
    let deliver = || Action::Deliver(SHIPMENT);
    match name {
        "Unknown" => after([]),
        "AddressKnown" => after([place("GB")]),
        "StockKnown" => after([reserve()]),
        "Tombstone" => after([end()]),
        "Scheduled" => after([place("GB"), reserve()]),
        "Released" => after([place("GB"), reserve(), Action::Release]),
        "Dispatched" => after([place("GB"), reserve(), Action::Release, dispatch()]),
        "Delivered" => after([place("GB"), reserve(), Action::Release, dispatch(), deliver()]),
        "Cancelled" => after([place("GB"), reserve(), end()]),
        "Refused" => after([place("AQ"), reserve()]),
        other => panic!("no state {other}"),
    }
}

fn action(name: &str) -> Action {
    match name {
        "NoteAddress" => place("GB"),
        "NoteStock" => reserve(),
        "DropOrder" => Action::DropOrder,
        "Release" => Action::Release,
        "Cancel" => cancel(),
        "EndOrder" => end(),
        "Dispatch" => Action::Dispatch(SHIPMENT),
        "Deliver" => Action::Deliver(SHIPMENT),
        other => panic!("no action {other}"),
    }
}

/// What an action comes to, in a word.
fn outcome(result: Result<Vec<Event>, Refusal>) -> &'static str {
    let events = match result {
        Ok(events) => events,
        Err(Refusal::NoShipment) => return "!no",
        Err(Refusal::NotReleased) => return "!not-released",
        Err(Refusal::NotDispatched) => return "!not-dispatched",
        Err(Refusal::AlreadyDispatched) => return "!already-dispatched",
        Err(Refusal::AlreadyDelivered) => return "!already-delivered",
        Err(Refusal::Cancelled) => return "!cancelled",
        Err(Refusal::Refused) => return "!refused",
    };
    match events.as_slice() {
        [] => "-",
        [Event::AddressNoted(_)] => "noted",
        [Event::StockNoted] => "noted",
        [Event::OrderDropped] => "dropped",
        [Event::ShipmentScheduled(_)] => "scheduled",
        [Event::ShipmentRefused(_)] => "refused",
        [Event::ShipmentReleased(_)] => "released",
        [Event::ShipmentDispatched(_)] => "dispatched",
        [Event::ShipmentDelivered(_)] => "delivered",
        [Event::ShipmentCancelled(_)] => "cancelled",
        more => panic!("more than one event: {more:?}"),
    }
}

const MATRIX: &str = "
state        NoteAddress NoteStock DropOrder Release  Cancel    EndOrder  Dispatch            Deliver
Unknown      noted       noted     dropped   -        -         dropped   !no                 !no
AddressKnown -           scheduled dropped   -        -         dropped   !no                 !no
StockKnown   scheduled   -         dropped   -        -         dropped   !no                 !no
Tombstone    -           -         -         -        -         -         !no                 !no
Scheduled    -           -         -         released cancelled cancelled !not-released       !not-dispatched
Released     -           -         -         -        cancelled cancelled dispatched          !not-dispatched
Dispatched   -           -         -         -        -         -         !already-dispatched delivered
Delivered    -           -         -         -        -         -         !already-delivered  !already-delivered
Cancelled    -           -         -         -        -         -         !cancelled          !cancelled
Refused      -           -         -         -        -         -         !refused            !refused
";

#[test]
fn every_action_has_its_answer_in_every_state() {
    let mut rows = MATRIX.trim().lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let actions = rows.next().unwrap_or_default();
    for row in rows {
        for (name, expected) in actions.iter().zip(&row).skip(1) {
            let found = outcome(try_to(&state(row[0]), action(name)));
            assert_eq!(found, *expected, "{name} in {}", row[0]);
        }
    }
}

#[test]
fn a_repeat_of_any_event_changes_nothing() {
    for actions in [
        vec![place("GB"), reserve(), Action::Release, cancel(), end()],
        vec![reserve(), place("AQ"), end()],
        vec![place("GB"), Action::DropOrder, end()],
    ] {
        let mut state = State::Unknown;
        for action in actions {
            state = then(state, action.clone()).0;
            assert_eq!(try_to(&state, action.clone()), Ok(vec![]), "{action:?}");
        }
    }
}

#[test]
fn the_order_in_which_address_and_stock_come_makes_no_difference() {
    for country in ["GB", "AQ"] {
        assert_eq!(after([place(country), reserve()]), after([reserve(), place(country)]));
    }
}

#[test]
fn a_shipment_is_booked_by_its_terms() {
    let State::Scheduled(Scheduled { booking, address }) = state("Scheduled") else {
        panic!("not scheduled")
    };
    assert_eq!(address, to("GB"));
    assert_eq!((booking.order_id, booking.shipment_id), (ORDER, SHIPMENT));
    assert_eq!((booking.scheduled_at, booking.eta), (NOW, ETA));
    assert_eq!(booking.carrier, "Blue Van");
    assert_eq!(booking.tracking_number, "BV0000000000000002");
}

#[test]
fn a_refused_destination_is_refused_in_any_case_and_named() {
    for country in ["AQ", "aq"] {
        let State::Refused(refused) = after([place(country), reserve()]) else {
            panic!("not refused")
        };
        assert_eq!(refused.reason, format!("we do not ship to {country}"));
        assert_eq!((refused.shipment_id, refused.refused_at), (SHIPMENT, NOW));
    }
}

#[test]
fn an_operator_who_names_another_shipment_is_refused() {
    for name in ["Scheduled", "Released", "Dispatched", "Delivered", "Cancelled", "Refused"] {
        for action in [Action::Dispatch(OTHER), Action::Deliver(OTHER)] {
            assert_eq!(try_to(&state(name), action), Err(Refusal::NoShipment), "{name}");
        }
    }
}

#[test]
fn an_address_is_not_in_the_logs() {
    for name in ["AddressKnown", "Scheduled", "Released", "Dispatched"] {
        let debug = format!("{:?}", state(name));
        assert!(debug.contains("GB") && !debug.contains("Mill Lane"), "{debug}");
    }
}

fn heard() -> impl Strategy<Value = Action> {
    let country = select(vec!["GB", "AQ"]).prop_map(place);
    let others = vec![reserve(), Action::DropOrder, Action::Release, cancel(), end()];
    prop_oneof![1 => country, 4 => select(others)]
}

fn asked() -> impl Strategy<Value = Action> {
    select(vec![Action::Dispatch(SHIPMENT), Action::Deliver(SHIPMENT)])
}

proptest! {
    /// I6, with every event in any order and any number of times.
    #[test]
    fn an_ended_order_has_no_live_shipment(
        before in vec(heard(), 0..12),
        later in vec(heard(), 0..12),
    ) {
        let ended = after(before.into_iter().chain([end()]).chain(later));
        let is_live = matches!(ended, State::Scheduled(_) | State::Released(_));
        prop_assert!(!is_live, "{ended:?}");
    }

    /// I6, whatever operators do meanwhile: only a parcel that had left already goes on.
    #[test]
    fn nothing_is_dispatched_after_its_order_ended(
        before in vec(prop_oneof![heard(), asked()], 0..12),
        later in vec(prop_oneof![heard(), asked()], 0..12),
    ) {
        let mut state = after(before.into_iter().chain([end()]));
        for action in later {
            let (next, events) = then(state, action);
            prop_assert!(!events.iter().any(|e| matches!(e, Event::ShipmentDispatched(_))));
            state = next;
        }
    }

    /// The race of a cancellation against a dispatch has one winner.
    #[test]
    fn no_shipment_is_both_dispatched_and_cancelled(
        actions in vec(prop_oneof![3 => heard(), 1 => asked()], 0..40),
    ) {
        let (mut state, mut all) = (State::Unknown, Vec::new());
        for action in actions {
            let (next, events) = then(state, action);
            state = next;
            all.extend(events.into_iter().map(|event| outcome(Ok(vec![event]))));
        }
        let times = |name| all.iter().filter(|event| **event == name).count();
        prop_assert!(times("dispatched") + times("cancelled") + times("refused") <= 1, "{all:?}");
        prop_assert!(times("scheduled") + times("refused") <= 1, "{all:?}");
        prop_assert!(times("dispatched") <= times("released"), "{all:?}");
        prop_assert!(times("delivered") <= times("dispatched"), "{all:?}");
    }

    /// However its events are mixed, an order that was placed, reserved and confirmed, and is not
    /// ended, has a shipment.
    #[test]
    fn a_duplicate_or_a_late_event_loses_no_shipment(
        actions in vec(prop_oneof![Just(place("GB")), Just(reserve()), Just(Action::Release)], 0..12),
    ) {
        let state = after(actions.into_iter().chain([place("GB"), reserve(), Action::Release]));
        prop_assert!(matches!(state, State::Released(_)), "{state:?}");
    }
}
