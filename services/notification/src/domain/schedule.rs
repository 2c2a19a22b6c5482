//! When a failed attempt is repeated: soon, then over hours, then never.

use std::time::Duration;

use kernel::Timestamp;
use uuid::Uuid;

/// The waits between attempts, in seconds: the schedule that the Standard Webhooks specification
/// recommends, with a few more at its beginning. Together about three days.
const WAITS_S: [u64; 12] =
    [2, 5, 15, 60, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600];

/// When the next attempt is due after `attempts` that failed; `None` is never. A tenth more or
/// less, by the id, so that what failed together does not come back together.
pub fn next_try(id: Uuid, attempts: u32, now: Timestamp) -> Option<Timestamp> {
    let index = usize::try_from(attempts.max(1) - 1).ok()?;
    let wait_ms = WAITS_S.get(index)? * 1000;
    let spread = u64::from(id.as_bytes()[15]);
    Some(now.plus(Duration::from_millis(wait_ms * 9 / 10 + wait_ms * spread / (5 * 256))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_spread_over_hours_and_end_after_days() {
        let mut now = Timestamp(0);
        let mut attempts = 1;
        while let Some(next) = next_try(Uuid::from_u128(77), attempts, now) {
            assert!(next > now);
            now = next;
            attempts += 1;
        }
        let hours = now.since(Timestamp(0)).as_secs() / 3600;
        assert_eq!(attempts, 13);
        assert!((60..90).contains(&hours), "{hours} h");
    }

    #[test]
    fn two_that_failed_together_do_not_come_back_together() {
        let due = |id| next_try(Uuid::from_u128(id), 5, Timestamp(0));
        assert_ne!(due(1), due(200));
    }
}
