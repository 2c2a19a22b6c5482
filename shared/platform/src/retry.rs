//! How long to wait before the next attempt: capped exponential back-off with full jitter
//! (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).

use std::time::Duration;

/// Counts failures in a row and says how long to wait. Pure: the random numbers are handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// The first wait is at most `base`, the next ones up to twice as long each, none beyond `cap`.
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, failures: 0 }
    }

    /// How long to wait after another failure: anything from zero to the ceiling, so that those
    /// who failed together do not come back together. The lower bits of `random` must be random;
    /// a new id's are.
    pub fn next_delay(&mut self, random: u64) -> Duration {
        let ceiling = self.ceiling();
        self.failures = self.failures.saturating_add(1);
        let span_us = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(random % span_us.saturating_add(1))
    }

    /// The longest that the next wait can be.
    pub fn ceiling(&self) -> Duration {
        let factor = 2_u32.checked_pow(self.failures).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.cap)
    }

    /// How often in a row it has failed.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// It worked: the next failure is the first again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BASE: Duration = Duration::from_millis(100);
    const CAP: Duration = Duration::from_secs(30);

    #[test]
    fn the_ceiling_doubles_up_to_the_cap_and_starts_again() {
        let mut backoff = Backoff::new(BASE, CAP);
        let mut ceilings = Vec::new();
        for _ in 0..10 {
            ceilings.push(backoff.ceiling().as_millis());
            backoff.next_delay(0);
        }
        assert_eq!(ceilings, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000]);
        backoff.reset();
        assert_eq!(backoff, Backoff::new(BASE, CAP));
    }

    #[test]
    fn the_jitter_reaches_from_zero_to_the_ceiling() {
        assert_eq!(Backoff::new(BASE, CAP).next_delay(0), Duration::ZERO);
        assert_eq!(Backoff::new(BASE, CAP).next_delay(100_000), BASE);
        assert_eq!(Backoff::new(BASE, CAP).next_delay(100_001), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_its_ceiling(failures in 0..u32::MAX, random: u64) {
            let mut backoff = Backoff { failures, ..Backoff::new(BASE, CAP) };
            let ceiling = backoff.ceiling();
            prop_assert!(ceiling <= CAP);
            prop_assert!(backoff.next_delay(random) <= ceiling);
        }
    }
}
