//! What is measured while the load runs: times by operation, errors and deferrals by kind. Memory is
//! bounded: a second's times are summed up when it is over.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;
use serde::Serialize;

/// From the intended start of an order's visit to its final status, whatever that is.
pub const SAGA: &str = "saga";
/// From the intended start of a visit to its real one: how far the load generator itself is behind.
pub const START_DELAY: &str = "start_delay";
/// Everything that is measured. All but the sagas and the delay are requests, to their answers' ends.
pub const OPERATIONS: [&str; 12] = [
    SAGA,
    "saga.confirmed",
    "saga.rejected",
    "saga.cancelled",
    "order",
    "products",
    "product",
    "related",
    "recommendations",
    "trending",
    "activity",
    START_DELAY,
];

/// Three digits of a time are kept, up to an hour.
const PRECISION: u8 = 3;
const MAX_US: u64 = 3_600_000_000;

/// Collects from all visitors.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    times: BTreeMap<&'static str, Times>,
    errors: BTreeMap<String, u64>,
    deferred: BTreeMap<String, u64>,
    requests: u64,
    visits: u64,
    overruns: u64,
}

#[derive(Debug)]
struct Times {
    /// Since the last [`Recorder::window`].
    window: Histogram<u64>,
    total: Histogram<u64>,
}

/// Some of a distribution's times, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// How many.
    pub count: u64,
    /// The mean.
    pub mean: f64,
    /// Percentiles.
    pub p50: f64,
    /// See `p50`.
    pub p90: f64,
    /// See `p50`.
    pub p95: f64,
    /// See `p50`.
    pub p99: f64,
    /// 99.9 %.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

/// What was counted so far.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// Requests that were answered with what was asked for.
    pub requests: u64,
    /// Visits that were begun.
    pub visits: u64,
    /// Visits that were not, because too many were under way.
    pub overruns: u64,
    /// Requests that failed, by kind.
    pub errors: BTreeMap<String, u64>,
    /// Requests that were told to come later, by status.
    pub deferred: BTreeMap<String, u64>,
}

impl Counts {
    /// All errors.
    pub fn error_count(&self) -> u64 {
        self.errors.values().sum::<u64>() + self.overruns
    }
}

impl Recorder {
    /// An operation took this long.
    pub fn took(&self, operation: &'static str, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(MAX_US).clamp(1, MAX_US);
        let mut inner = self.lock();
        let times = inner.times.entry(operation).or_insert_with(Times::new);
        times.window.saturating_record(us);
    }

    /// A request was answered with what was asked for.
    pub fn answered(&self, operation: &'static str, time: Duration) {
        self.lock().requests += 1;
        self.took(operation, time);
    }

    /// A visit began, this long after it should have.
    pub fn began(&self, late: Duration) {
        self.lock().visits += 1;
        self.took(START_DELAY, late);
    }

    /// A visit was not begun, because too many are under way.
    pub fn overrun(&self) {
        self.lock().overruns += 1;
    }

    /// Something failed.
    pub fn failed(&self, kind: &str) {
        count(&mut self.lock().errors, kind);
    }

    /// The shop said "later".
    pub fn deferred(&self, kind: &str) {
        count(&mut self.lock().deferred, kind);
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        let inner = self.lock();
        Counts {
            requests: inner.requests,
            visits: inner.visits,
            overruns: inner.overruns,
            errors: inner.errors.clone(),
            deferred: inner.deferred.clone(),
        }
    }

    /// What was measured since the last call.
    pub fn window(&self) -> BTreeMap<String, Summary> {
        let mut summaries = BTreeMap::new();
        for (operation, times) in &mut self.lock().times {
            if !times.window.is_empty() {
                summaries.insert((*operation).to_owned(), Summary::of(&times.window));
            }
            times.close_window();
        }
        summaries
    }

    /// All that was measured of an operation.
    pub fn total(&self, operation: &str) -> Option<Histogram<u64>> {
        let mut inner = self.lock();
        let times = inner.times.get_mut(operation)?;
        times.close_window();
        Some(times.total.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What is in it is whole after every line above.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Times {
    fn new() -> Self {
        Self { window: empty(), total: empty() }
    }

    fn close_window(&mut self) {
        self.total.add(&self.window).expect("both have the same bounds");
        self.window.reset();
    }
}

impl Summary {
    /// Sums up microseconds.
    pub fn of(times: &Histogram<u64>) -> Self {
        let ms = |quantile| milliseconds(times.value_at_quantile(quantile));
        Self {
            count: times.len(),
            mean: times.mean() / 1e3,
            p50: ms(0.5),
            p90: ms(0.9),
            p95: ms(0.95),
            p99: ms(0.99),
            p999: ms(0.999),
            max: milliseconds(times.max()),
        }
    }
}

/// Microseconds as milliseconds.
#[expect(clippy::cast_precision_loss, reason = "times of less than an hour are exact in an f64")]
pub fn milliseconds(us: u64) -> f64 {
    us as f64 / 1e3
}

fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_US, PRECISION).expect("the bounds are right")
}

fn count(kinds: &mut BTreeMap<String, u64>, kind: &str) {
    match kinds.get_mut(kind) {
        Some(count) => *count += 1,
        None => drop(kinds.insert(kind.to_owned(), 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_all_times() {
        let recorder = Recorder::default();
        for ms in 1..=1000 {
            recorder.took(SAGA, Duration::from_millis(ms));
            if ms == 500 {
                assert_eq!(500, recorder.window()[SAGA].count);
            }
        }
        assert_eq!(500, recorder.window()[SAGA].count);
        assert!(recorder.window().is_empty(), "a window is read once");
        let all = Summary::of(&recorder.total(SAGA).unwrap());
        assert_eq!(1000, all.count);
        for (expected, actual) in
            [(500.0, all.p50), (900.0, all.p90), (990.0, all.p99), (999.0, all.p999)]
        {
            assert!((actual / expected - 1.0).abs() < 0.002, "{expected}: {actual}");
        }
    }

    #[test]
    fn errors_are_counted_by_kind() {
        let recorder = Recorder::default();
        recorder.failed("order: 500");
        recorder.failed("order: 500");
        recorder.deferred("503");
        recorder.overrun();
        let counts = recorder.counts();
        assert_eq!((2, 1), (counts.errors["order: 500"], counts.deferred["503"]));
        assert_eq!(3, counts.error_count(), "who was told to come later is no error");
    }
}
