//! Where the clicks of all sessions lie: runs of fixed capacities, so that a click costs its 12 bytes and little
//! more. A vector per session would cost a header, the allocator's header and its rounding on top.

use super::narrow;

/// The largest number of clicks in one run.
pub const MAX_RUN: usize = 64;
const CAPACITIES: [usize; 12] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, MAX_RUN];

/// A click within its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredClick {
    /// The item's id.
    pub item: u32,
    /// Milliseconds after the base time of its session.
    pub offset_ms: u32,
    /// Tells a repeat from a new click.
    pub fingerprint: u32,
}

/// The place of one session's clicks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    place: u32,
    class: u8,
    len: u8,
}

impl Run {
    /// How many clicks it holds.
    pub const fn len(self) -> usize {
        self.len as usize
    }
}

#[derive(Clone, Debug, Default)]
struct Class {
    clicks: Vec<StoredClick>,
    free: Vec<u32>,
}

/// Runs of clicks, one vector per capacity, freed places being used again.
#[derive(Clone, Debug, Default)]
pub struct Arena {
    classes: [Class; CAPACITIES.len()],
}

impl Arena {
    /// A new run without clicks.
    pub fn allocate(&mut self) -> Run {
        Run { place: self.take_place(0), class: 0, len: 0 }
    }

    /// Gives a run's place back.
    pub fn release(&mut self, run: Run) {
        self.classes[run.class as usize].free.push(run.place);
    }

    /// The clicks of a run.
    pub fn clicks(&self, run: Run) -> &[StoredClick] {
        let start = run.place as usize * CAPACITIES[run.class as usize];
        &self.classes[run.class as usize].clicks[start..start + run.len()]
    }

    /// The clicks of a run, to be changed.
    pub fn clicks_mut(&mut self, run: Run) -> &mut [StoredClick] {
        let start = run.place as usize * CAPACITIES[run.class as usize];
        &mut self.classes[run.class as usize].clicks[start..start + run.len()]
    }

    /// Inserts a click before the one at `at`. The run must have less than [`MAX_RUN`].
    pub fn insert(&mut self, run: &mut Run, at: usize, click: StoredClick) {
        if run.len() == CAPACITIES[run.class as usize] {
            self.grow(run);
        }
        run.len += 1;
        let clicks = self.clicks_mut(*run);
        clicks.copy_within(at..clicks.len() - 1, at + 1);
        clicks[at] = click;
    }

    /// Removes the oldest click.
    pub fn remove_first(&mut self, run: &mut Run) {
        let clicks = self.clicks_mut(*run);
        clicks.copy_within(1.., 0);
        run.len -= 1;
    }

    fn grow(&mut self, run: &mut Run) {
        let class = run.class + 1;
        let larger = Run { place: self.take_place(class), class, len: run.len };
        let mut copy = [StoredClick::default(); MAX_RUN];
        copy[..run.len()].copy_from_slice(self.clicks(*run));
        self.clicks_mut(larger).copy_from_slice(&copy[..run.len()]);
        self.release(*run);
        *run = larger;
    }

    fn take_place(&mut self, class: u8) -> u32 {
        let capacity = CAPACITIES[class as usize];
        let class = &mut self.classes[class as usize];
        class.free.pop().unwrap_or_else(|| {
            let place = narrow(class.clicks.len() / capacity);
            class.clicks.resize(class.clicks.len() + capacity, StoredClick::default());
            place
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_keep_their_clicks_while_they_grow_and_places_are_used_again() {
        let mut arena = Arena::default();
        let mut runs = [arena.allocate(), arena.allocate()];
        for item in 0..64 {
            for run in &mut runs {
                arena.insert(run, 0, StoredClick { item, ..StoredClick::default() });
            }
        }
        let items: Vec<u32> = arena.clicks(runs[1]).iter().map(|click| click.item).collect();
        assert_eq!(items, (0..64).rev().collect::<Vec<_>>());
        arena.remove_first(&mut runs[1]);
        assert_eq!(arena.clicks(runs[1])[0].item, 62);
        arena.release(runs[1]);
        assert_eq!(arena.allocate().len(), 0);
        assert_eq!(arena.clicks(runs[0])[0].item, 63);
    }
}
