//! What was measured, as a table and as JSON.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde::Serialize;

use crate::{
    outcome::{About, Outcome},
    sampler::Sample,
};

/// All of it.
#[derive(Debug, Default, Serialize)]
pub struct Scaling {
    /// What it was.
    pub about: About,
    /// By replicas and partitions.
    pub replicas: Vec<Cell>,
    /// By orders that are there.
    pub growth: Vec<Point>,
}

impl Scaling {
    /// Violations in all runs.
    pub fn violations(&self) -> usize {
        let cells = self.replicas.iter().map(|cell| cell.violations);
        cells.chain(self.growth.iter().map(|point| point.violations)).sum()
    }
}

/// One number of replicas with one number of partitions.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cell {
    /// Of each service.
    pub replicas: u32,
    /// Of each of the sagas' topics.
    pub partitions: u32,
    /// Throughput.
    pub sagas_per_s: f64,
    /// Cores, on average, by process; replicas of one service together.
    pub cpu: BTreeMap<String, f64>,
    /// What must not be.
    pub violations: usize,
}

impl Cell {
    /// Of a run.
    pub fn new(replicas: u32, partitions: u32, outcome: &Outcome) -> Self {
        let (cpu, violations) = (cpu(&outcome.samples), outcome.violations.len());
        Self { replicas, partitions, sagas_per_s: figure(outcome, "sagas_per_s"), cpu, violations }
    }
}

/// One number of orders.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Point {
    /// That were there before.
    pub orders: u64,
    /// Throughput of the next ones.
    pub sagas_per_s: f64,
    /// Of the next ones, from the start of a visit to the end of its order.
    pub saga_p50_ms: f64,
    /// Cores, on average, by process.
    pub cpu: BTreeMap<String, f64>,
    /// What must not be.
    pub violations: usize,
}

impl Point {
    /// Of a run.
    pub fn new(orders: u64, outcome: &Outcome) -> Self {
        Self {
            orders,
            sagas_per_s: figure(outcome, "sagas_per_s"),
            saga_p50_ms: figure(outcome, "saga.p50"),
            cpu: cpu(&outcome.samples),
            violations: outcome.violations.len(),
        }
    }
}

fn figure(outcome: &Outcome, name: &str) -> f64 {
    outcome.figures.get(name).copied().unwrap_or(f64::NAN)
}

/// Cores that each process used, on average over all seconds.
fn cpu(samples: &[Sample]) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::<String, f64>::new();
    for (name, usage) in samples.iter().flat_map(|sample| &sample.processes) {
        *sums.entry(name.clone()).or_default() += usage.cpu;
    }
    #[expect(clippy::cast_precision_loss, reason = "seconds of one run")]
    let seconds = samples.len().max(1) as f64;
    sums.into_iter().map(|(name, sum)| (name, sum / seconds)).collect()
}

/// Throughput by replicas and partitions.
pub fn replicas(cells: &[Cell]) -> String {
    let best = cells.iter().map(|cell| cell.sagas_per_s).fold(0.0, f64::max);
    let heads = ["partitions", "replicas", "sagas/s", "of the best"];
    let rows = cells.iter().map(|cell| {
        let figures = [
            cell.partitions.to_string(),
            cell.replicas.to_string(),
            format!("{:.1}", cell.sagas_per_s),
            format!("{:.2}", cell.sagas_per_s / best),
        ];
        (figures, &cell.cpu, cell.violations)
    });
    table(heads, &rows.collect::<Vec<_>>())
}

/// The cost of an order by how many there are.
pub fn growth(points: &[Point]) -> String {
    let first = points.first().map_or(f64::NAN, |point| point.saga_p50_ms);
    let heads = ["orders before", "sagas/s", "saga p50 ms", "of the first"];
    let rows = points.iter().map(|point| {
        let figures = [
            point.orders.to_string(),
            format!("{:.1}", point.sagas_per_s),
            format!("{:.2}", point.saga_p50_ms),
            format!("{:.2}", point.saga_p50_ms / first),
        ];
        (figures, &point.cpu, point.violations)
    });
    table(heads, &rows.collect::<Vec<_>>())
}

type Row<'c> = ([String; 4], &'c BTreeMap<String, f64>, usize);

/// Figures, then the cores of each process.
fn table(heads: [&str; 4], rows: &[Row<'_>]) -> String {
    let names: BTreeSet<_> = rows.iter().flat_map(|(_, cpu, _)| cpu.keys()).collect();
    let mut text = String::new();
    let mut line = |words: Vec<String>| {
        words.iter().for_each(|word| write!(text, "{word:>18}").expect("there is memory"));
        text.push('\n');
    };
    let of_processes = names.iter().map(|name| format!("{name} cpu"));
    line(heads.map(str::to_owned).into_iter().chain(of_processes).collect());
    for (figures, cpu, violations) in rows {
        let cores = names.iter().map(|name| match cpu.get(*name) {
            Some(cores) => format!("{cores:.2}"),
            None => "-".to_owned(),
        });
        let verdict = (*violations > 0).then(|| format!("{violations} VIOLATED"));
        line(figures.iter().cloned().chain(cores).chain(verdict).collect());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::Usage;

    fn cell(replicas: u32, sagas_per_s: f64, cpu: &[(&str, f64)]) -> Cell {
        let cpu = cpu.iter().map(|(name, cores)| ((*name).to_owned(), *cores)).collect();
        Cell { replicas, partitions: 6, sagas_per_s, cpu, violations: 0 }
    }

    #[test]
    fn cpu_is_the_mean_over_all_seconds() {
        let sample = |cores: &[(&str, f64)]| {
            let usage = |cpu| Usage { cpu, memory: 0.0 };
            let named = cores.iter().map(|(name, cpu)| ((*name).to_owned(), usage(*cpu)));
            Sample { processes: named.collect(), ..Sample::default() }
        };
        let samples = [sample(&[("order", 1.0), ("kafka", 0.5)]), sample(&[("order", 2.0)])];
        assert_eq!(BTreeMap::from([("kafka".into(), 0.25), ("order".into(), 1.5)]), cpu(&samples));
        assert!(cpu(&[]).is_empty());
    }

    #[test]
    fn the_table_has_a_column_for_every_process() {
        let mut last = cell(2, 300.0, &[("order", 0.5), ("inventory", 0.75)]);
        last.violations = 3;
        let text = replicas(&[cell(1, 150.0, &[("order", 0.25)]), last]);
        let rows: Vec<Vec<_>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["6", "1", "150.0", "0.50", "-", "0.25"]);
        assert_eq!(rows[2], ["6", "2", "300.0", "1.00", "0.75", "0.50", "3", "VIOLATED"]);
        assert!(rows[0].ends_with(&["inventory", "cpu", "order", "cpu"]), "{text}");
    }

    #[test]
    fn growth_is_compared_with_the_smallest() {
        let point = |orders, saga_p50_ms| Point { orders, saga_p50_ms, ..Point::default() };
        let text = growth(&[point(1_000, 10.0), point(100_000, 12.5)]);
        let last: Vec<_> = text.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(last, ["100000", "0.0", "12.50", "1.25"]);
    }
}
