//! What the service counts, to be looked at by operators.

use std::sync::atomic::{AtomicU64, AtomicUsize};

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
