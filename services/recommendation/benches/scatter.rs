//! What is faster: to send a query to actors that each own a shard, and to merge their answers, or to read the shards
//! where they are under read locks? Both while nothing is learned and while 5,000 clicks/s are.
//!
//! The actors here are threads with channels, the least that a scatter can cost. Their answers are not even merged
//! exactly: that would take a second round for the neighbours of neighbours.

use recommendation_service::model::{
    Catalogue, ItemId, Learned, Parameters, Query, Recommendation, Recommender, Scratch, Shard,
};
use recommendation_service::synthetic::{Shape, SyntheticClicks};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

const SHARDS: usize = 2;
const CLIENTS: usize = 2;
const RUN: Duration = Duration::from_secs(3);
const CLICKS: usize = 500_000;
type Context = [ItemId; 3];
type Shared = Arc<Vec<RwLock<Shard>>>;

struct Ask {
    context: Context,
    reply: Sender<Vec<Recommendation>>,
}

fn main() {
    let mut source = SyntheticClicks::new(&Shape { items: 20_000, ..Shape::default() });
    let shared: Shared =
        Arc::new((0..SHARDS).map(|_| RwLock::new(Shard::new(&Parameters::default()))).collect());
    source.by_ref().take(CLICKS).for_each(|click| learn(&shared, &click));
    let catalogue = Arc::new(source.catalogue().clone());
    let contexts: Arc<Vec<Context>> =
        Arc::new((0..4096).map(|_| [source.item(), source.item(), source.item()]).collect());
    println!("{:28} {:>10} {:>9} {:>9} {:>9}", "", "queries/s", "p50 us", "p90 us", "p99 us");
    for learning in [false, true] {
        let stop = Arc::new(AtomicBool::new(!learning));
        let writer = std::thread::spawn({
            let (shared, stop) = (Arc::clone(&shared), Arc::clone(&stop));
            move || learn_until(&stop, &shared, source)
        });
        let title = if learning { ", 5,000 clicks/s" } else { "" };
        report(
            &format!("read in place{title}"),
            run_clients(&contexts, || in_place(&shared, &catalogue)),
        );
        report(
            &format!("scatter and gather{title}"),
            run_clients(&contexts, || scatter(&shared, &catalogue)),
        );
        stop.store(true, Ordering::Relaxed);
        source = writer.join().expect("the writer ends");
    }
}

fn learn(shared: &Shared, click: &recommendation_service::model::Click) {
    let mut shard = shared[Shard::of(click.session, SHARDS)].write().expect("no panic");
    assert_ne!(shard.learn_click(click), Learned::Repeat);
}

/// Learns 50 clicks every 10 ms.
#[expect(clippy::disallowed_methods, reason = "clicks arrive at a rate that the bench sets")]
fn learn_until(stop: &AtomicBool, shared: &Shared, mut source: SyntheticClicks) -> SyntheticClicks {
    while !stop.load(Ordering::Relaxed) {
        source.by_ref().take(50).for_each(|click| learn(shared, &click));
        std::thread::sleep(Duration::from_millis(10));
    }
    source
}

/// Answers in the caller's thread.
fn in_place(
    shared: &Shared,
    catalogue: &Arc<Catalogue>,
) -> impl FnMut(Context) -> usize + Send + 'static {
    let (shared, catalogue) = (Arc::clone(shared), Arc::clone(catalogue));
    let recommender = Recommender::new(Parameters::default());
    let mut scratch = Scratch::default();
    move |context| {
        let guards: Vec<_> = shared.iter().map(|shard| shard.read().expect("no panic")).collect();
        let query = Query { session: None, recent: &context, page: None, limit: 20 };
        recommender.recommend(&guards, &catalogue, &query, |_| true, &mut scratch).len()
    }
}

/// Asks a thread for each shard and merges.
fn scatter(
    shared: &Shared,
    catalogue: &Arc<Catalogue>,
) -> impl FnMut(Context) -> usize + Send + 'static {
    static ACTORS: std::sync::OnceLock<Vec<SyncSender<Ask>>> = std::sync::OnceLock::new();
    let actors = ACTORS
        .get_or_init(|| (0..SHARDS).map(|shard| spawn_actor(shard, shared, catalogue)).collect());
    let (reply, answers) = channel();
    move |context| {
        for actor in actors {
            actor.send(Ask { context, reply: reply.clone() }).expect("the actor lives");
        }
        merge(&answers)
    }
}

fn spawn_actor(shard: usize, shared: &Shared, catalogue: &Arc<Catalogue>) -> SyncSender<Ask> {
    let (sender, receiver) = sync_channel::<Ask>(64);
    let (shared, catalogue) = (Arc::clone(shared), Arc::clone(catalogue));
    std::thread::spawn(move || {
        let recommender = Recommender::new(Parameters::default());
        let mut scratch = Scratch::default();
        for Ask { context, reply } in receiver {
            let guard = [shared[shard].read().expect("no panic")];
            let query = Query { session: None, recent: &context, page: None, limit: 50 };
            let answer = recommender.recommend(&guard, &catalogue, &query, |_| true, &mut scratch);
            drop(guard);
            reply.send(answer).unwrap_or_default();
        }
    });
    sender
}

fn merge(answers: &Receiver<Vec<Recommendation>>) -> usize {
    let mut sums: std::collections::BTreeMap<ItemId, f64> = std::collections::BTreeMap::new();
    for answer in answers.iter().take(SHARDS) {
        answer.iter().for_each(|one| *sums.entry(one.item).or_default() += one.score);
    }
    let mut best: Vec<_> = sums.into_iter().collect();
    best.sort_by(|a, b| b.1.total_cmp(&a.1));
    best.truncate(20);
    best.len()
}

/// Latencies of closed-loop clients.
fn run_clients<F: FnMut(Context) -> usize + Send + 'static>(
    contexts: &Arc<Vec<Context>>,
    client: impl Fn() -> F,
) -> Vec<Duration> {
    let run = |number: usize| {
        let (contexts, mut answer) = (Arc::clone(contexts), client());
        std::thread::spawn(move || {
            let (start, mut latencies) = (Instant::now(), Vec::new());
            for &context in contexts.iter().cycle().skip(number * 997) {
                let asked = Instant::now();
                std::hint::black_box(answer(context));
                latencies.push(asked.elapsed());
                if start.elapsed() > RUN {
                    return latencies;
                }
            }
            latencies
        })
    };
    let clients: Vec<_> = (0..CLIENTS).map(run).collect();
    clients.into_iter().flat_map(|client| client.join().expect("the client ends")).collect()
}

fn report(title: &str, mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    let micros =
        |percent: usize| latencies[(latencies.len() - 1) * percent / 100].as_secs_f64() * 1e6;
    let per_second = latencies.len() as u64 / RUN.as_secs();
    println!(
        "{title:28} {per_second:>10} {:>9.1} {:>9.1} {:>9.1}",
        micros(50),
        micros(90),
        micros(99)
    );
}
