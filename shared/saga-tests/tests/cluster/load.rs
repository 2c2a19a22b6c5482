//! Orders at a constant rate, whatever happens, each followed to its end.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use saga_tests::customers::{Customer, Goods, Outcome};
use testkit::Random;
use tokio::task::JoinSet;

use crate::fleet::Replicas;

/// Orders a second.
pub const RATE: u32 = 200;
/// Products; a few of them run out.
const PRODUCTS: usize = 100;

/// Load that goes on until it is told to stop.
pub struct Load {
    stop: Arc<AtomicBool>,
    placed: Arc<AtomicUsize>,
    running: tokio::task::JoinHandle<Vec<Outcome>>,
    begun_at: Instant,
}

/// What became of it.
pub struct Placed {
    pub outcomes: Vec<Outcome>,
    /// How long orders were placed.
    pub took: Duration,
}

/// What the shop has.
pub fn goods() -> Goods {
    let pieces = |number| if number < 5 { 50 } else { 1_000_000 };
    (0..PRODUCTS).map(|number| (format!("sku-{number}"), pieces(number))).collect()
}

impl Load {
    /// Fills the shop and begins to order.
    pub async fn begin(front: Replicas) -> Self {
        let customer = Customer::new(front, &goods());
        customer.clone().fill_shop(&goods()).await;
        let (stop, placed) = <(Arc<AtomicBool>, Arc<AtomicUsize>)>::default();
        let running = tokio::spawn(place(customer, stop.clone(), placed.clone()));
        Self { stop, placed, running, begun_at: Instant::now() }
    }

    /// Returns once so many more orders were accepted.
    pub async fn more(&self, count: usize) {
        let enough = self.placed.load(Ordering::Relaxed) + count;
        let mut look = tokio::time::interval(Duration::from_millis(50));
        while self.placed.load(Ordering::Relaxed) < enough {
            look.tick().await;
        }
    }

    /// Returns when orders were due for so many seconds.
    pub async fn lasts(&self, seconds: usize) {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        for _ in 0..=seconds {
            second.tick().await;
        }
    }

    /// Stops ordering and waits until every order has ended.
    pub async fn end(self) -> Placed {
        self.stop.store(true, Ordering::Relaxed);
        let took = self.begun_at.elapsed();
        Placed { outcomes: self.running.await.unwrap(), took }
    }
}

/// An open loop: the next order comes when it is due, not when the last one is answered.
async fn place(
    customer: Customer<Replicas>,
    stop: Arc<AtomicBool>,
    placed: Arc<AtomicUsize>,
) -> Vec<Outcome> {
    let mut due = tokio::time::interval(Duration::from_secs(1) / RATE);
    let mut open = JoinSet::new();
    for number in 0.. {
        due.tick().await;
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (mut customer, placed) = (customer.clone(), placed.clone());
        open.spawn(async move {
            let mut random = Random::new(number as u64);
            let accepted = || {
                placed.fetch_add(1, Ordering::Relaxed);
            };
            customer.order(number, &mut random, accepted).await
        });
    }
    open.join_all().await
}

/// How many orders ended how.
pub fn tally(outcomes: &[Outcome]) -> BTreeMap<&str, usize> {
    let mut tally = BTreeMap::new();
    for outcome in outcomes {
        *tally.entry(outcome.status.as_str()).or_default() += 1;
    }
    tally
}
