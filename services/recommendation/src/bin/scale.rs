//! Measures how the model grows: learns synthetic clicks with a Zipf distribution of items, and prints clicks learned
//! per second, bytes per click and query latencies at each power of ten.

use anyhow::Result;
use clap::Parser;
use recommendation_service::model::{
    Catalogue, Learned, Parameters, Query, Recommender, Scratch, Shard,
};
use recommendation_service::synthetic::{Shape, SyntheticClicks};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Learns synthetic clicks and measures.
#[derive(Parser)]
struct Arguments {
    /// The last measurement is after so many clicks.
    #[arg(long, default_value_t = 10_000_000)]
    clicks: u64,
    /// How many items there are.
    #[arg(long, default_value_t = 100_000)]
    items: u32,
    /// The exponent of the Zipf distribution.
    #[arg(long, default_value_t = 1.0)]
    exponent: f64,
    /// Sessions retained.
    #[arg(long, default_value_t = Parameters::default().sessions_retained)]
    sessions_retained: usize,
    /// One in so many clicks comes up to ten minutes late; 0 for none.
    #[arg(long, default_value_t = 100)]
    late_one_in: u64,
}

const BATCH: usize = 50_000;
const QUERIES: usize = 5_000;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let sessions_retained = arguments.sessions_retained;
    let parameters = Parameters { sessions_retained, ..Parameters::default() };
    let Arguments { items, exponent, late_one_in, .. } = arguments;
    let shape = Shape { items, exponent, late_one_in, ..Shape::default() };
    let mut shards = [Box::new(Shard::new(&parameters))];
    let recommender = Recommender::new(parameters);
    let mut source = SyntheticClicks::new(&shape);
    let catalogue = source.catalogue().clone();
    let empty_bytes = resident_bytes()?;
    let (mut learned, mut busy, mut next) = (0u64, Duration::ZERO, 100_000u64);
    println!(
        "{:>10} {:>10} {:>12} {:>10} {:>9} {:>9} {:>9}",
        "clicks", "retained", "clicks/s", "MB", "B/click", "p50 us", "p99 us"
    );
    while learned < arguments.clicks {
        let batch: Vec<_> = source.by_ref().take(BATCH).collect();
        let start = Instant::now();
        for click in &batch {
            black_box(shards[0].learn_click(click) == Learned::New);
        }
        busy += start.elapsed();
        learned += BATCH as u64;
        if learned >= next {
            next *= 10;
            let bytes = resident_bytes()?.saturating_sub(empty_bytes);
            let (p50, p99) = query_latency(&recommender, &shards, &catalogue, &mut source);
            let retained = shards[0].visits().clicks();
            report(learned, retained, busy, bytes, (p50, p99));
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn report(
    learned: u64,
    retained: usize,
    busy: Duration,
    bytes: u64,
    (p50, p99): (Duration, Duration),
) {
    println!(
        "{learned:>10} {retained:>10} {:>12.0} {:>10.1} {:>9.1} {:>9.1} {:>9.1}",
        learned as f64 / busy.as_secs_f64(),
        bytes as f64 / 1e6,
        bytes as f64 / retained as f64,
        p50.as_secs_f64() * 1e6,
        p99.as_secs_f64() * 1e6
    );
}

fn query_latency(
    recommender: &Recommender,
    shards: &[Box<Shard>],
    catalogue: &Catalogue,
    source: &mut SyntheticClicks,
) -> (Duration, Duration) {
    let mut scratch = Scratch::default();
    let mut latencies = Vec::new();
    for _ in 0..QUERIES {
        let recent = [source.item(), source.item(), source.item()];
        let query = Query { session: None, recent: &recent, page: None, limit: 20 };
        let start = Instant::now();
        black_box(recommender.recommend(shards, catalogue, &query, |_| true, &mut scratch));
        latencies.push(start.elapsed());
    }
    latencies.sort_unstable();
    (latencies[QUERIES / 2], latencies[QUERIES * 99 / 100])
}

/// The memory the process occupies.
fn resident_bytes() -> Result<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm.split(' ').nth(1).unwrap_or("0").parse()?;
    Ok(pages * 4096)
}
