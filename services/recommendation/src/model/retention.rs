//! Which session goes when there are too many: the one whose newest click is oldest.
//!
//! The sessions are dealt into 64 lots by their keys, and each lot retains its share. A shard owns whole lots, so
//! what is retained does not depend on the number of shards.

use super::SessionKey;
use super::postings::Recency;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

/// The number of lots, and so of shards at most.
pub const LOTS: usize = 64;

/// The time of the newest click, the upper half of the session's key, and the slot.
type Entry = Reverse<(i64, u32, u32)>;

/// The sessions of each lot, the oldest first to go.
#[derive(Clone, Debug)]
pub struct Retention {
    lots: Vec<BinaryHeap<Entry>>,
    /// For each lot, the newest click of all sessions that had to go.
    floors_ms: Vec<i64>,
    sessions_per_lot: usize,
}

/// The lot of a session.
pub fn lot_of(key: SessionKey) -> usize {
    usize::try_from(key.bits() % LOTS as u64).unwrap_or_default()
}

impl Retention {
    /// Retains about `sessions` in all, at least one to a lot.
    pub fn new(sessions: usize) -> Self {
        Self {
            lots: vec![BinaryHeap::new(); LOTS],
            floors_ms: vec![i64::MIN; LOTS],
            sessions_per_lot: sessions.div_ceil(LOTS).max(1),
        }
    }

    /// Takes charge of a new session.
    pub fn add(&mut self, key: SessionKey, slot: u32, newest_ms: i64) {
        self.lots[lot_of(key)].push(entry(key, slot, newest_ms));
    }

    /// The time up to which a lot takes no more clicks: what goes may have had any of them, so one that came again would
    /// count twice.
    pub fn floor_ms(&self, lot: usize) -> i64 {
        self.floors_ms[lot]
    }

    /// Raises a lot's floor.
    pub fn raise_floor(&mut self, lot: usize, floor_ms: i64) {
        self.floors_ms[lot] = self.floors_ms[lot].max(floor_ms);
    }

    /// Takes the oldest session out of a lot that has too many. An entry may be behind its session, whose newest click
    /// only gets newer: it is then brought up to date and put back.
    pub fn take_oldest(&mut self, lot: usize, recency: impl Fn(u32) -> Recency) -> Option<u32> {
        let heap = &mut self.lots[lot];
        if heap.len() <= self.sessions_per_lot {
            return None;
        }
        loop {
            let mut oldest = heap.peek_mut()?;
            let (recorded_ms, _, slot) = oldest.0;
            let (newest_ms, key) = recency(slot);
            if newest_ms == recorded_ms {
                PeekMut::pop(oldest);
                self.raise_floor(lot, newest_ms);
                return Some(slot);
            }
            *oldest = entry(SessionKey::from_bits(key), slot, newest_ms);
        }
    }
}

fn entry(key: SessionKey, slot: u32, newest_ms: i64) -> Entry {
    Reverse((newest_ms, super::narrow((key.bits() >> 32) as usize), slot))
}
