//! Which plots a report has, made of the samples.

use std::collections::{BTreeMap, BTreeSet};

use super::plot::{Line, Plot, Unit, X, Y};
use crate::{
    outcome::Outcome,
    recorder::{OPERATIONS, SAGA, START_DELAY, Summary},
    sampler::{Sample, Usage},
};

/// A second that was cut this short says nothing.
const SLIVER_S: f64 = 0.2;

/// All plots, the most telling first.
pub fn all(outcome: &Outcome) -> Vec<Plot> {
    let samples = &outcome.samples;
    let mut plots: Vec<_> = latencies(outcome).collect();
    plots.extend([
        throughput(samples),
        sagas_by_outcome(outcome),
        gauge("Consumer lag", "Records that a service has not consumed yet.", samples, |s| &s.lag),
        gauge("Outbox depth", "Events that the log does not have yet.", samples, |s| &s.outbox),
        cpu(samples),
        usage("Memory per process", Unit::Bytes, samples, |usage| usage.memory),
        errors(samples),
    ]);
    // All plots of time are of the same time, so that what happens at once stands in one line.
    let end = samples.last().map_or(0.0, |sample| sample.seconds);
    for plot in &mut plots {
        if let X::Seconds(until) = &mut plot.x {
            *until = end;
        }
    }
    plots
}

/// A plot for each operation that was measured; for sagas in any case, unless there were none to be.
fn latencies(outcome: &Outcome) -> impl Iterator<Item = Plot> {
    let has = |operation: &&str| outcome.operations.contains_key(*operation);
    let is_split = |operation: &&str| operation.starts_with("saga.");
    let measured: Vec<_> = OPERATIONS.into_iter().filter(has).filter(|op| !is_split(op)).collect();
    let shown = if measured.is_empty() { vec![SAGA] } else { measured };
    shown.into_iter().map(|operation| {
        let hint = match operation {
            SAGA => "From the intended start to the order's final status, by the second in which it was heard of.",
            START_DELAY => "How late the load generator itself began visits. It is part of all other times.",
            _ => "From the intended start to the end of the answer.",
        };
        let title = format!("Latency over time: {operation}");
        plot(&title, hint, Unit::Milliseconds, Y::Logarithmic, percentiles(&outcome.samples, operation))
    })
}

/// Picks one of a second's figures.
type Statistic = fn(&Summary) -> f64;

fn percentiles(samples: &[Sample], operation: &str) -> Vec<Line> {
    let statistics: [(&str, Statistic); 4] =
        [("p50", |s| s.p50), ("p95", |s| s.p95), ("p99", |s| s.p99), ("max", |s| s.max)];
    let points = |of: Statistic| {
        let point = |sample: &Sample| Some((sample.seconds, of(sample.times.get(operation)?)));
        with_lengths(samples).filter_map(|(sample, _)| point(sample)).collect()
    };
    statistics.map(|(name, of)| Line { name: name.to_owned(), points: points(of) }).into()
}

fn throughput(samples: &[Sample]) -> Plot {
    let names: BTreeSet<_> = samples.iter().flat_map(|sample| sample.times.keys()).collect();
    let shown = names.into_iter().filter(|name| !name.starts_with("saga.") && *name != START_DELAY);
    let line = |name: &String| {
        let count =
            |sample: &Sample| sample.times.get(name).map_or(0.0, |times| float(times.count));
        let per_second =
            |(sample, seconds): (&Sample, f64)| (sample.seconds, count(sample) / seconds);
        Line { name: name.clone(), points: with_lengths(samples).map(per_second).collect() }
    };
    let hint = "Sagas that ended, and requests that were answered, each second.";
    plot("Throughput", hint, Unit::PerSecond, Y::Linear, shown.map(line).collect())
}

/// Each sample, and the seconds it stands for. A sliver at the end is left out: it would show rates
/// and percentiles that nobody had.
fn with_lengths(samples: &[Sample]) -> impl Iterator<Item = (&Sample, f64)> {
    let before = std::iter::once(0.0).chain(samples.iter().map(|sample| sample.seconds));
    let lengths =
        samples.iter().zip(before).map(|(sample, before)| (sample, sample.seconds - before));
    lengths
        .enumerate()
        .filter(|(number, (_, seconds))| *number == 0 || *seconds > SLIVER_S)
        .map(|(_, (sample, seconds))| (sample, seconds.max(1e-3)))
}

