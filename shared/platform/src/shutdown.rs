//! The end of a process: a signal asks for it, what runs is finished, and it takes 10 s at most.

use std::{io, process::exit, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, timeout_at},
};

/// How long stopping may take; a second is left of the 10 s for the process to leave.
pub const LIMIT: Duration = Duration::from_secs(9);

/// The exit status after a second signal: 128 + SIGINT, as shells have it.
const IMPATIENT: i32 = 130;

/// Listens for SIGINT and SIGTERM from now on; the future resolves on the first. From then on
/// another one ends the process at once.
///
/// # Errors
/// When the operating system refuses to have its signals handled.
pub fn requested() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        let name = either(&mut interrupt, &mut terminate).await;
        tracing::info!("{name} received: stopping; another one ends the process at once");
        tokio::spawn(async move {
            let name = either(&mut interrupt, &mut terminate).await;
            tracing::warn!("{name} received again: ending at once");
            exit(IMPATIENT)
        });
    })
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}

/// The time that is left for stopping, shared by all its steps.
#[derive(Clone, Copy, Debug)]
pub struct Stopping {
    until: Instant,
}

impl Stopping {
    /// Stopping begins now and may take [`LIMIT`].
    pub fn begin() -> Self {
        Self { until: Instant::now() + LIMIT }
    }

    /// Waits for a step, as long as time is left; `None` when it ran out, which is logged.
    pub async fn step<T>(self, name: &str, step: impl Future<Output = T>) -> Option<T> {
        let done = timeout_at(self.until, step).await.ok();
        if done.is_none() {
            tracing::warn!(step = name, "no time left: stopping without waiting for it");
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn steps_that_never_end_take_9_seconds_together() {
        let (start, stopping) = (Instant::now(), Stopping::begin());
        assert_eq!(stopping.step("quick", async { 7 }).await, Some(7));
        assert_eq!(stopping.step("relay", pending::<()>()).await, None);
        assert_eq!(stopping.step("consumers", pending::<()>()).await, None);
        assert!(start.elapsed() < LIMIT + Duration::from_millis(10));
        assert_eq!(stopping.step("already done", async { 8 }).await, Some(8));
    }
}
