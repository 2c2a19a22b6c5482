//! The real time and real ids: the only place where they come from.

use std::time::{SystemTime, UNIX_EPOCH};

use kernel::{Clock, Timestamp};
use uuid::Uuid;

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[allow(clippy::disallowed_methods, reason = "this is the edge that the ban points to")]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::default().plus(since_1970)
    }

    fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_ids_sort_behind_earlier_ones() {
        let ids: Vec<_> = (0..1000).map(|_| SystemClock.new_id()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn it_is_after_2026() {
        assert!(
            Timestamp::parse("2026-01-01T00:00:00Z").is_some_and(|past| past < SystemClock.now())
        );
    }
}
