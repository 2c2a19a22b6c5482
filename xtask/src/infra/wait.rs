//! The one place that waits: polling of other processes, which cannot wake us.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

// `allow`, not `expect`: it holds with and without the workspace's ban on this method.
#[allow(clippy::disallowed_methods, reason = "another process cannot wake us; bounded by `limit`")]
fn pause_for(pause: Duration) {
    thread::sleep(pause);
}

/// Asks until `done` says yes, with growing pauses; `false` when it did not within `limit`.
pub fn wait_until(limit: Duration, mut done: impl FnMut() -> Result<bool>) -> Result<bool> {
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        if done()? {
            return Ok(true);
        }
        if start.elapsed() >= limit {
            return Ok(false);
        }
        pause_for(pause);
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_asks_at_least_once_even_without_time() {
        assert!(wait_until(Duration::ZERO, || Ok(true)).expect("asked"));
        assert!(!wait_until(Duration::ZERO, || Ok(false)).expect("asked"));
    }

    #[test]
    fn an_error_ends_the_wait() {
        assert!(wait_until(Duration::MAX, || anyhow::bail!("dead")).is_err());
    }
}
