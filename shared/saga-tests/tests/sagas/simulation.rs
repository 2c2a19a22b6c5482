//! Thousands of seeds, each the life of a shop. `SAGA_SEEDS=n` lives other than the default number,
//! `SAGA_SEED=n` lives one of them and tells all.

use std::{
    collections::BTreeMap,
    io::Write as _,
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use saga_tests::{World, simulation};

use crate::scene::block_on;

const DEFAULT_SEEDS: u64 = 2000;
/// How many steps before a violation are shown; `SAGA_SEED` shows all.
const LAST_STEPS: usize = 40;

#[allow(clippy::disallowed_methods, reason = "the way to replay a seed")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Shown even when the test passes: `cargo test` captures only what the macros print.
fn tell(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Names the seed when a rule or the simulation itself panics.
struct Living(u64);

impl Drop for Living {
    fn drop(&mut self) {
        if thread::panicking() {
            tell(&format!("a panic; {}", replay(self.0)));
        }
    }
}

fn replay(seed: u64) -> String {
    format!("replay it with: SAGA_SEED={seed} cargo test -p saga-tests simulation -- --nocapture")
}

/// One life, and what was wrong with it.
async fn live(world: &mut World, seed: u64) -> Result<(), String> {
    let _living = Living(seed);
    world.reset(seed).await.unwrap();
    let result = simulation::live(world, seed).await;
    let lines = world.trace.lines();
    if number("SAGA_SEED").is_some() {
        tell(&lines.join("\n"));
    }
    let last = lines[lines.len().saturating_sub(LAST_STEPS)..].join("\n");
    result.map_err(|violation| format!("{last}\n\nseed {seed}: {violation:#}\n{}", replay(seed)))
}

/// Seeds that several threads share, and what came of them.
struct Run {
    next: AtomicU64,
    end: u64,
    failures: Mutex<Vec<String>>,
    tally: Mutex<BTreeMap<String, usize>>,
}

impl Run {
    fn new(seeds: Range<u64>) -> Self {
        let next = AtomicU64::new(seeds.start);
        Self { next, end: seeds.end, failures: Mutex::default(), tally: Mutex::default() }
    }

    /// Lives one seed after the other, until none is left or one fails.
    async fn live(&self) {
        let mut world = World::new(0).await.unwrap();
        loop {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.end || !self.failures.lock().unwrap().is_empty() {
                break;
            }
            if let Err(failure) = live(&mut world, seed).await {
                self.failures.lock().unwrap().push(failure);
            }
        }
        let mut tally = self.tally.lock().unwrap();
        for (what, count) in world.tally {
            *tally.entry(what).or_default() += count;
        }
    }
}

#[test]
fn the_invariants_survive_thousands_of_simulated_lives() {
    let seeds = match number("SAGA_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + number("SAGA_SEEDS").unwrap_or(DEFAULT_SEEDS),
    };
    let started = Instant::now();
    let run = Run::new(seeds.clone());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(|| block_on(run.live()));
        }
    });
    let failures = run.failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    let tally = run.tally.into_inner().unwrap();
    let (count, seconds) = (seeds.end - seeds.start, started.elapsed().as_secs_f64());
    tell(&format!("simulation: {count} seeds in {seconds:.1} s, all invariants hold; {tally:?}"));
    if count >= 500 {
        check_coverage(&tally);
    }
}

/// A simulation in which something never happens proves nothing about it.
fn check_coverage(tally: &BTreeMap<String, usize>) {
    let expected = [
        "CONFIRMED",
        "SHIPPED",
        "DELIVERED",
        "REJECTED",
        "CANCELLED",
        "CrashBefore",
        "CrashAfter",
        "Repeat",
        "Refused",
        "Torn(0)",
        "Torn(3)",
        "Unacknowledged",
        "duplicates",
        "lost",
        "expired",
    ];
    for what in expected {
        assert!(tally.get(what).is_some_and(|n| *n > 10), "{what} hardly happens: {tally:?}");
    }
}

#[test]
fn a_seed_repeats_its_life_to_the_last_byte() {
    block_on(async {
        let mut reused = World::new(0).await.unwrap();
        for seed in [1, 2, 3, 17, 99, 261] {
            live(&mut reused, seed).await.unwrap();
            let mut fresh = World::new(0).await.unwrap();
            live(&mut fresh, seed).await.unwrap();
            let (first, second) = (reused.trace.lines(), fresh.trace.lines());
            let differs = first.iter().zip(second).find(|(a, b)| a != b);
            assert_eq!(differs, None, "seed {seed}");
            assert_eq!(reused.trace.hash(), fresh.trace.hash(), "seed {seed}");
        }
    });
}
