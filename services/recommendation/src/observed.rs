//! What the service counts, to be looked at by operators.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

/// The upper bounds of the classes of latencies, in microseconds; what is longer is in a class of its own.
pub const LATENCY_BOUNDS_MICROS: [u64; 10] =
    [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 250_000];

/// Counters of one service. They start at zero with the process and only grow, but for the gauges.
#[derive(Debug, Default)]
pub struct Counters {
    /// Events that changed the model.
    pub learned: AtomicU64,
    /// Events that were in the model already.
    pub repeated: AtomicU64,
    /// Events older than what is retained.
    pub too_old: AtomicU64,
    /// Clicks on SKUs for which there was no room.
    pub no_room: AtomicU64,
    /// Records that can never be learned; each is in the dead letters.
    pub unusable: AtomicU64,
    /// Snapshots written.
    pub snapshots: AtomicU64,
    /// The size of the newest snapshot, in bytes. A gauge.
    pub snapshot_bytes: AtomicU64,
    /// How often the model was built anew after something went wrong.
    pub rebuilt: AtomicU64,
    /// How long answers took.
    pub answers: Histogram,
    /// For each shard, the batches that wait in its actor's mailbox. Gauges.
    pub mailboxes: Vec<AtomicUsize>,
}

impl Counters {
    /// Those of a service with so many shards.
    pub fn new(shards: usize) -> Self {
        let mailboxes = (0..shards).map(|_| AtomicUsize::default()).collect();
        Self { mailboxes, ..Self::default() }
    }
}

/// How many answers took how long.
#[derive(Debug, Default)]
pub struct Histogram {
    classes: [AtomicU64; LATENCY_BOUNDS_MICROS.len() + 1],
    sum_micros: AtomicU64,
}

impl Histogram {
    /// Counts an answer.
    pub fn record(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let class = LATENCY_BOUNDS_MICROS.partition_point(|&bound| bound < micros);
        self.classes[class].fetch_add(1, Relaxed);
        self.sum_micros.fetch_add(micros, Relaxed);
    }

    /// The counts by class, the last without an upper bound.
    pub fn counts(&self) -> [u64; LATENCY_BOUNDS_MICROS.len() + 1] {
        std::array::from_fn(|class| self.classes[class].load(Relaxed))
    }

    /// How long all answers took together, in microseconds.
    pub fn sum_micros(&self) -> u64 {
        self.sum_micros.load(Relaxed)
    }
}

/// The state of the service at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// SKUs ever met.
    pub items: usize,
    /// Each shard.
    pub shards: Vec<ObservedShard>,
    /// Records in the log that are not learned yet.
    pub lag: u64,
    /// Whether everything that was in the log at the start is learned.
    pub is_ready: bool,
    /// The newest event time, in microseconds since 1970.
    pub watermark_micros: Option<i64>,
}

/// The state of one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedShard {
    /// Sessions retained.
    pub sessions: usize,
    /// Their clicks.
    pub clicks: usize,
    /// Orders retained.
    pub orders: usize,
    /// Batches that wait in its actor's mailbox.
    pub mailbox: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_counted_in_its_class() {
        let histogram = Histogram::default();
        for micros in [0, 50, 51, 250_000, 250_001] {
            histogram.record(Duration::from_micros(micros));
        }
        assert_eq!(histogram.counts(), [2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(histogram.sum_micros(), 500_102);
    }
}
