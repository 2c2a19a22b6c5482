//! What is popular now: counts over sliding windows of event time.
//!
//! A window is a ring of 60 buckets. An event is counted in its bucket and in the window's ranking; when the
//! watermark enters a new bucket, the counts of the oldest are taken out. So an event costs the same however much a
//! window holds, and a window is exact to a sixtieth of its length.

use super::ranking::Ranking;
use super::varint;
use rustc_hash::FxHashMap;

const BUCKETS: i64 = 60;

/// The windows there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The last hour of event time.
    Hour,
    /// The last 24 hours.
    Day,
}

impl Window {
    const fn bucket_ms(self) -> i64 {
        match self {
            Self::Hour => 60 * 1000,
            Self::Day => 24 * 60 * 1000,
        }
    }
}

/// Counts per item. A bucket that is no longer the newest is packed: its items in ascending order, each with its
/// distance from the last and its count, two or three bytes together.
#[derive(Clone, Debug, Default)]
struct Bucket {
    counts: FxHashMap<u32, u32>,
    packed: Vec<u8>,
}

impl Bucket {
    fn pack(&mut self) {
        if !self.packed.is_empty() {
            return;
        }
        let mut counts: Vec<_> = std::mem::take(&mut self.counts).into_iter().collect();
        counts.sort_unstable();
        let mut last = 0;
        for (item, count) in counts {
            let written = varint::write(&mut self.packed, u64::from(item - last))
                .and_then(|()| varint::write(&mut self.packed, u64::from(count)));
            debug_assert!(written.is_ok(), "a vector takes all that is written");
            last = item;
        }
        self.packed.shrink_to_fit();
    }

    /// The items with their counts; one that came late has a second count.
    fn iter(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let (mut packed, mut item) = (&self.packed[..], 0);
        let unpack = move || {
            item += varint::read_u32(&mut packed).ok()?;
            Some((item, varint::read_u32(&mut packed).ok()?))
        };
        std::iter::from_fn(unpack).chain(self.counts.iter().map(|(&item, &count)| (item, count)))
    }
}

/// Counts per item over one window.
#[derive(Clone, Debug)]
pub struct WindowCounts {
    bucket_ms: i64,
    /// The number of the newest bucket, in buckets since 1970.
    newest: i64,
    buckets: Vec<Bucket>,
    ranking: Ranking,
}

impl WindowCounts {
    fn new(window: Window) -> Self {
        let buckets = (0..BUCKETS).map(|_| Bucket::default()).collect();
        Self {
            bucket_ms: window.bucket_ms(),
            newest: i64::MIN,
            buckets,
            ranking: Ranking::default(),
        }
    }

    /// The items by their counts.
    pub const fn ranking(&self) -> &Ranking {
        &self.ranking
    }

    /// Counts an event, unless it lies before the window.
    fn count(&mut self, item: u32, time_ms: i64, times: u32) {
        let bucket = time_ms.div_euclid(self.bucket_ms);
        if bucket <= self.newest.saturating_sub(BUCKETS) {
            return;
        }
        *self.buckets[ring(bucket)].counts.entry(item).or_default() += times;
        (0..times).for_each(|_| self.ranking.increment(item));
    }

    /// Moves the window's end. It never moves back.
    fn advance(&mut self, watermark_ms: i64) {
        let newest = watermark_ms.div_euclid(self.bucket_ms);
        let first = self.newest.max(newest.saturating_sub(BUCKETS));
        if newest > self.newest {
            self.buckets[ring(self.newest)].pack();
        }
        for bucket in first.saturating_add(1)..=newest {
            for (item, count) in std::mem::take(&mut self.buckets[ring(bucket)]).iter() {
                (0..count).for_each(|_| self.ranking.decrement(item));
            }
        }
        self.newest = self.newest.max(newest);
    }

    /// The start of each bucket in milliseconds, with the items counted in it and their counts.
    pub fn counts(&self) -> impl Iterator<Item = (i64, u32, u32)> + '_ {
        let first = self.newest.saturating_sub(BUCKETS - 1);
        (first..=self.newest).take_while(|&bucket| bucket > i64::MIN).flat_map(|bucket| {
            let start_ms = bucket.saturating_mul(self.bucket_ms);
            self.buckets[ring(bucket)].iter().map(move |(item, count)| (start_ms, item, count))
        })
    }
}

fn ring(bucket: i64) -> usize {
    usize::try_from(bucket.rem_euclid(BUCKETS)).unwrap_or_default()
}

/// Both windows, and the watermark: the newest event time seen.
#[derive(Clone, Debug)]
pub struct Trending {
    hour: WindowCounts,
    day: WindowCounts,
    watermark_ms: i64,
}

impl Default for Trending {
    fn default() -> Self {
        let (hour, day) = (WindowCounts::new(Window::Hour), WindowCounts::new(Window::Day));
        Self { hour, day, watermark_ms: i64::MIN }
    }
}

impl Trending {
    /// Counts an event `times` times in both windows, and moves them if it is the newest.
    pub fn count(&mut self, item: u32, time_ms: i64, times: u32) {
        self.advance(time_ms);
        self.hour.count(item, time_ms, times);
        self.day.count(item, time_ms, times);
    }

    /// Restores a count of one window.
    pub fn restore(&mut self, window: Window, (start_ms, item, count): (i64, u32, u32)) {
        match window {
            Window::Hour => self.hour.count(item, start_ms, count),
            Window::Day => self.day.count(item, start_ms, count),
        }
    }

    /// Moves the windows' ends.
    pub fn advance(&mut self, watermark_ms: i64) {
        if watermark_ms > self.watermark_ms {
            self.watermark_ms = watermark_ms;
            self.hour.advance(watermark_ms);
            self.day.advance(watermark_ms);
        }
    }

    /// The newest event time in milliseconds; `i64::MIN` before the first.
    pub const fn watermark_ms(&self) -> i64 {
        self.watermark_ms
    }

    /// The counts of a window.
    pub const fn window(&self, window: Window) -> &WindowCounts {
        match window {
            Window::Hour => &self.hour,
            Window::Day => &self.day,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// In whatever order events come: those in the last 60 buckets are counted, provided they were when they came.
        #[test]
        fn a_window_counts_what_lies_in_it(mut minutes in prop::collection::vec(0i64..200, 1..80), shuffled in any::<bool>()) {
            if !shuffled { minutes.sort_unstable(); }
            let mut trending = Trending::default();
            let mut newest = 0;
            for &minute in &minutes {
                trending.count(7, minute * 60_000, 1);
                newest = newest.max(minute);
            }
            let expected = minutes.iter().filter(|&&minute| minute > newest - 60).count();
            prop_assert_eq!(trending.window(Window::Hour).ranking().count(7) as usize, expected);
            prop_assert_eq!(trending.window(Window::Day).ranking().count(7) as usize, minutes.len());
        }
    }
}
