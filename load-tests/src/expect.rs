//! What a run is expected to reach: `name<value`, as it stands behind `--expect`.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::Serialize;

use crate::recorder::OPERATIONS;

/// What a distribution of times is asked for.
pub const STATISTICS: [&str; 8] = ["p50", "p90", "p95", "p99", "p999", "max", "mean", "count"];
/// Single figures, with what they count.
pub const FIGURES: [&str; 21] = [
    "orders",
    "sagas",
    "sagas_per_s",
    "visits_per_s",
    "requests_per_s",
    "errors",
    "overruns",
    "deferred",
    "violations",
    "lost",
    "unended",
    "oversold",
    "lag.max",
    "outbox.max",
    "memory.max",
    "memory.drift",
    "cpu.mean",
    "steal.mean",
    "saga.drift",
    "requests",
    "visits",
];

/// All figures of a run by name; times in milliseconds, memory in bytes, CPU in cores.
pub type Figures = BTreeMap<String, f64>;

/// One expectation.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// As it was written.
    text: String,
    name: String,
    comparison: Comparison,
    /// In the figure's own unit.
    bound: f64,
}

/// How a figure stands to the bound.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Less,
    AtMost,
    More,
    AtLeast,
}

/// Whether an expectation held.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The expectation as it was written.
    pub expected: String,
    /// What was measured, if anything was.
    pub actual: Option<f64>,
    /// Whether it held; what was not measured fails.
    pub held: bool,
}

impl Expectation {
    /// Compares with what was measured.
    pub fn judge(&self, figures: &Figures) -> Verdict {
        let actual = figures.get(&self.name).copied();
        let held = actual.is_some_and(|actual| match self.comparison {
            Comparison::Less => actual < self.bound,
            Comparison::AtMost => actual <= self.bound,
            Comparison::More => actual > self.bound,
            Comparison::AtLeast => actual >= self.bound,
        });
        Verdict { expected: self.text.clone(), actual, held }
    }
}

impl FromStr for Expectation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let at = text.find(['<', '>']).ok_or("must be such as 'saga.p99<30ms' or 'errors<1'")?;
        let (name, rest) = (text[..at].trim(), &text[at..]);
        // The longer ones first.
        let comparisons = [
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("<", Comparison::Less),
            (">", Comparison::More),
        ];
        let found =
            comparisons.into_iter().find_map(|(sign, c)| Some((c, rest.strip_prefix(sign)?)));
        let (comparison, value) = found.ok_or("must have one of < <= > >=")?;
        let bound = bound(value.trim(), Unit::of(name)?)?;
        Ok(Self { text: text.to_owned(), name: name.to_owned(), comparison, bound })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.held { "holds" } else { "FAILS" };
        match self.actual {
            Some(actual) => write!(f, "{word}  {}  (is {actual:.3})", self.expected),
            None => write!(f, "{word}  {}  (was not measured)", self.expected),
        }
    }
}

/// What a bound is written in.
#[derive(Clone, Copy)]
enum Unit {
    Milliseconds,
    Bytes,
    None,
}

impl Unit {
    /// The unit of a figure; an unknown one is refused before the run rather than after it.
    fn of(name: &str) -> Result<Self, String> {
        if FIGURES.contains(&name) {
            return Ok(if name == "memory.max" { Self::Bytes } else { Self::None });
        }
        let known = name.rsplit_once('.').filter(|(operation, statistic)| {
            OPERATIONS.contains(operation) && STATISTICS.contains(statistic)
        });
        match known {
            Some((_, "count")) => Ok(Self::None),
            Some(_) => Ok(Self::Milliseconds),
            None => Err(format!(
                "nothing is called {name}: there are {}, and one of {} with one of {}, as in saga.p99",
                FIGURES.join(", "),
                OPERATIONS.join(", "),
                STATISTICS.join(", ")
            )),
        }
    }

    fn factors(self) -> &'static [(&'static str, f64)] {
        match self {
            Self::Milliseconds => &[("us", 1e-3), ("ms", 1.0), ("s", 1e3)],
            Self::Bytes => &[("KB", 1e3), ("MB", 1e6), ("GB", 1e9)],
            Self::None => &[],
        }
    }
}

fn bound(text: &str, unit: Unit) -> Result<f64, String> {
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let number: f64 = number.trim().parse().map_err(|_| format!("{text} is no number"))?;
    let factors = unit.factors();
    if factors.is_empty() && suffix.is_empty() {
        return Ok(number);
    }
    let factor = factors.iter().find(|(name, _)| *name == suffix).map(|(_, factor)| factor);
    factor.map(|factor| number * factor).ok_or_else(|| {
        let names: Vec<_> = factors.iter().map(|(name, _)| *name).collect();
        match &*names {
            [] => format!("{text} must be a number without a unit"),
            names => format!("{text} must have a unit: {}", names.join(", ")),
        }
    })
}

#[cfg(test)]
mod tests;
