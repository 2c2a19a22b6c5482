//! What the rules alone cost: an order of three lines is placed, then confirmed.

use std::{collections::BTreeMap, hint::black_box, time::Duration};

use divan::Bencher;
use kernel::{Decider as _, Money, OrderId, ShipmentId, Sku, Timestamp};
use order_service::domain::{
    Address, Change, Command, Event, NewOrder, Product, Rules, Shipment, State,
};
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_795_248_000_000_000);
const ID: OrderId = OrderId(Uuid::from_u128(7));

fn main() {
    divan::main();
}

#[divan::bench]
fn place(bencher: Bencher) {
    let state = shop();
    bencher.with_inputs(place_command).bench_local_values(|command| decide(&state, command));
}

#[divan::bench]
fn confirm(bencher: Bencher) {
    let state = evolve(shop(), &decide(&shop(), place_command()));
    bencher.with_inputs(confirm_command).bench_local_values(|command| decide(&state, command));
}

/// Both, and the state after each: all that the rules do for a saga.
#[divan::bench]
fn place_and_confirm(bencher: Bencher) {
    let inputs = || (shop(), place_command(), confirm_command());
    bencher.with_inputs(inputs).bench_local_values(|(state, place, confirm)| {
        let placed = decide(&state, place);
        let state = evolve(state, &placed);
        let confirmed = decide(&state, confirm);
        evolve(state, &confirmed)
    });
}

fn decide(state: &State, command: Command) -> Vec<Event> {
    Rules::decide(black_box(state), command).expect("it is allowed")
}

fn evolve(state: State, happened: &[Event]) -> State {
    happened.iter().fold(state, Rules::evolve)
}

fn skus() -> impl Iterator<Item = Sku> {
    (0..3).map(|n| format!("load-sku-{n:05}").parse().expect("an SKU"))
}

fn shop() -> State {
    let price = Money::new(1_999, "EUR".parse().expect("a currency"));
    let product = Product { name: "Product".to_owned(), price, active: true };
    let catalogue: BTreeMap<_, _> = skus().map(|sku| (sku, product.clone())).collect();
    State { order: None, catalogue }
}

fn place_command() -> Command {
    let order = NewOrder {
        customer_id: "customer-00001".parse().expect("a customer"),
        email: Some("ada@example.org".to_owned()),
        session_id: None,
        lines: skus().map(|sku| (sku, 2)).collect(),
        address: Address {
            name: "Ada Lovelace".to_owned(),
            line1: "Inselstr. 1".to_owned(),
            line2: None,
            city: "Berlin".to_owned(),
            postal_code: "10179".to_owned(),
            country: "DE".to_owned(),
        },
    };
    let patience = Duration::from_mins(15);
    Command::Place { id: ID, order: Box::new(order), now: NOW, patience }
}

fn confirm_command() -> Command {
    let shipment = Shipment {
        id: ShipmentId(Uuid::from_u128(8)),
        carrier: "Snail".to_owned(),
        tracking_number: "S-1".to_owned(),
        eta: NOW,
    };
    Command::Change(ID, Change::Confirm(shipment), NOW)
}
