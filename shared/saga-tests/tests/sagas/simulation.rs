//! Thousands of seeds, each the life of a shop. `SAGA_SEEDS=n` lives other than the default number,
//! `SAGA_SEED=n` lives one of them and tells all.

use std::{
    collections::BTreeMap,
    io::Write as _,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use saga_tests::{World, simulation};

const DEFAULT_SEEDS: u64 = 2000;
/// The last steps before a violation; `SAGA_SEED` shows all.
const LAST_STEPS: usize = 40;

#[allow(clippy::disallowed_methods, reason = "the way to replay a seed")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Shown even when the test passes: `cargo test` captures only what the macros print.
fn tell(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The steps of one life, and what was wrong with it.
async fn live(world: &mut World, seed: u64) -> Result<(), String> {
    world.reset(seed).await.unwrap();
    let Err(violation) = simulation::live(world, seed).await else { return Ok(()) };
    let all = number("SAGA_SEED").is_some();
    let lines = world.trace.lines();
    let first = if all { 0 } else { lines.len().saturating_sub(LAST_STEPS) };
    Err(format!(
        "{}\n\nseed {seed}: {violation:#}\nreplay it with: SAGA_SEED={seed} cargo test -p saga-tests simulation -- --nocapture",
        lines[first..].join("\n")
    ))
}

#[test]
fn the_invariants_survive_thousands_of_simulated_lives() {
    let (first, count) = match number("SAGA_SEED") {
        Some(seed) => (seed, 1),
        None => (1, number("SAGA_SEEDS").unwrap_or(DEFAULT_SEEDS)),
    };
    let started = Instant::now();
    let next = AtomicU64::new(first);
    let failures = Mutex::new(Vec::new());
    let tally = Mutex::new(BTreeMap::<String, usize>::new());
    let lives = || {
        block_on(async {
            let mut world = World::new(0).await.unwrap();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + count || !failures.lock().unwrap().is_empty() {
                    break;
                }
                if let Err(failure) = live(&mut world, seed).await {
                    failures.lock().unwrap().push(failure);
                }
            }
            let mut tally = tally.lock().unwrap();
            for (what, n) in world.tally {
                *tally.entry(what).or_default() += n;
            }
        });
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(lives);
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    let tally = tally.into_inner().unwrap();
    let (seconds, lives) = (started.elapsed().as_secs_f64(), count);
    tell(&format!(
        "simulation: {lives} seeds from {first} in {seconds:.1} s, all invariants hold; {tally:?}"
    ));
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
