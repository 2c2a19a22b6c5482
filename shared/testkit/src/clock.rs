//! A clock that stands still until a test moves it, with ids that a seed repeats.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kernel::{Clock, Timestamp};
use uuid::{Builder, Uuid};

use crate::Random;

/// 2026-11-21T08:00:00Z, when every virtual clock starts.
pub const START: Timestamp = Timestamp(1_795_248_000_000_000);

/// Time and ids under a test's control. All of one seed's ids differ, and later ones sort behind
/// earlier ones, as real ones do.
pub struct VirtualClock(Mutex<State>);

struct State {
    now: Timestamp,
    ids: u32,
    random: Random,
}

impl State {
    fn new(seed: u64) -> Self {
        Self { now: START, ids: 0, random: Random::new(seed) }
    }
}

impl VirtualClock {
    /// A clock that stands at [`START`].
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(State::new(seed)))
    }

    /// Back to [`START`], with the ids of `seed`.
    pub fn restart(&self, seed: u64) {
        *self.state() = State::new(seed);
    }

    /// Moves the clock forward.
    pub fn advance(&self, span: Duration) {
        let mut state = self.state();
        state.now = state.now.plus(span);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    /// A UUIDv7: the time in milliseconds, then a count, then 24 random bits.
    fn new_id(&self) -> Uuid {
        let mut state = self.state();
        state.ids += 1;
        let [a, b, c, d] = state.ids.to_be_bytes();
        let [x, y, z, ..] = state.random.bits().to_be_bytes();
        let millis = u64::try_from(state.now.millis()).unwrap_or_default();
        // The version and the variant fall into the zeros.
        Builder::from_unix_timestamp_millis(millis, &[0, 0, 0, a, b, c, d, x, y, z]).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_still_until_it_is_moved() {
        let clock = VirtualClock::new(1);
        assert_eq!(clock.now(), START);
        clock.advance(Duration::from_secs(60));
        assert_eq!(clock.now().since(START), Duration::from_secs(60));
    }

    #[test]
    fn ids_differ_sort_and_repeat_with_their_seed() {
        let ids = |seed| {
            let clock = VirtualClock::new(seed);
            (0..70_000).map(|_| clock.new_id()).collect::<Vec<_>>()
        };
        let first = ids(1);
        assert!(first.is_sorted_by(|a, b| a < b));
        assert!(first.iter().all(|id| id.get_version_num() == 7));
        assert_eq!(first, ids(1));
        assert_ne!(first, ids(2));
    }
}
