//! What is taken of the records that are read: of a click on a SKU that is known, the click alone; of all else a copy, to
//! be decoded when there is time to wait for the registry.

use std::sync::Arc;

use events::Codec;
use messaging::record::{Position, Record, RecordRef, RecordSink, TopicPartition};

use crate::{
    choreography::{Lesson, click_on},
    model::Click,
    pool::Pool,
};

/// Takes records as they are read, until they are taught.
pub struct Harvest {
    codec: Arc<Codec>,
    pool: Arc<Pool>,
    /// Records on which the model has panicked.
    suspects: Vec<(TopicPartition, u64)>,
    /// Whether everything is copied whole: spans need the headers.
    pub wants_copies: bool,
    batch: Batch,
}

/// Records that were read, of any partitions, each partition's in order.
#[derive(Default)]
pub struct Batch {
    /// The partitions, and the position after the last record of each.
    pub ends: Vec<Position>,
    /// What the records said.
    pub heard: Vec<Heard>,
}

/// What a record said.
pub struct Heard {
    /// The partition's index in the batch.
    pub place: usize,
    /// The record's offset.
    pub offset: u64,
    /// What it said.
    pub what: What,
}

/// What a record said, as far as that is known.
pub enum What {
    /// A click on a SKU that is known.
    Click(Click),
    /// Something else to learn.
    Lesson(Lesson),
    /// It has to be decoded.
    Record(Box<Record>),
    /// Nothing that is to be learned.
    Nothing,
}

impl Harvest {
    /// Takes for this pool.
    pub fn new(codec: Arc<Codec>, pool: Arc<Pool>, suspects: Vec<(TopicPartition, u64)>) -> Self {
        Self { codec, pool, suspects, wants_copies: false, batch: Batch::default() }
    }

    /// What was taken since the last time.
    pub fn batch(&mut self) -> Batch {
        let capacity = self.batch.heard.len();
        let next = Batch { ends: Vec::new(), heard: Vec::with_capacity(capacity) };
        std::mem::replace(&mut self.batch, next)
    }

    /// The click, when the record is one, has nothing wrong with it, and its SKU was found usable before.
    fn click(&self, record: &RecordRef<'_>) -> Option<Click> {
        if self.wants_copies || self.is_suspect(record) {
            return None;
        }
        let activity = self.codec.activity(record.value?)?;
        let item = self.pool.assortment().catalogue().get(activity.sku)?;
        click_on(item, &activity, record.timestamp_ms).ok()
    }

    fn is_suspect(&self, record: &RecordRef<'_>) -> bool {
        self.suspects.iter().any(|(at, offset)| *offset == record.offset && at == record.at)
    }
}

impl RecordSink for Harvest {
    fn take(&mut self, record: &RecordRef<'_>) {
        let what = match self.click(record) {
            Some(click) => What::Click(click),
            None => What::Record(Box::new(record.to_record())),
        };
        let (place, offset) = (self.batch.place(record), record.offset);
        self.batch.heard.push(Heard { place, offset, what });
    }
}

impl Batch {
    /// The index of the record's partition, which ends behind it now.
    fn place(&mut self, record: &RecordRef<'_>) -> usize {
        // Records come in runs of one partition.
        let known = self.ends.iter().rposition(|end| end.at == *record.at);
        let place = known.unwrap_or_else(|| {
            self.ends.push(Position { at: record.at.clone(), offset: 0 });
            self.ends.len() - 1
        });
        self.ends[place].offset = record.offset + 1;
        place
    }
}
