//! Fires deadlines: waits for the earliest, or for a call that there is an earlier one.

use std::{sync::Arc, time::Duration};

use crate::{
    database::{Duty, StoreError},
    deadlines,
    executor::Executor,
    gate::Gate,
    retry::Backoff,
    service::{Context, Service},
};

/// Deadlines fired in one transaction.
const BATCH_LIMIT: u64 = 100;
/// The longest sleep; a clock that was set is noticed by then.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Fires the deadlines of one service for as long as it runs.
pub struct DeadlineLoop<S: Service> {
    /// The service and what it needs.
    pub ctx: Arc<Context<S>>,
    /// Where the work is done.
    pub executor: Executor<S>,
    /// Holds deadlines back while answers may be unread.
    pub gate: Arc<Gate>,
}

impl<S: Service> DeadlineLoop<S> {
    /// Fires deadlines whenever it is this replica's turn; returns only when the service is
    /// stopping.
    pub async fn run(self) {
        let mut backoff = Backoff::default();
        loop {
            let error = match self.ctx.database.lead(Duty::Deadlines).await {
                Ok(mut lease) => tokio::select! {
                    fired = self.fire(&mut backoff) => match fired {
                        Ok(()) => return,
                        Err(error) => error,
                    },
                    error = lease.lost() => error.into(),
                },
                Err(error) => error.into(),
            };
            if backoff.failures() == 0 {
                tracing::warn!(service = S::NAME, %error, "deadlines wait");
            }
            backoff.wait().await;
        }
    }

    /// Fires deadlines until the service is stopping.
    async fn fire(&self, backoff: &mut Backoff) -> Result<(), StoreError> {
        let database = &self.ctx.database;
        loop {
            self.gate.opened().await;
            database.signals.set_next_deadline(None);
            let next = deadlines::next(&database.reads()).await?;
            database.signals.set_next_deadline(next);
            backoff.reset();
            let now = self.ctx.clock.now();
            if next.is_some_and(|due| due <= now) {
                if !self.executor.due(due_now(&self.ctx).await?).await {
                    return Ok(());
                }
            } else {
                self.rest(next.map_or(LOOK_AGAIN, |due| due.since(now).min(LOOK_AGAIN))).await;
            }
        }
    }

    /// Until the next deadline, or a call.
    async fn rest(&self, wait: Duration) {
        let called = self.ctx.database.signals.deadlines.notified();
        let wait = wait.max(Duration::from_millis(1));
        // A time-out is as good as a call: look again.
        tokio::time::timeout(wait, called).await.ok();
    }
}

/// The aggregates whose deadline has come.
///
/// # Errors
/// When the database cannot be read.
pub async fn due_now<S: Service>(ctx: &Context<S>) -> Result<Vec<String>, StoreError> {
    let due = deadlines::due(&ctx.database.reads(), ctx.clock.now(), BATCH_LIMIT).await?;
    Ok(due.into_iter().map(|row| row.aggregate_id).collect())
}
