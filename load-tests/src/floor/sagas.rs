//! The sagas of a run: how many, in which batches, and the ids and keys of each.

use std::ops::Range;

use uuid::Uuid;

use super::table::{Each, Event, LINES, Rows};

/// Products that are ordered, unless a batch needs more.
const PRODUCTS: u64 = 1000;

/// So many sagas, alike but for their ids.
#[derive(Clone, Copy, Debug)]
pub struct Sagas {
    /// How many.
    pub count: u64,
    /// How many share a transaction.
    pub batch: u64,
    /// When the run began, in milliseconds since 1970: no other run has the same ids.
    pub began_ms: u64,
}

/// An id, and the key that goes with it.
pub type Pair = (String, String);

impl Sagas {
    /// Their numbers, in batches.
    pub fn batches(self) -> impl Iterator<Item = Range<u64>> {
        let starts = (0..self.count).step_by(usize::try_from(self.batch).unwrap_or(usize::MAX));
        starts.map(move |start| start..self.count.min(start + self.batch))
    }

    /// The rows of a batch, with their keys or their events' ids.
    pub fn rows(self, batch: Range<u64>, rows: Rows) -> Vec<Pair> {
        match rows {
            Rows::Keys(each) => self.keys(batch, each).map(|key| (key, String::new())).collect(),
            Rows::Events(events) => {
                events.iter().flat_map(|event| self.of_event(batch.clone(), event)).collect()
            }
        }
    }

    /// The ids and keys of one event, for each order of the batch.
    pub fn of_event(self, batch: Range<u64>, event: &Event) -> impl Iterator<Item = Pair> {
        let (number, each) = (event.number, event.each);
        let ids = batch.clone().flat_map(move |saga| {
            (0..each.per_saga()).map(move |line| self.id(number, saga, line).to_string())
        });
        ids.zip(self.keys(batch, each))
    }

    /// All SKUs. A batch has each of its own only once, so that a statement changes every row once.
    pub fn skus(self) -> impl Iterator<Item = String> {
        (0..self.products()).map(sku)
    }

    fn keys(self, batch: Range<u64>, each: Each) -> impl Iterator<Item = String> {
        batch.flat_map(move |saga| {
            (0..each.per_saga()).map(move |line| match each {
                Each::Order => self.id(0, saga, 0).to_string(),
                Each::Line => sku((saga * LINES + line) % self.products()),
            })
        })
    }

    fn products(self) -> u64 {
        PRODUCTS.max(self.batch * LINES)
    }

    /// A UUIDv7: later sagas sort behind earlier ones, the rest looks random.
    fn id(self, event: u8, saga: u64, line: u64) -> Uuid {
        let time = u128::from((self.began_ms + saga) & 0xffff_ffff_ffff);
        let kind = u128::from(u64::from(event) * LINES + line);
        let noise = u128::from(noise(saga << 16 | u64::from(event) << 8 | line) >> 2);
        Uuid::from_u128(time << 80 | 7 << 76 | kind << 64 | 2 << 62 | noise)
    }
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a number that looks random, the same for the same.
pub fn noise(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn sku(number: u64) -> String {
    format!("floor-1795284063-243-{number:05}")
}
