//! What a run comes to: figures, verdicts, and the same as text and JSON.

mod figures;

use std::{collections::BTreeMap, fmt};

use hdrhistogram::Histogram;
use serde::Serialize;

pub use self::figures::{Measured, figures};
use crate::{
    checker::Violation,
    expect::{Expectation, Figures, Verdict},
    recorder::{Counts, OPERATIONS, Recorder, Summary, milliseconds},
    sampler::Sample,
};

/// Of a distribution, what is drawn.
const QUANTILES: [f64; 13] =
    [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.998, 0.999, 0.9999];
/// Violations that are shown one by one.
const SHOWN: usize = 20;

/// What a run was.
#[derive(Clone, Debug, Default, Serialize)]
pub struct About {
    /// Its name, which its orders and products carry.
    pub run: String,
    /// The command line.
    pub command: String,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// How an order's end was awaited, and when it counts.
    pub wait: String,
    /// How long the measurement took.
    pub seconds: f64,
    /// Of the machine.
    pub cores: usize,
}

/// What a run comes to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// What it was.
    pub about: About,
    /// Whether everything held.
    pub passed: bool,
    /// Everything that can be expected; times in milliseconds, memory in bytes, CPU in cores.
    pub figures: Figures,
    /// Times by operation, in milliseconds.
    pub operations: BTreeMap<String, Summary>,
    /// Quantiles and times in milliseconds, by operation.
    pub distributions: BTreeMap<String, Vec<(f64, f64)>>,
    /// What was counted.
    pub counts: Counts,
    /// What was expected.
    pub verdicts: Vec<Verdict>,
    /// What must not be.
    pub violations: Vec<Violation>,
    /// Second by second.
    pub samples: Vec<Sample>,
}

impl Outcome {
    /// Judges a run.
    pub fn new(
        about: About,
        recorder: &Recorder,
        measured: Measured,
        expectations: &[Expectation],
    ) -> Self {
        let mut operations = BTreeMap::new();
        let mut distributions = BTreeMap::new();
        for operation in OPERATIONS {
            if let Some(times) = recorder.total(operation).filter(|times| !times.is_empty()) {
                operations.insert(operation.to_owned(), Summary::of(&times));
                distributions.insert(operation.to_owned(), curve(&times));
            }
        }
        let counts = recorder.counts();
        let figures = figures(&about, &operations, &counts, &measured);
        let verdicts: Vec<_> = expectations.iter().map(|e| e.judge(&figures)).collect();
        let Measured { violations, samples, .. } = measured;
        let passed = violations.is_empty() && verdicts.iter().all(|verdict| verdict.held);
        Self {
            about,
            passed,
            figures,
            operations,
            distributions,
            counts,
            verdicts,
            violations,
            samples,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}  ({}, {:.1} s)",
            self.about.command, self.about.started_at, self.about.seconds
        )?;
        writeln!(f, "{}\n", self.about.wait)?;
        writeln!(
            f,
            "{:<18}{:>9}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "ms", "count", "mean", "p50", "p90", "p99", "p99.9", "max"
        )?;
        for (name, s) in &self.operations {
            writeln!(
                f,
                "{name:<18}{:>9}{:>10.2}{:>10.2}{:>10.2}{:>10.2}{:>10.2}{:>10.2}",
                s.count, s.mean, s.p50, s.p90, s.p99, s.p999, s.max
            )?;
        }
        writeln!(f)?;
        for (name, value) in &self.figures {
            // The times stand above.
            if name.split_once('.').is_none_or(|_| crate::expect::FIGURES.contains(&&**name)) {
                writeln!(f, "{name:<18}{:>16}", figure(name, *value))?;
            }
        }
        self.write_kinds(f)?;
        self.write_verdicts(f)
    }
}

impl Outcome {
    fn write_kinds(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, kinds) in [("errors", &self.counts.errors), ("deferred", &self.counts.deferred)]
        {
            for (kind, count) in kinds {
                writeln!(f, "{title:<10}{count:>9}  {kind}")?;
            }
        }
        Ok(())
    }

    fn write_verdicts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        for violation in self.violations.iter().take(SHOWN) {
            writeln!(f, "VIOLATED  {:?}: {}", violation.kind, violation.detail)?;
        }
        if self.violations.len() > SHOWN {
            writeln!(f, "VIOLATED  ... and {} more", self.violations.len() - SHOWN)?;
        }
        for verdict in &self.verdicts {
            writeln!(f, "{verdict}")?;
        }
        write!(f, "{}", if self.passed { "passed" } else { "FAILED" })
    }
}

/// As far as there are times: the slowest of a hundred stands at 99 %.
fn curve(times: &Histogram<u64>) -> Vec<(f64, f64)> {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let last = 1.0 - 1.0 / times.len() as f64;
    let inner = QUANTILES.into_iter().take_while(|quantile| *quantile < last);
    let point = |quantile| (quantile, milliseconds(times.value_at_quantile(quantile)));
    inner.map(point).chain([(last, milliseconds(times.max()))]).collect()
}

/// A figure for people.
pub fn figure(name: &str, value: f64) -> String {
    match name {
        "memory.max" => format!("{:.1} MB", value / 1e6),
        "cpu.mean" | "steal.mean" => format!("{value:.2} cores"),
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests;
