//! `kill -9` in mid-load: the real shop is killed at random moments and started again on the same
//! data. Every acknowledged order must end, none twice, and no stock may vanish.
//! `KILL_SEED=n` repeats the moments and the workload.
#![expect(clippy::unwrap_used, reason = "tests")]

mod process;
mod verdict;

use std::{collections::BTreeMap, io::Write as _, time::Duration};

use async_trait::async_trait;
use futures::future::join_all;
use saga_tests::customers::{Customer, Front, Goods, Outcome};
use tempfile::TempDir;
use testkit::Random;
use tokio::sync::watch;

use crate::{process::Shop, verdict::Verdict};

const ORDERS: usize = 300;
const CLIENTS: usize = 8;
const KILLS: usize = 5;
/// Only a shop that hangs takes this long.
const GIVE_UP: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_order_ends_whenever_the_shop_is_killed() {
    let test = tokio::time::timeout(GIVE_UP, kill_in_mid_load(seed()));
    test.await.expect("the shop answers within ten minutes");
}

#[allow(clippy::disallowed_methods, reason = "the way to repeat a test, and a new one each time")]
fn seed() -> u64 {
    let given = std::env::var("KILL_SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| u64::from(std::process::id()))
}

async fn kill_in_mid_load(seed: u64) {
    let dir = TempDir::new().unwrap();
    let mut random = Random::new(seed);
    let shop = Shop::start(dir.path());
    let (address, _) = watch::channel(shop.address.clone());
    let progress = watch::Sender::new(0);
    let front = OneShop(address.subscribe());
    let goods = goods();
    let customer = Customer::new(front, &goods);
    customer.clone().fill_shop(&goods).await;

    let killer =
        tokio::spawn(kill_at(moments(&mut random), shop, address.clone(), progress.clone()));
    let clients =
        (0..CLIENTS).map(|number| order_all(customer.clone(), number, seed, progress.clone()));
    let outcomes: Vec<Outcome> = join_all(clients).await.into_iter().flatten().collect();
    let shop = killer.await.unwrap();

    let verdict = Verdict::of(dir.path(), &outcomes, goods).await;
    // Once more, when all is quiet: what was said must be in the log as well.
    shop.kill();
    let violations = verdict.violations(dir.path()).await;
    let Verdict { accepted, ended, lost, doubled, .. } = &verdict;
    tell(&format!(
        "kill test: KILL_SEED={seed}, killed {} times; {accepted} orders accepted, {ended} ended, \
         {lost} lost, {doubled} doubled; {:?}",
        KILLS + 1,
        tally(&outcomes)
    ));
    assert!(violations.is_empty(), "{violations:#?}");
    assert_eq!((*accepted, *ended, *lost, *doubled), (ORDERS, ORDERS, 0, 0));
}

/// Where the shop is that lives now.
#[derive(Clone)]
struct OneShop(watch::Receiver<String>);

#[async_trait]
impl Front for OneShop {
    fn address(&self, _: &str) -> String {
        self.0.borrow().clone()
    }

    async fn look_elsewhere(&mut self) {
        self.0.changed().await.unwrap();
    }
}

/// Too few of the first two.
fn goods() -> Goods {
    [("mug", 60), ("book", 90), ("lamp", 1000)].map(|(sku, n)| (sku.to_owned(), n)).into()
}

/// Every so many orders, one after the other.
async fn order_all(
    mut customer: Customer<OneShop>,
    first: usize,
    seed: u64,
    progress: watch::Sender<usize>,
) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for number in (first..ORDERS).step_by(CLIENTS) {
        let mut random = Random::new(seed ^ number as u64);
        let step = || progress.send_modify(|done| *done += 1);
        outcomes.push(customer.order(number, &mut random, step).await);
        step();
    }
    outcomes
}

/// How many orders ended how.
fn tally(outcomes: &[Outcome]) -> BTreeMap<&str, usize> {
    let mut tally = BTreeMap::new();
    for outcome in outcomes {
        *tally.entry(outcome.status.as_str()).or_default() += 1;
    }
    tally
}

/// After how many answers and ends the shop is killed.
fn moments(random: &mut Random) -> Vec<usize> {
    let mut moments: Vec<_> = (0..KILLS).map(|_| random.between(1, 2 * ORDERS - 20)).collect();
    moments.sort_unstable();
    moments
}

/// Kills the shop at these moments, and starts it anew each time.
async fn kill_at(
    moments: Vec<usize>,
    mut shop: Shop,
    address: watch::Sender<String>,
    progress: watch::Sender<usize>,
) -> Shop {
    let mut progress = progress.subscribe();
    for moment in moments {
        progress.wait_for(|done| *done >= moment).await.unwrap();
        shop = tokio::task::spawn_blocking(move || shop.kill_and_restart()).await.unwrap();
        address.send_replace(shop.address.clone());
    }
    shop
}

/// Shown even when the test passes: `cargo test` captures only what the macros print.
fn tell(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}
