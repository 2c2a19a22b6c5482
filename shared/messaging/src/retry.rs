//! Waiting longer after each failure, up to a cap, with jitter so that replicas don't march in step
//! ("full jitter", Brooker, "Exponential Backoff And Jitter", AWS 2015).

use std::time::Duration;

const FIRST_MS: u64 = 10;
const CAP_MS: u64 = 5_000;

/// How long to wait before the next try.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts a failure and waits: between half of and the whole of 10 ms, 20 ms, 40 ms … 5 s.
    pub async fn wait(&mut self) {
        let delay = self.next(rand::random());
        tokio::time::sleep(delay).await;
    }

    /// Starts anew after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// How many times in a row it failed.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    fn next(&mut self, random: u64) -> Duration {
        let ceiling = FIRST_MS.saturating_mul(1 << self.failures.min(20)).min(CAP_MS);
        self.failures += 1;
        let half = ceiling / 2;
        Duration::from_millis(half + random % (half + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_a_cap() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..30).map(|_| backoff.next(u64::MAX - 1).as_millis()).collect();
        assert!(waits[0] <= 10 && waits[0] >= 5);
        assert!(waits.iter().all(|wait| *wait <= u128::from(CAP_MS)));
        assert!(waits[29] >= u128::from(CAP_MS) / 2);
    }
}