fn sagas_by_outcome(outcome: &Outcome) -> Plot {
    let curve = |operation: &str| {
        let curve = outcome.distributions.get(operation)?;
        let points = curve.iter().map(|(q, ms)| (super::plot::quantile(*q), *ms)).collect();
        let name = operation.trim_start_matches("saga.").to_uppercase();
        Some(Line { name, points })
    };
    let outcomes = OPERATIONS.iter().filter(|operation| operation.starts_with("saga."));
    Plot {
        title: "Saga duration by outcome".to_owned(),
        hint: "All sagas from the fastest to the slowest; the slow end is spread out.",
        x: X::Quantiles,
        y: Y::Logarithmic,
        unit: Unit::Milliseconds,
        lines: outcomes.filter_map(|operation| curve(operation)).collect(),
    }
}

fn gauge(
    title: &str,
    hint: &'static str,
    samples: &[Sample],
    of: impl Fn(&Sample) -> &BTreeMap<String, f64>,
) -> Plot {
    let names: BTreeSet<_> = samples.iter().flat_map(|sample| of(sample).keys()).collect();
    let line = |name: &String| {
        let points = samples.iter().filter_map(|s| Some((s.seconds, *of(s).get(name)?)));
        Line { name: name.clone(), points: points.collect() }
    };
    let lines = names.into_iter().map(line).collect();
    plot(title, hint, Unit::Count, Y::Linear, lines)
}

fn usage(title: &str, unit: Unit, samples: &[Sample], of: impl Fn(&Usage) -> f64) -> Plot {
    let names: BTreeSet<_> = samples.iter().flat_map(|sample| sample.processes.keys()).collect();
    let line = |name: &String| {
        let point = |s: &Sample| Some((s.seconds, of(s.processes.get(name)?)));
        Line { name: name.clone(), points: samples.iter().filter_map(point).collect() }
    };
    let hint = "Of the processes named by --pid or started by --spawn, and of the load generator.";
    plot(title, hint, unit, Y::Linear, names.into_iter().map(line).collect())
}

/// With what others had, where they had anything.
fn cpu(samples: &[Sample]) -> Plot {
    let mut plot = usage("CPU per process", Unit::Cores, samples, |usage| usage.cpu);
    let stolen: Vec<_> = samples.iter().filter_map(|s| Some((s.seconds, s.steal?))).collect();
    if stolen.iter().any(|(_, cores)| *cores > 0.0) {
        plot.lines.push(Line { name: "stolen by the hypervisor".to_owned(), points: stolen });
    }
    plot
}

/// New ones each second, and those who were told to come later.
fn errors(samples: &[Sample]) -> Plot {
    let mut totals: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for sample in samples {
        let errors = sample.counts.errors.iter().map(|(kind, n)| (kind.clone(), *n));
        let deferred =
            sample.counts.deferred.iter().map(|(kind, n)| (format!("later: {kind}"), *n));
        for (kind, count) in errors.chain(deferred) {
            totals.entry(kind).or_default().push((sample.seconds, float(count)));
        }
    }
    let line = |(name, totals): (String, Vec<(f64, f64)>)| {
        let before = std::iter::once(0.0).chain(totals.iter().map(|(_, total)| *total));
        let points = totals.iter().zip(before).map(|((x, total), before)| (*x, total - before));
        Line { name, points: points.collect() }
    };
    let hint = "Failed requests in each second, and those that were told to come later.";
    plot("Errors by kind", hint, Unit::Count, Y::Linear, totals.into_iter().map(line).collect())
}

fn plot(title: &str, hint: &'static str, unit: Unit, y: Y, lines: Vec<Line>) -> Plot {
    Plot { title: title.to_owned(), hint, x: X::Seconds(0.0), y, unit, lines }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn float(n: u64) -> f64 {
    n as f64
}
