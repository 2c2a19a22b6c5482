//! Retention and compaction, in steps so small that appends are never held up for long.

use std::collections::HashMap;

use events::topics::Cleanup;
use futures::executor::block_on;

use super::{
    Core,
    commit::Work,
    state::Extent,
    store::{Outline, PartitionId, Range},
};
use crate::log::LogError;

/// Records looked at, and forgotten at most, in one step.
const STEP: usize = 500;

/// Keys remembered at once, which bounds the memory of a compaction: more take several passes.
const MAX_KEYS: usize = 20_000;

const HOUR_MS: i64 = 60 * 60 * 1000;

/// How long a tombstone stays, so that readers learn of it (`delete.retention.ms`).
const TOMBSTONE_MS: i64 = 24 * HOUR_MS;

/// When to compact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eagerness {
    /// Once the new records are as many as those kept (`min.cleanable.dirty.ratio` of 0.5).
    WhenItPays,
    /// At the first record that may go.
    Always,
}

/// What earlier compactions have learned.
#[derive(Default)]
pub struct Upkeep {
    compacted: HashMap<PartitionId, Compacted>,
}

#[derive(Clone, Copy, Default)]
struct Compacted {
    /// Before this offset no key occurs twice.
    up_to: u64,
    /// Records kept before it.
    kept: u64,
    /// When the oldest tombstone before it may go.
    tombstone_due_ms: Option<i64>,
}

impl Upkeep {
    /// Forgets what may be forgotten at `now_ms`. Returns the number of records.
    ///
    /// # Errors
    /// When the store fails; what is left is forgotten next time.
    pub fn run(&mut self, core: &Core, now_ms: i64, eagerness: Eagerness) -> Result<u64, LogError> {
        let mut forgotten = 0;
        let count = core.shared.lock().partition_count();
        for id in 0..count {
            let Some(extent) = core.shared.lock().extent(id) else { continue };
            forgotten += match extent.cleanup {
                Cleanup::Delete { hours, bytes } => {
                    let before_ms = now_ms.saturating_sub(i64::from(hours) * HOUR_MS);
                    expire(core, extent, before_ms, bytes.unwrap_or(u64::MAX))?
                }
                Cleanup::Compact => self.compact(core, extent, now_ms, eagerness)?,
            };
        }
        Ok(forgotten)
    }

    fn compact(
        &mut self,
        core: &Core,
        extent: Extent,
        now_ms: i64,
        eagerness: Eagerness,
    ) -> Result<u64, LogError> {
        let compacted = self.compacted.entry(extent.range.partition).or_default();
        let end = extent.range.to;
        let new = end - compacted.up_to.max(extent.range.from);
        let is_due = compacted.tombstone_due_ms.is_some_and(|due| due <= now_ms);
        let pays = eagerness == Eagerness::Always || new >= compacted.kept;
        let mut forgotten = 0;
        if is_due || (new > 0 && pays) {
            loop {
                let pass = Pass::prepare(core, extent.range, compacted.up_to, now_ms)?;
                forgotten += pass.sweep(core, extent.range, compacted)?;
                if compacted.up_to >= end {
                    break;
                }
            }
        }
        Ok(forgotten)
    }
}

fn expire(core: &Core, extent: Extent, before_ms: i64, max_bytes: u64) -> Result<u64, LogError> {
    let mut forgotten = 0;
    let Extent { mut range, tip, .. } = extent;
    let is_over = |record: &Outline| {
        record.timestamp_ms < before_ms || tip.total_bytes - record.total_bytes >= max_bytes
    };
    loop {
        let records = core.reader.outline(range, STEP)?;
        let seen = records.len();
        let offsets: Vec<u64> =
            records.into_iter().take_while(is_over).map(|record| record.offset).collect();
        let Some(last) = offsets.last() else { return Ok(forgotten) };
        range.from = last + 1;
        let is_last = offsets.len() < seen.max(STEP);
        forgotten += offsets.len() as u64;
        forget(core, range.partition, offsets, range.from)?;
        if is_last {
            return Ok(forgotten);
        }
    }
}

fn forget(
    core: &Core,
    partition: PartitionId,
    offsets: Vec<u64>,
    first: u64,
) -> Result<(), LogError> {
    block_on(core.writer.submit(Work::Forget { partition, offsets, first }))
}

/// One pass of a compaction: the newest offsets of some keys, and then all records before them.
struct Pass {
    newest: HashMap<Vec<u8>, u64>,
    up_to: u64,
    tombstones_before_ms: i64,
}

impl Pass {
    fn prepare(core: &Core, all: Range, from: u64, now_ms: i64) -> Result<Self, LogError> {
        let mut newest = HashMap::new();
        let mut range = Range { from: from.max(all.from), ..all };
        while newest.len() < MAX_KEYS {
            let records = core.reader.outline(range, STEP)?;
            let Some(last) = records.last() else { break };
            range.from = last.offset + 1;
            newest.extend(records.into_iter().map(|record| (record.key, record.offset)));
        }
        let up_to = if newest.len() < MAX_KEYS { all.to } else { range.from };
        Ok(Self { newest, up_to, tombstones_before_ms: now_ms.saturating_sub(TOMBSTONE_MS) })
    }

    fn sweep(self, core: &Core, all: Range, compacted: &mut Compacted) -> Result<u64, LogError> {
        let mut result = Compacted { up_to: self.up_to, ..Compacted::default() };
        let mut forgotten = 0;
        let mut first_kept = None;
        let mut range = Range { to: self.up_to, ..all };
        loop {
            let records = core.reader.outline(range, STEP)?;
            let Some(last) = records.last() else { break };
            range.from = last.offset + 1;
            let (gone, kept): (Vec<_>, Vec<_>) =
                records.into_iter().partition(|record| self.may_go(record));
            kept.iter().for_each(|record| result.keep(record));
            first_kept = first_kept.or(kept.first().map(|record| record.offset));
            if !gone.is_empty() {
                forgotten += gone.len() as u64;
                let offsets = gone.into_iter().map(|record| record.offset).collect();
                forget(core, range.partition, offsets, first_kept.unwrap_or(range.from))?;
            }
        }
        *compacted = result;
        Ok(forgotten)
    }

    fn may_go(&self, record: &Outline) -> bool {
        let is_superseded =
            self.newest.get(&record.key).is_some_and(|newest| *newest > record.offset);
        is_superseded || (record.is_tombstone && record.timestamp_ms <= self.tombstones_before_ms)
    }
}

impl Compacted {
    fn keep(&mut self, record: &Outline) {
        self.kept += 1;
        if record.is_tombstone {
            let due_ms = record.timestamp_ms.saturating_add(TOMBSTONE_MS);
            self.tombstone_due_ms =
                Some(self.tombstone_due_ms.map_or(due_ms, |earlier| earlier.min(due_ms)));
        }
    }
}
