//! `kill -9` in mid-load: the real shop is killed at random moments and started again on the same
//! data. Every acknowledged order must end, none twice, and no stock may vanish.
//! `KILL_SEED=n` repeats the moments and the workload.
#![expect(clippy::unwrap_used, reason = "tests")]

mod clients;
mod process;
mod verdict;

use std::{collections::BTreeMap, io::Write as _, time::Duration};

use futures::future::join_all;
use tempfile::TempDir;
use testkit::Random;
use tokio::sync::watch;

use crate::{
    clients::{Client, Outcome},
    process::Shop,
    verdict::Verdict,
};

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
    let mut owner = Client::new(address.subscribe(), progress.clone());
    let stocked = owner.fill_shop().await;

    let killer =
        tokio::spawn(kill_at(moments(&mut random), shop, address.clone(), progress.clone()));
    let clients = (0..CLIENTS).map(|number| {
        let client = Client::new(address.subscribe(), progress.clone());
        client.order_all((number..ORDERS).step_by(CLIENTS).collect(), seed)
    });
    let outcomes: Vec<Outcome> = join_all(clients).await.into_iter().flatten().collect();
    let shop = killer.await.unwrap();

    let verdict = Verdict::of(dir.path(), &outcomes, stocked).await;
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
