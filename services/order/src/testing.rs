//! What the tests of every ring share: a clock that is set by hand, a log that is out of reach,
//! events as the other services say them, and the service with a client.

pub mod events;
pub mod live;
pub mod log;
pub mod shop;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use kernel::{Clock, Timestamp};
use uuid::Uuid;

/// 2026-11-21T08:00:00Z, when every test begins.
pub const START: Timestamp = Timestamp(1_795_248_000_000_000);

/// A clock that stands still until it is moved, and whose ids count up.
pub struct HandClock {
    now_us: AtomicI64,
    ids: AtomicU64,
    looks: AtomicU64,
}

impl HandClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { now_us: START.0.into(), ids: 1.into(), looks: 0.into() })
    }

    pub fn advance(&self, span: Duration) {
        self.now_us.store(self.now().plus(span).0, Ordering::Relaxed);
    }

    /// How often somebody looked: a transaction looks when it begins.
    pub fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        self.looks.fetch_add(1, Ordering::Relaxed);
        Timestamp(self.now_us.load(Ordering::Relaxed))
    }

    fn new_id(&self) -> Uuid {
        let mut tail = [0; 10];
        tail[2..].copy_from_slice(&self.ids.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let now_ms = self.now_us.load(Ordering::Relaxed).unsigned_abs() / 1000;
        uuid::Builder::from_unix_timestamp_millis(now_ms, &tail).into_uuid()
    }
}
