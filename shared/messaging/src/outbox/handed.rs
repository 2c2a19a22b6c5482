//! What a commit left in the outbox, handed to the relay, which need not read it then. Only where nobody else
//! writes to the outbox: on SQLite, whose positions follow one on another without a gap. A gap means that something
//! was not handed over, and all is read again.

use std::{
    mem,
    ops::RangeInclusive,
    sync::{Mutex, PoisonError},
};

use crate::record::NewRecord;

/// More than that is not kept for a relay that does not take it.
const ROWS_LIMIT: usize = 1000;

/// Rows of the outbox, as they were committed.
#[derive(Default)]
pub struct Handed(Mutex<Vec<Rows>>);

/// Rows at consecutive positions, and their records.
#[derive(Debug, PartialEq)]
pub struct Rows {
    /// Where they are.
    pub positions: RangeInclusive<i64>,
    /// One for each.
    pub records: Vec<NewRecord>,
}

impl Handed {
    /// Hands over `records`, the last of which was inserted at the position `last`.
    pub fn put(&self, last: i64, records: Vec<NewRecord>) {
        if records.is_empty() {
            return;
        }
        let count = i64::try_from(records.len()).unwrap_or(i64::MAX);
        let positions = last - count + 1..=last;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.iter().map(|rows| rows.records.len()).sum::<usize>() + records.len() > ROWS_LIMIT {
            all.clear();
        }
        all.push(Rows { positions, records });
    }

    /// All that was handed over and is behind `last`; `None` unless it follows on it.
    pub fn take_behind(&self, last: i64) -> Option<Rows> {
        let all = mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let (mut end, mut found) = (last, Vec::new());
        for Rows { positions, records } in all {
            if *positions.end() <= last {
                continue;
            }
            if *positions.start() != end + 1 {
                return None;
            }
            end = *positions.end();
            found.extend(records);
        }
        (end > last).then_some(Rows { positions: last + 1..=end, records: found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &'static str) -> NewRecord {
        NewRecord { topic: "t".into(), key: key.into(), value: None, headers: Vec::new() }
    }

    #[test]
    fn what_follows_is_taken_once_and_together() {
        let handed = Handed::default();
        assert_eq!(handed.take_behind(0), None);
        handed.put(2, vec![record("1"), record("2")]);
        handed.put(3, vec![record("3")]);
        handed.put(4, vec![record("4")]);
        let records = vec![record("3"), record("4")];
        // The relay had begun to read before the first was handed over.
        assert_eq!(handed.take_behind(2), Some(Rows { positions: 3..=4, records }));
        assert_eq!(handed.take_behind(4), None);
    }

    #[test]
    fn behind_a_gap_nothing_is_taken() {
        let handed = Handed::default();
        handed.put(2, vec![record("2")]);
        assert_eq!(handed.take_behind(0), None, "1 is missing");
        handed.put(3, vec![record("3")]);
        handed.put(5, vec![record("5")]);
        assert_eq!(handed.take_behind(2), None, "4 is missing");
        handed.put(6, vec![record("6")]);
        assert_eq!(handed.take_behind(5).map(|rows| rows.positions), Some(6..=6));
    }

    #[test]
    fn for_a_relay_that_takes_nothing_little_is_kept() {
        let handed = Handed::default();
        let limit = i64::try_from(ROWS_LIMIT).unwrap();
        for position in 1..=limit + 1 {
            handed.put(position, vec![record("x")]);
        }
        assert_eq!(handed.take_behind(0), None);
        handed.put(limit + 2, vec![record("y")]);
        assert_eq!(handed.take_behind(limit + 1).map(|rows| rows.records), Some(vec![record("y")]));
    }
}
