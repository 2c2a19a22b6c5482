//! Given a state, when a command comes, then this happens.

mod changing;
mod invariants;
mod matrix;
mod placing;

use uuid::Uuid;

use super::*;
use crate::testing::START;

const PATIENCE: Duration = Duration::from_secs(900);
const LATER: Timestamp = Timestamp(START.0 + 60_000_000);

/// Given `state`, when `command` comes, then `outcome`. Returns the state after it.
#[track_caller]
fn check(state: &State, command: Command, outcome: Result<Vec<Event>, Refusal>) -> State {
    let happened = Rules::decide(state, command.clone());
    assert_eq!(happened, outcome, "{command:?}");
    happened.into_iter().flatten().fold(state.clone(), |state, event| Rules::evolve(state, &event))
}

fn id() -> OrderId {
    OrderId(Uuid::from_u128(7))
}

fn sku(text: &str) -> Sku {
    text.parse().unwrap()
}

fn money(amount_minor: i64, currency: &str) -> Money {
    Money::new(amount_minor, currency.parse().unwrap())
}

fn product(price: Money) -> Product {
    Product { name: "Fine".into(), price, active: true }
}

/// What can be ordered: tea and cake in EUR, a book in USD, gold at the price of all money, and
/// ice, which is not sold at present.
fn catalogue() -> BTreeMap<Sku, Product> {
    BTreeMap::from([
        (sku("tea"), product(money(499, "EUR"))),
        (sku("cake"), product(money(1_200, "EUR"))),
        (sku("book"), product(money(2_000, "USD"))),
        (sku("gold"), product(money(i64::MAX, "EUR"))),
        (sku("ice"), Product { active: false, ..product(money(100, "EUR")) }),
    ])
}

fn shop() -> State {
    State { order: None, catalogue: catalogue() }
}

fn address() -> Address {
    Address {
        name: "Ada Lovelace".into(),
        line1: "Inselstr. 1".into(),
        line2: None,
        city: "Berlin".into(),
        postal_code: "10179".into(),
        country: "DE".into(),
    }
}

/// Two packets of tea and a cake.
fn new_order() -> NewOrder {
    NewOrder {
        customer_id: "c-1".parse().unwrap(),
        email: Some("ada@example.org".into()),
        session_id: Some("s-1".parse().unwrap()),
        lines: vec![(sku("tea"), 2), (sku("cake"), 1)],
        address: address(),
    }
}

fn place(order: NewOrder) -> Command {
    Command::Place { id: id(), order: Box::new(order), now: START, patience: PATIENCE }
}

fn change(change: Change) -> Command {
    Command::Change(id(), change, LATER)
}

fn shipment() -> Shipment {
    Shipment {
        id: ShipmentId(Uuid::from_u128(8)),
        carrier: "Snail".into(),
        tracking_number: "S-1".into(),
        eta: LATER,
    }
}

fn shortages() -> Vec<Shortage> {
    vec![Shortage { sku: "tea".into(), requested: 2, available: 1 }]
}

/// The state that these changes lead to, one after the other.
fn after(changes: &[Change]) -> State {
    let commands = changes.iter().cloned().map(change);
    std::iter::once(place(new_order())).chain(commands).fold(shop(), |state, command| {
        let happened = Rules::decide(&state, command).unwrap();
        happened.iter().fold(state, Rules::evolve)
    })
}

fn order(state: &State) -> &Order {
    state.order.as_ref().unwrap()
}
