//! The current session as a query sees it.

use super::sessions::{SessionView, StoredClick};

/// The items of the current visit.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// In the order of the clicks, the newest last; an item clicked twice running stands once.
    pub items: Vec<u32>,
    /// Each item once, the newest first.
    pub distinct: Vec<u32>,
}

impl Context {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.items.clear();
        self.distinct.clear();
    }

    /// Takes the clicks of a stored session since its last long pause.
    pub fn extend_from_visit(&mut self, session: &SessionView<'_>, inactivity_ms: i64) {
        let clicks = session.clicks;
        let pause = |pair: &[StoredClick]| {
            i64::from(pair[1].offset_ms) - i64::from(pair[0].offset_ms) > inactivity_ms
        };
        let start = clicks.windows(2).rposition(pause).map_or(0, |place| place + 1);
        clicks[start..].iter().for_each(|click| self.push(click.item));
    }

    /// Adds an item as the newest.
    pub fn push(&mut self, item: u32) {
        if self.items.last() != Some(&item) {
            self.items.push(item);
        }
    }

    /// Fills `distinct` when all items are in.
    pub fn finish(&mut self) {
        for &item in self.items.iter().rev() {
            if !self.distinct.contains(&item) {
                self.distinct.push(item);
            }
        }
    }

    /// The item on the page.
    pub fn current(&self) -> Option<u32> {
        self.items.last().copied()
    }
}
