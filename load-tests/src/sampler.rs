//! What is looked at each second: what visitors measured, the shop's own metrics, and its processes.

mod metrics;
mod process;

use std::{
    collections::BTreeMap,
    io::{IsTerminal as _, Write as _},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use serde::Serialize;
use tokio::{sync::watch, time::MissedTickBehavior};

pub use self::process::{OWN_NAME, Processes, Usage};
use crate::{
    recorder::{Counts, SAGA, Summary},
    visitors::Visitors,
};

/// How often.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a process may take to tell its metrics.
const PATIENCE: Duration = Duration::from_millis(800);
/// Lines of progress, when nobody watches.
const TICKS_PER_LINE: usize = 10;

/// One second.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sample {
    /// Since the measurement began.
    pub seconds: f64,
    /// Times that were measured in this second.
    pub times: BTreeMap<String, Summary>,
    /// Counted since the measurement began.
    pub counts: Counts,
    /// Orders that have not ended.
    pub open_orders: usize,
    /// Records that are not consumed yet, by service.
    pub lag: BTreeMap<String, f64>,
    /// Events that the log does not have yet, by service.
    pub outbox: BTreeMap<String, f64>,
    /// CPU and memory, by process.
    pub processes: BTreeMap<String, Usage>,
    /// Cores that this machine wanted and a hypervisor gave to others.
    pub steal: Option<f64>,
}

/// Takes a sample each second until `stop`, and shows the progress.
pub async fn watch(
    visitors: Arc<Visitors>,
    mut processes: Processes,
    mut stop: watch::Receiver<bool>,
) -> Vec<Sample> {
    let mut samples = Vec::new();
    let (began_at, mut ticks) = (Instant::now(), tokio::time::interval(INTERVAL));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // The first tick comes at once.
    ticks.tick().await;
    processes.look();
    processes.steal();
    loop {
        let is_last = tokio::select! {
            _ = ticks.tick() => false,
            _ = stop.wait_for(|stop| *stop) => true,
        };
        samples.push(sample(&visitors, &mut processes, began_at).await);
        show(&samples, is_last);
        if is_last {
            return samples;
        }
    }
}

async fn sample(visitors: &Visitors, processes: &mut Processes, began_at: Instant) -> Sample {
    let mut sample = Sample {
        seconds: began_at.elapsed().as_secs_f64(),
        times: visitors.recorder.window(),
        counts: visitors.recorder.counts(),
        open_orders: visitors.ledger.progress().0,
        processes: processes.look(),
        steal: processes.steal(),
        ..Sample::default()
    };
    let urls = visitors.shop.all();
    let scraped = join_all(urls.iter().map(|url| scrape(visitors.shop.http(), url))).await;
    let gauges = metrics::gauges(scraped.iter().flatten().map(String::as_str));
    (sample.lag, sample.outbox) = (gauges.lag, gauges.outbox);
    sample
}

async fn scrape(http: &reqwest::Client, url: &str) -> Option<String> {
    let request = http.get(format!("{url}/metrics")).timeout(PATIENCE).send();
    let response = request.await.ok()?.error_for_status().ok()?;
    response.text().await.ok()
}

/// One line on stderr; on a terminal it is written over.
fn show(samples: &[Sample], is_last: bool) {
    let is_terminal = std::io::stderr().is_terminal();
    let is_due = is_last || is_terminal || samples.len().is_multiple_of(TICKS_PER_LINE);
    let Some(sample) = samples.last().filter(|_| is_due) else { return };
    let start = if is_terminal { "\r\x1b[2K" } else { "" };
    let end = if is_terminal && !is_last { "" } else { "\n" };
    // A progress line that cannot be written is no reason to stop.
    write!(std::io::stderr(), "{start}{}{end}", line(sample)).ok();
    std::io::stderr().flush().ok();
}

fn line(sample: &Sample) -> String {
    let counts = &sample.counts;
    let saga = sample.times.get(SAGA).map(|times| {
        format!("{}/s sagas, p50 {:.1} ms, p99 {:.1} ms, ", times.count, times.p50, times.p99)
    });
    format!(
        "{:5.0} s  {} visits, {} requests, {}{} open, {} errors, {} deferred",
        sample.seconds,
        counts.visits,
        counts.requests,
        saga.unwrap_or_default(),
        sample.open_orders,
        counts.error_count(),
        counts.deferred.values().sum::<u64>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_progress_says_what_is_measured() {
        let times = Summary { count: 200, p50: 3.21, p99: 9.0, ..Summary::default() };
        let times = BTreeMap::from([(SAGA.to_owned(), times)]);
        let sample = Sample { seconds: 12.0, times, open_orders: 3, ..Sample::default() };
        assert_eq!(
            "   12 s  0 visits, 0 requests, 200/s sagas, p50 3.2 ms, p99 9.0 ms, 3 open, 0 errors, 0 deferred",
            line(&sample)
        );
    }
}
