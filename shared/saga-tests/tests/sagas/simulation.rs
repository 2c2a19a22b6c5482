//! Thousands of seeds, each the life of a shop.

use std::io::Write as _;

use saga_tests::{World, simulation};

#[test]
fn one() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let from: u64 = std::env::var("SAGA_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let n: u64 = std::env::var("SAGA_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(20);
    let start = std::time::Instant::now();
    for seed in from..from + n {
        runtime.block_on(async {
            let mut world = World::new(seed).await.unwrap();
            if let Err(e) = simulation::live(&mut world, seed).await {
                for l in world.trace.lines() { eprintln!("{l}"); }
                panic!("seed {seed}: {e:#}");
            }
        });
    }
    writeln!(std::io::stderr(), "{:?} per seed", start.elapsed() / n as u32).unwrap();
}
