//! Where the clicks of all sessions lie, and the lists of the inverted index: in runs of fixed capacities, so that an
//! element costs its bytes and little more. A vector for each would cost its header, the allocator's, and its rounding.

use super::places::Places;

/// The largest number of elements in one run.
pub const MAX_RUN: usize = 64;
const CAPACITIES: [usize; 12] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, MAX_RUN];

/// The place of a run.
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

    const fn capacity(self) -> usize {
        CAPACITIES[self.class as usize]
    }
}

/// Runs of several capacities.
#[derive(Clone, Debug)]
pub struct Arena<T> {
    classes: [Places<T>; CAPACITIES.len()],
}

impl<T: Copy + Default> Default for Arena<T> {
    fn default() -> Self {
        Self { classes: CAPACITIES.map(Places::new) }
    }
}

impl<T: Copy + Default> Arena<T> {
    /// A new run without elements.
    pub fn allocate(&mut self) -> Run {
        Run { place: self.classes[0].take(T::default()), class: 0, len: 0 }
    }

    /// Gives a run's place back.
    pub fn release(&mut self, run: Run) {
        self.classes[run.class as usize].release(run.place);
    }

    /// The elements of a run.
    pub fn run(&self, run: Run) -> &[T] {
        &self.classes[run.class as usize].at(run.place)[..run.len()]
    }

    /// The elements of a run, to be changed.
    pub fn run_mut(&mut self, run: Run) -> &mut [T] {
        &mut self.classes[run.class as usize].at_mut(run.place)[..run.len()]
    }

    /// Inserts an element before the one at `at`. The run must have less than [`MAX_RUN`].
    pub fn insert(&mut self, run: &mut Run, at: usize, element: T) {
        if run.len() == run.capacity() {
            self.resize(run);
        }
        run.len += 1;
        let elements = self.run_mut(*run);
        elements.copy_within(at..elements.len() - 1, at + 1);
        elements[at] = element;
    }

    /// Removes the element at `at`.
    pub fn remove(&mut self, run: &mut Run, at: usize) -> T {
        let elements = self.run_mut(*run);
        let removed = elements[at];
        elements.copy_within(at + 1.., at);
        run.len -= 1;
        if run.len() <= run.capacity() / 2 {
            self.resize(run);
        }
        removed
    }

    /// Moves the elements from `at` on to a run of their own.
    pub fn split_off(&mut self, run: &mut Run, at: usize) -> Run {
        let mut rest = self.allocate();
        while run.len() > at {
            let last = self.remove(run, run.len() - 1);
            self.insert(&mut rest, 0, last);
        }
        rest
    }

    /// Moves a run to where it fits, with room for one more.
    fn resize(&mut self, run: &mut Run) {
        let [class, ..] =
            CAPACITIES.partition_point(|&capacity| capacity <= run.len()).to_le_bytes();
        if class == run.class {
            return;
        }
        let place = self.classes[class as usize].take(T::default());
        let resized = Run { place, class, len: run.len };
        let mut copy = [T::default(); MAX_RUN];
        copy[..run.len()].copy_from_slice(self.run(*run));
        self.run_mut(resized).copy_from_slice(&copy[..run.len()]);
        self.release(*run);
        *run = resized;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_hold_what_vectors_hold(changes in prop::collection::vec((0usize..3, any::<bool>(), 0usize..64), 0..600)) {
            let mut arena = Arena::default();
            let mut runs = [arena.allocate(), arena.allocate(), arena.allocate()];
            let mut vectors = [const { Vec::new() }; 3];
            for (number, (which, grow, at)) in changes.into_iter().enumerate() {
                let (run, vector) = (&mut runs[which], &mut vectors[which]);
                if grow && vector.len() < MAX_RUN {
                    let at = at.min(vector.len());
                    vector.insert(at, number);
                    arena.insert(run, at, number);
                } else if at < vector.len() {
                    vector.remove(at);
                    arena.remove(run, at);
                }
                prop_assert!((0..3).all(|which| arena.run(runs[which]) == vectors[which]));
            }
        }
    }
}
