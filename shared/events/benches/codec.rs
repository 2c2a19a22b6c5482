//! What writing and reading an event costs, a large one and a small one; JSON beside it, as a measure.

use std::hint::black_box;

use divan::{Bencher, counter::BytesCount};
use events::{
    Codec, Event,
    contracts::{
        order_completed::OrderCompleted,
        order_placed::{Address, OrderLine, OrderPlaced},
    },
};
use tokio::runtime::{Builder, Runtime};

const NAMES: [&str; 2] = ["OrderPlaced", "OrderCompleted"];

fn main() {
    divan::main();
}

#[divan::bench(args = NAMES)]
fn encode(bencher: Bencher, name: &str) {
    let (codec, event) = (Codec::fixed(), event(name));
    bencher
        .counter(size(&codec, &event))
        .bench(|| codec.encode(black_box(&event)).expect("it can be written"));
}

#[divan::bench(args = NAMES)]
fn decode(bencher: Bencher, name: &str) {
    let (codec, event, runtime) = (Codec::fixed(), event(name), runtime());
    let bytes = codec.encode(&event).expect("it can be written");
    bencher
        .counter(size(&codec, &event))
        .bench_local(|| runtime.block_on(codec.decode(black_box(&bytes))).expect("it can be read"));
}

#[divan::bench(args = NAMES)]
fn encode_as_json(bencher: Bencher, name: &str) {
    let event = event(name);
    bencher.bench(|| serde_json::to_vec(black_box(&event)).expect("it can be written"));
}

#[divan::bench(args = NAMES)]
fn decode_as_json(bencher: Bencher, name: &str) {
    let bytes = serde_json::to_vec(&event(name)).expect("it can be written");
    let read = || serde_json::from_slice::<serde_json::Value>(black_box(&bytes));
    bencher.bench(|| read().expect("it can be read"));
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

fn size(codec: &Codec, event: &Event) -> BytesCount {
    BytesCount::new(codec.encode(event).expect("it can be written").len())
}

fn event(name: &str) -> Event {
    let order_id = "0199b6a4-5c1e-7d4b-9f32-5f0c5f5d8a11".to_owned();
    match name {
        "OrderPlaced" => placed(order_id).into(),
        _ => OrderCompleted { order_id, customer_id: "ada".to_owned(), completed_at: 1 }.into(),
    }
}

/// An order of three lines.
fn placed(order_id: String) -> OrderPlaced {
    let line = |n: i32| OrderLine {
        sku: format!("load-sku-{n:05}"),
        name: format!("Product number {n}"),
        quantity: n,
        unit_price_minor: 1_999,
    };
    OrderPlaced {
        order_id,
        customer_id: "customer-00001".to_owned(),
        email: Some("ada@example.org".to_owned()),
        session_id: Some("session-1".to_owned()),
        currency: "EUR".to_owned(),
        total_minor: 11_994,
        lines: (1..=3).map(line).collect(),
        shipping_address: Address {
            name: "Ada Lovelace".to_owned(),
            line1: "Inselstr. 1".to_owned(),
            line2: None,
            city: "Berlin".to_owned(),
            postal_code: "10179".to_owned(),
            country: "DE".to_owned(),
        },
        deadline_at: 1_795_248_900_000_000,
        placed_at: 1_795_248_000_000_000,
    }
}
