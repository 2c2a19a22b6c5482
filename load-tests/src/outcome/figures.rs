//! The figures of a run, by the names that expectations use.

use std::collections::BTreeMap;

use super::About;
use crate::{
    checker::{Kind, Violation},
    expect::Figures,
    ledger::Entry,
    recorder::{Counts, SAGA, Summary},
    sampler::{OWN_NAME, Sample},
};

/// A share of the seconds, at the beginning and at the end, that a drift compares.
const SHARE: usize = 5;

/// What was seen beside the visitors.
#[derive(Debug, Default)]
pub struct Measured {
    /// All orders.
    pub entries: Vec<Entry>,
    /// Second by second.
    pub samples: Vec<Sample>,
    /// What must not be.
    pub violations: Vec<Violation>,
}

/// All figures that could be measured.
pub fn figures(
    about: &About,
    operations: &BTreeMap<String, Summary>,
    counts: &Counts,
    measured: &Measured,
) -> Figures {
    let mut figures = Figures::new();
    for (name, times) in operations {
        add_times(&mut figures, name, times);
    }
    let per_second = |n: u64| count(n) / about.seconds.max(1e-3);
    let broken = |kind| {
        let found = measured.violations.iter().filter(|violation| violation.kind == kind);
        count(found.count() as u64)
    };
    let mut add = |name: &str, value: f64| {
        figures.insert(name.to_owned(), value);
    };
    add("requests", count(counts.requests));
    add("requests_per_s", per_second(counts.requests));
    add("visits", count(counts.visits));
    add("visits_per_s", per_second(counts.visits));
    add("errors", count(counts.error_count()));
    add("overruns", count(counts.overruns));
    add("deferred", count(counts.deferred.values().sum()));
    add("violations", count(measured.violations.len() as u64));
    add("lost", broken(Kind::Lost));
    add("unended", broken(Kind::Unended));
    add("oversold", broken(Kind::Oversold));
    add("orders", count(measured.entries.len() as u64));
    if let Some((sagas, seconds)) = sagas(&measured.entries) {
        add("sagas", count(sagas));
        add("sagas_per_s", count(sagas) / seconds);
    }
    for (name, value) in over_time(&measured.samples) {
        add(name, value);
    }
    figures
}

fn add_times(figures: &mut Figures, name: &str, times: &Summary) {
    let statistics = [
        ("count", count(times.count)),
        ("mean", times.mean),
        ("p50", times.p50),
        ("p90", times.p90),
        ("p95", times.p95),
        ("p99", times.p99),
        ("p999", times.p999),
        ("max", times.max),
    ];
    for (statistic, value) in statistics {
        figures.insert(format!("{name}.{statistic}"), value);
    }
}

/// How many measured sagas ended, and the time from the first request to the last end.
fn sagas(entries: &[Entry]) -> Option<(u64, f64)> {
    let measured = || entries.iter().filter(|entry| entry.measured);
    let first = measured().map(|entry| entry.intended).min()?;
    let ends = || measured().filter_map(|entry| entry.end).map(|(_, at)| at);
    let seconds = ends().max()?.saturating_duration_since(first).as_secs_f64();
    Some((ends().count() as u64, seconds.max(1e-6)))
}

fn over_time(samples: &[Sample]) -> Vec<(&'static str, f64)> {
    let sum = |values: &BTreeMap<String, f64>| (!values.is_empty()).then(|| values.values().sum());
    let lag = samples.iter().filter_map(|sample| sum(&sample.lag));
    let outbox = samples.iter().filter_map(|sample| sum(&sample.outbox));
    let memory: Vec<f64> =
        samples.iter().filter_map(|s| of_shop(s, |usage| usage.memory)).collect();
    let cpu: Vec<f64> = samples.iter().filter_map(|s| of_shop(s, |usage| usage.cpu)).collect();
    let latency: Vec<f64> = samples.iter().filter_map(|s| Some(s.times.get(SAGA)?.p50)).collect();
    let steal: Vec<f64> = samples.iter().filter_map(|sample| sample.steal).collect();
    let mean = |values: &[f64]| {
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / count(values.len() as u64))
    };
    let figures = [
        ("lag.max", lag.reduce(f64::max)),
        ("outbox.max", outbox.reduce(f64::max)),
        ("memory.max", memory.iter().copied().reduce(f64::max)),
        ("cpu.mean", mean(&cpu)),
        ("steal.mean", mean(&steal)),
        ("memory.drift", drift(&memory)),
        ("saga.drift", drift(&latency)),
    ];
    figures.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Of all processes that are watched but this one.
fn of_shop(sample: &Sample, what: impl Fn(&crate::sampler::Usage) -> f64) -> Option<f64> {
    let shop = sample.processes.iter().filter(|(name, _)| *name != OWN_NAME);
    shop.map(|(_, usage)| what(usage)).reduce(|a, b| a + b)
}

/// The median of the last fifth as a multiple of that of the first: 1 is flat.
fn drift(values: &[f64]) -> Option<f64> {
    let share = values.len() / SHARE;
    let median = |part: &[f64]| {
        let mut part = part.to_vec();
        part.sort_by(f64::total_cmp);
        part.get(part.len() / 2).copied()
    };
    let (first, last) = (median(values.get(..share)?)?, median(&values[values.len() - share..])?);
    (first > 0.0).then(|| last / first)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn count(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drift_compares_the_ends() {
        assert_eq!(Some(2.0), drift(&[1.0, 1.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 2.0, 2.0]));
        assert_eq!(Some(1.0), drift(&[3.0; 50]));
        assert_eq!(None, drift(&[1.0; 4]), "too short to say");
        assert_eq!(None, drift(&[]));
    }
}
