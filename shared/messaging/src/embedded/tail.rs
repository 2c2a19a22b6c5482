//! The newest records of all partitions, in memory within a bound: a reader that keeps up never
//! asks the store.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use super::store::{Limit, PartitionId, Range, record_size};
use crate::record::Record;

/// What a record takes beside its bytes, roughly: offsets, names, allocations.
const OVERHEAD_BYTES: usize = 512;

/// A cache of the newest records; the oldest go first, of whichever partition. None goes that is not on disk.
pub struct Tail {
    capacity_bytes: usize,
    bytes: usize,
    records: HashMap<PartitionId, VecDeque<Arc<Record>>>,
    /// The partition of each record, in the order they came.
    order: VecDeque<PartitionId>,
    /// How many of the newest are not on disk.
    unwritten: usize,
}

impl Tail {
    /// A tail of at most `capacity_bytes`.
    pub fn new(capacity_bytes: usize) -> Self {
        let (records, order) = (HashMap::new(), VecDeque::new());
        Self { capacity_bytes, bytes: 0, records, order, unwritten: 0 }
    }

    /// Adds the newest record of a partition.
    pub fn push(&mut self, id: PartitionId, record: Arc<Record>) {
        self.bytes += cost(&record);
        self.records.entry(id).or_default().push_back(record);
        self.order.push_back(id);
        self.unwritten += 1;
        self.shrink();
    }

    /// The next `count` records are on disk.
    pub fn written(&mut self, count: usize) {
        self.unwritten -= count;
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.bytes > self.capacity_bytes
            && self.order.len() > self.unwritten
            && let Some(oldest) = self.order.pop_front()
        {
            self.drop_first(oldest);
        }
    }

    fn drop_first(&mut self, id: PartitionId) {
        if let Some(record) = self.records.get_mut(&id).and_then(VecDeque::pop_front) {
            self.bytes -= cost(&record);
        }
    }

    /// Drops the records of a partition up to and including `last`.
    pub fn forget(&mut self, id: PartitionId, last: u64) {
        let Some(records) = self.records.get(&id) else { return };
        let count = records.partition_point(|record| record.offset <= last);
        let mut left = count;
        self.order.retain(|own| {
            let goes = *own == id && left > 0;
            left -= usize::from(goes);
            !goes
        });
        for _ in 0..count {
            self.drop_first(id);
        }
    }

    /// The records of `range`, or `None` when the tail does not reach back.
    pub fn read(&self, range: Range, limit: Limit) -> Option<Vec<Arc<Record>>> {
        let records = self.records.get(&range.partition)?;
        records.front().filter(|first| first.offset <= range.from)?;
        let start = records.partition_point(|record| record.offset < range.from);
        let mut found = Vec::new();
        let mut bytes = 0;
        let wanted = records.range(start..).take_while(|record| record.offset < range.to);
        for record in wanted.take(limit.records) {
            bytes += record_size(record);
            if bytes > limit.bytes && !found.is_empty() {
                break;
            }
            found.push(Arc::clone(record));
        }
        Some(found)
    }
}

fn cost(record: &Record) -> usize {
    record_size(record) + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::TopicPartition;

    const LIMIT: Limit = Limit { records: 10, bytes: 10_000 };

    fn record(offset: u64) -> Arc<Record> {
        Arc::new(Record {
            at: TopicPartition::new("t", 0),
            offset,
            timestamp_ms: 0,
            key: None,
            value: Some(vec![0; 88].into()),
            headers: Vec::new(),
        })
    }

    fn offsets(tail: &Tail, id: PartitionId, from: u64) -> Option<Vec<u64>> {
        let records = tail.read(Range { partition: id, from, to: 10 }, LIMIT)?;
        Some(records.iter().map(|record| record.offset).collect())
    }

    #[test]
    fn the_oldest_records_of_all_partitions_go_first() {
        let mut tail = Tail::new(3 * 600);
        for (id, offset) in [(0, 0), (1, 0), (0, 1), (0, 2)] {
            tail.push(id, record(offset));
        }
        assert_eq!(offsets(&tail, 0, 0), Some(vec![0, 1, 2]), "none of them is on disk");
        tail.written(4);
        assert_eq!(offsets(&tail, 0, 0), None);
        assert_eq!(offsets(&tail, 0, 1), Some(vec![1, 2]));
        assert_eq!(offsets(&tail, 1, 0), Some(vec![0]));
    }

    #[test]
    fn a_tail_without_room_keeps_nothing() {
        let mut tail = Tail::new(0);
        tail.push(0, record(0));
        tail.written(1);
        assert_eq!(offsets(&tail, 0, 0), None);
        assert_eq!((tail.bytes, tail.order.len()), (0, 0));
    }

    #[test]
    fn forgotten_records_leave_no_trace() {
        let mut tail = Tail::new(100_000);
        for offset in 0..5 {
            tail.push(0, record(offset));
            tail.push(1, record(offset));
        }
        tail.written(10);
        tail.forget(0, 2);
        assert_eq!(offsets(&tail, 0, 2), None);
        assert_eq!(offsets(&tail, 0, 3), Some(vec![3, 4]));
        assert_eq!(offsets(&tail, 1, 0), Some(vec![0, 1, 2, 3, 4]));
        assert_eq!((tail.bytes, tail.order.len()), (7 * 600, 7));
    }

    #[test]
    fn a_batch_ends_at_the_limit_but_has_at_least_one_record() {
        let mut tail = Tail::new(100_000);
        for offset in 0..5 {
            tail.push(0, record(offset));
        }
        let all = Range { partition: 0, from: 0, to: 5 };
        let count = |limit| tail.read(all, limit).map(|records| records.len());
        assert_eq!(count(Limit { records: 3, bytes: 10_000 }), Some(3));
        assert_eq!(count(Limit { records: 3, bytes: 200 }), Some(2));
        assert_eq!(count(Limit { records: 3, bytes: 1 }), Some(1));
    }
}
