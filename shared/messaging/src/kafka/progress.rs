//! How far each partition of a member is done, and what of that is committed.
//!
//! A commit marker of a transaction takes an offset that no record has, and so do aborted and
//! compacted records. So the position after the last handled record may stay below the end of
//! the partition for ever, and whoever waits for `committed >= end` would wait for ever too.
//! librdkafka's own position goes past such gaps. Once all that was polled is done, nothing lies
//! between the two, and the farther one is committed.

use std::collections::HashMap;

use crate::record::{Position, TopicPartition};

/// The partitions of a member.
#[derive(Debug, Default)]
pub struct Progress {
    tracks: HashMap<TopicPartition, Track>,
}

/// Offsets of the next record; `None` as long as there is none.
#[derive(Debug, Default)]
struct Track {
    /// After the last polled record.
    polled: Option<u64>,
    /// librdkafka's position when everything before it had been polled.
    reached: Option<u64>,
    /// What was stored.
    stored: Option<u64>,
    /// What was sent to be committed and did not fail.
    committed: Option<u64>,
}

impl Track {
    fn done(&self) -> Option<u64> {
        if self.stored >= self.polled { self.stored.max(self.reached) } else { self.stored }
    }
}

impl Progress {
    /// These partitions are new.
    pub fn assign(&mut self, partitions: &[TopicPartition]) {
        self.tracks.extend(partitions.iter().map(|at| (at.clone(), Track::default())));
    }

    /// These partitions go; returns how far they are done.
    pub fn release(&mut self, partitions: &[TopicPartition]) -> Vec<Position> {
        let release = |at: &TopicPartition| {
            let track = self.tracks.remove(at)?;
            let offset = track.done().max(track.committed)?;
            Some(Position { at: at.clone(), offset })
        };
        partitions.iter().filter_map(release).collect()
    }

    /// All partitions go.
    pub fn release_all(&mut self) -> Vec<Position> {
        let all: Vec<_> = self.tracks.keys().cloned().collect();
        self.release(&all)
    }

    /// Everything before `position` was polled.
    pub fn polled(&mut self, position: &Position) {
        if let Some(track) = self.tracks.get_mut(&position.at) {
            track.polled = Some(position.offset);
        }
    }

    /// librdkafka stands at `position`, and everything before it was polled.
    pub fn reached(&mut self, position: &Position) {
        if let Some(track) = self.tracks.get_mut(&position.at) {
            track.reached = Some(position.offset);
        }
    }

    /// Everything before `position` is done. Partitions that are not this member's are ignored.
    pub fn store(&mut self, position: &Position) {
        if let Some(track) = self.tracks.get_mut(&position.at) {
            track.stored = track.stored.max(Some(position.offset));
        }
    }

    /// What is done and not committed; from now on it counts as committed.
    pub fn take_uncommitted(&mut self) -> Vec<Position> {
        let uncommitted = |(at, track): (&TopicPartition, &mut Track)| {
            let offset = track.done().filter(|done| track.committed < Some(*done))?;
            track.committed = Some(offset);
            Some(Position { at: at.clone(), offset })
        };
        self.tracks.iter_mut().filter_map(uncommitted).collect()
    }

    /// These were not committed after all.
    pub fn not_committed(&mut self, positions: &[Position]) {
        for position in positions {
            if let Some(track) = self.tracks.get_mut(&position.at) {
                track.committed = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(offset: u64) -> Position {
        Position { at: TopicPartition::new("shop.orders", 3), offset }
    }

    fn owner() -> Progress {
        let mut progress = Progress::default();
        progress.assign(&[position(0).at]);
        progress
    }

    #[test]
    fn what_is_stored_is_committed_once() {
        let mut progress = owner();
        progress.polled(&position(10));
        assert!(progress.take_uncommitted().is_empty());
        progress.store(&position(4));
        progress.store(&position(2));
        assert_eq!(progress.take_uncommitted(), [position(4)]);
        assert!(progress.take_uncommitted().is_empty());
        progress.not_committed(&[position(4)]);
        assert_eq!(progress.take_uncommitted(), [position(4)]);
    }

    #[test]
    fn the_marker_after_the_last_record_is_committed_with_it() {
        let mut progress = owner();
        progress.polled(&position(10));
        progress.reached(&position(11));
        progress.store(&position(9));
        assert_eq!(progress.take_uncommitted(), [position(9)], "one record is not done");
        progress.store(&position(10));
        assert_eq!(progress.take_uncommitted(), [position(11)]);
        progress.polled(&position(14));
        assert!(progress.take_uncommitted().is_empty(), "the new ones are not done");
    }

    #[test]
    fn a_partition_with_nothing_but_markers_is_done() {
        let mut progress = owner();
        progress.reached(&position(2));
        assert_eq!(progress.take_uncommitted(), [position(2)]);
    }

    #[test]
    fn a_released_partition_is_no_longer_ours() {
        let mut progress = owner();
        progress.polled(&position(5));
        progress.store(&position(5));
        assert_eq!(progress.release(&[position(0).at]), [position(5)]);
        progress.store(&position(6));
        assert!(progress.take_uncommitted().is_empty());
        assert!(progress.release_all().is_empty());
    }
}
