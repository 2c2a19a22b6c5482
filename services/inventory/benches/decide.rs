//! What the rules alone cost: an order of one, three and a hundred lines is reserved.

use std::hint::black_box;

use divan::{Bencher, counter::ItemsCount};
use inventory_service::domain::{Command, Lines, Rules, State, Stock};
use kernel::{Decider as _, OrderId, Sku, Timestamp};
use uuid::Uuid;

const ORDER: OrderId = OrderId(Uuid::from_u128(7));
const NOW: Timestamp = Timestamp(1_795_248_000_000_000);
const LINES: [u32; 3] = [1, 3, 100];

fn main() {
    divan::main();
}

#[divan::bench(args = LINES)]
fn reserve(bencher: Bencher, lines: u32) {
    let state = warehouse(lines, 1_000);
    let decide = |command| Rules::decide(black_box(&state), command);
    bencher
        .counter(ItemsCount::new(lines))
        .with_inputs(|| command(lines))
        .bench_local_values(|command| decide(command).expect("it is allowed"));
}

/// The same, and the state after it.
#[divan::bench(args = LINES)]
fn reserve_and_evolve(bencher: Bencher, lines: u32) {
    bencher
        .counter(ItemsCount::new(lines))
        .with_inputs(|| (warehouse(lines, 1_000), command(lines)))
        .bench_local_values(|(state, command)| {
            let happened = Rules::decide(&state, command).expect("it is allowed");
            happened.iter().fold(state, Rules::evolve)
        });
}

/// There is too little of everything.
#[divan::bench(args = LINES)]
fn reject(bencher: Bencher, lines: u32) {
    let state = warehouse(lines, 1);
    let decide = |command| Rules::decide(black_box(&state), command);
    bencher
        .counter(ItemsCount::new(lines))
        .with_inputs(|| command(lines))
        .bench_local_values(|command| decide(command).expect("it is allowed"));
}

fn sku(n: u32) -> Sku {
    format!("load-sku-{n:05}").parse().expect("an SKU")
}

fn warehouse(lines: u32, on_hand: i64) -> State {
    let stock = Stock { on_hand, ..Stock::default() };
    State { stock: (0..lines).map(|n| (sku(n), stock)).collect(), ..State::default() }
}

fn command(lines: u32) -> Command {
    let lines: Lines = (0..lines).map(|n| (sku(n), 2)).collect();
    Command::Reserve { order_id: ORDER, lines, now: NOW }
}
