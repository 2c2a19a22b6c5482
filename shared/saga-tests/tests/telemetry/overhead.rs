//! What traces cost: sagas a second without them, with every tenth and with all, exported to a
//! collector that throws them away. Only the ratios of one run mean anything.
//!
//! `cargo test --release -p saga-tests --test telemetry overhead -- --ignored --nocapture`

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{App, HttpResponse, HttpServer, web};
use futures::{StreamExt as _, stream};
use messaging::telemetry::{Telemetry, sampling::Sampler};
use platform::telemetry::{self, Pipeline, Settings, Target};

use crate::suite::Suite;

/// Orders of one measurement.
const ORDERS: usize = 1_500;
/// Orders that are under way at once.
const AT_ONCE: usize = 64;
/// Measurements of each kind, in turns: the machine is never the same for long.
const ROUNDS: usize = 5;
/// The least share of the throughput without traces that is good enough.
const LEAST: f64 = 0.85;

/// Takes spans and throws them away.
fn sink() -> String {
    let server = HttpServer::new(|| {
        let discard = |_: web::Bytes| async { HttpResponse::Ok().finish() };
        App::new()
            .app_data(web::PayloadConfig::new(64 << 20))
            .route("/v1/traces", web::post().to(discard))
    });
    let server = server.workers(1).bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    actix_web::rt::spawn(server.run());
    url
}

fn telemetry(ratio: Option<&str>, sink: &str) -> (Telemetry, Option<Arc<Pipeline>>) {
    let sampler = Sampler::named("parentbased_traceidratio", ratio).unwrap();
    let target = ratio.map(|_| Target::http_base(sink));
    let delay = Duration::from_secs(1);
    telemetry::start(&Settings { target, sampler, queue: 16_384, batch: 2_048, delay }).unwrap()
}

/// What a measurement found.
#[derive(Clone, Copy)]
struct Found {
    /// Confirmed orders a second.
    rate: f64,
    /// Processor time of an order, its client's and the collector's included. Other programs on
    /// the machine change it less than the rate.
    cpu_ms: f64,
}

type Measure = fn(&Found) -> f64;

/// This process's processor time so far, in clock ticks of 10 ms (proc(5), fields 14 and 15).
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap());
    ticks.sum::<f64>() * 10.0
}

async fn measure(ratio: Option<&str>, sink: &str) -> Found {
    let (telemetry, pipeline) = telemetry(ratio, sink);
    let suite = Suite::start(telemetry).await;
    suite.order("DE").await;
    let (begin, cpu_before) = (Instant::now(), cpu_ms());
    let orders = stream::iter(0..ORDERS).for_each_concurrent(AT_ONCE, |_| async {
        let order = suite.order("DE").await;
        suite.wait_for(&order, "CONFIRMED").await;
    });
    orders.await;
    let rate = ORDERS as f64 / begin.elapsed().as_secs_f64();
    suite.stop().await;
    telemetry::stop(pipeline).await;
    Found { rate, cpu_ms: (cpu_ms() - cpu_before) / ORDERS as f64 }
}

#[test]
#[ignore = "a measurement, started by hand"]
fn traces_cost_little() {
    let system = actix_web::rt::System::with_tokio_rt(platform::host::runtime);
    system.block_on(async {
        let sink = sink();
        measure(None, &sink).await;
        let kinds = [("off", None), ("10 %", Some("0.1")), ("all", Some("1"))];
        let mut found: BTreeMap<_, Vec<Found>> = BTreeMap::new();
        for _ in 0..ROUNDS {
            for (name, ratio) in kinds {
                found.entry(name).or_default().push(measure(ratio, &sink).await);
            }
        }
        let median = |name, of: Measure| {
            let mut values: Vec<_> = found[name].iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[ROUNDS / 2]
        };
        let (rate, cpu): (Measure, Measure) = (|found| found.rate, |found| found.cpu_ms);
        for (name, _) in kinds {
            println!(
                "traces {name:>4}: {:>6.0} orders/s, {:.2} of off; {:.2} ms of processor an order, {:.2} of off",
                median(name, rate),
                median(name, rate) / median("off", rate),
                median(name, cpu),
                median(name, cpu) / median("off", cpu),
            );
        }
        let share = median("all", rate) / median("off", rate);
        let verdict = if share >= LEAST { "good enough" } else { "TOO SLOW" };
        println!("{share:.2} with all traces; at least {LEAST} is wanted: {verdict}");
    });
}
