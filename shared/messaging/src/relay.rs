//! The one way out (I3): what a transaction left in the outbox is appended to the log in its
//! order, then forgotten. Woken by the commit; one relay per database, a deposed one is fenced.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::FutureExt;
use sea_orm::DbErr;
use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::{
    database::{Chain, Database, Duty, Lease, Reads, StoreError},
    executor::Executor,
    log::{EventLog, LogError, Producer, Receipt},
    outbox,
    retry::Backoff,
    service::Service,
};

/// Rows in one append.
const BATCH_LIMIT: u64 = 1000;
/// Rows that may wait before requests are told to come back later (I8).
const OUTBOX_LIMIT: u64 = 100_000;
/// How long what was sent waits for a transaction that takes its removal along.
const FORGET_AFTER: Duration = Duration::from_millis(100);
/// How often the outbox is looked at without having been woken: another replica may have died
/// between its commit and its call.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Why the relay stopped for a moment.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The outbox cannot be read.
    #[error(transparent)]
    Database(#[from] StoreError),
    /// The log does not take the records.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Appends what remains in the outbox. Returns the positions, and the receipt after which they may be forgotten. `sent`
/// are positions that were appended before and are not forgotten yet.
///
/// # Errors
/// When the outbox cannot be read or the log does not take the records; they stay in the outbox.
pub async fn relay_once(
    database: &impl Reads,
    producer: &dyn Producer,
    sent: &[i64],
) -> Result<Option<(Vec<i64>, Receipt)>, RelayError> {
    let rows = outbox::remaining(database, sent, BATCH_LIMIT).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let positions = rows.iter().map(|row| row.position).collect();
    let receipt = producer.begin(rows.into_iter().map(Into::into).collect()).await?;
    Ok(Some((positions, receipt)))
}

/// Relays for as long as the service runs.
pub struct Relay<S: Service> {
    database: Database,
    log: Arc<dyn EventLog>,
    executor: Executor<S>,
}

/// Positions that were appended, oldest first: once the log has them on disk, they leave the outbox with a transaction.
#[derive(Default)]
struct Sent {
    appended: VecDeque<(Vec<i64>, Receipt)>,
    leaving: Vec<(Vec<i64>, oneshot::Receiver<()>)>,
}

impl Sent {
    fn is_empty(&self) -> bool {
        self.appended.is_empty() && self.leaving.is_empty()
    }

    /// Has those leave that the log has on disk, in their order.
    ///
    /// # Errors
    /// When it does not have some after all: they and all behind them are to be sent again, because what is sent again
    /// must not come behind anything newer.
    fn look(&mut self, leave: impl Fn(Vec<i64>) -> oneshot::Receiver<()>) -> Result<(), LogError> {
        self.leaving.retain_mut(|(_, gone)| matches!(gone.try_recv(), Err(TryRecvError::Empty)));
        while let Some((_, receipt)) = self.appended.front_mut() {
            match receipt.now_or_never() {
                None => break,
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    self.appended.clear();
                    return Err(error);
                }
            }
            if let Some((positions, _)) = self.appended.pop_front() {
                let gone = leave(positions.clone());
                self.leaving.push((positions, gone));
            }
        }
        Ok(())
    }

    /// Those that are still in the outbox.
    fn positions(&self) -> Vec<i64> {
        let appended = self.appended.iter().map(|(positions, _)| positions);
        appended
            .chain(self.leaving.iter().map(|(positions, _)| positions))
            .flatten()
            .copied()
            .collect()
    }
}

impl<S: Service> Relay<S> {
    /// The relay of one database.
    pub fn new(database: Database, log: Arc<dyn EventLog>, executor: Executor<S>) -> Self {
        Self { database, log, executor }
    }

    /// Relays whenever it is this replica's turn; never returns.
    pub async fn run(self) {
        let (mut backoff, mut sent) = (Backoff::default(), Sent::default());
        loop {
            let error = self.lead(&mut sent, &mut backoff).await;
            if backoff.failures() == 0 {
                tracing::warn!(service = S::NAME, %error, "events wait in the outbox");
            }
            self.measure().await;
            backoff.wait().await;
        }
    }

    /// Waits for the turn, then relays until something fails. The order matters: by the time a
    /// relay may read the outbox, all before it have stopped or are fenced.
    async fn lead(&self, sent: &mut Sent, backoff: &mut Backoff) -> RelayError {
        let mut lease = match self.turn().await {
            Ok(lease) => lease,
            Err(error) => return StoreError::from(error).into(),
        };
        tracing::info!(service = S::NAME, "this replica relays");
        let identity = format!("{}-relay", S::NAME);
        let producer = match self.log.producer(Some(&identity)).await {
            Ok(producer) => producer,
            Err(error) => return error.into(),
        };
        // The receipts of another are worth nothing: what it has begun may come after what we do.
        sent.appended.clear();
        tokio::select! {
            error = self.relay(&*producer, sent, backoff) => error,
            error = lease.lost() => StoreError::from(error).into(),
        }
    }

    /// Waits for this replica's turn; meanwhile too much may wait here as well.
    async fn turn(&self) -> Result<Lease, DbErr> {
        let mut turn = pin!(self.database.lead(Duty::Relay));
        loop {
            match tokio::time::timeout(LOOK_AGAIN, &mut turn).await {
                Ok(lease) => return lease,
                Err(_) => self.measure().await,
            }
        }
    }

    async fn relay(
        &self,
        producer: &dyn Producer,
        sent: &mut Sent,
        backoff: &mut Backoff,
    ) -> RelayError {
        let mut chain = Chain::new(self.database.clone());
        let mut measured_at: Option<Instant> = None;
        loop {
            let relayed = async {
                self.look(sent)?;
                let reader = chain.reader().await.map_err(StoreError::from)?;
                let relayed = relay_once(&reader, producer, &sent.positions()).await?;
                let count = relayed.as_ref().map_or(0, |(positions, _)| positions.len() as u64);
                sent.appended.extend(relayed);
                self.look(sent)?;
                Ok(count)
            };
            let count = match relayed.await {
                Ok(count) => count,
                Err(error) => return error,
            };
            if sent.appended.is_empty() {
                backoff.reset();
            }
            if count == 0 && sent.is_empty() {
                chain.rest().await;
            }
            if count < BATCH_LIMIT {
                self.executor.load().set_overloaded(false);
                if let Err(error) = self.rest(sent, &mut chain).await {
                    return error.into();
                }
            } else if measured_at.is_none_or(|at| at.elapsed() >= LOOK_AGAIN) {
                // The log takes what it is given, but perhaps not as fast as it comes.
                self.measure().await;
                measured_at = Some(Instant::now());
            }
        }
    }

    fn look(&self, sent: &mut Sent) -> Result<(), LogError> {
        sent.look(|positions| self.executor.relayed(positions))
    }

    /// Until a commit adds to the outbox. Nothing was added since it was read, or the call is
    /// kept for us.
    async fn rest(&self, sent: &mut Sent, chain: &mut Chain) -> Result<(), LogError> {
        let woken = self.database.signals.outbox.notified();
        let patience = if sent.is_empty() { LOOK_AGAIN } else { FORGET_AFTER };
        // A time-out is as good as a call: look again.
        if tokio::time::timeout(patience, woken).await.is_err() {
            // The writer may need the connection.
            chain.rest().await;
            self.look(sent)?;
            self.executor.forget().await;
        }
        Ok(())
    }

    /// Tells requests to come back later when too much waits.
    async fn measure(&self) {
        let depth = outbox::depth(self.database.reader(), OUTBOX_LIMIT).await;
        self.executor.load().set_overloaded(depth.is_ok_and(|depth| depth >= OUTBOX_LIMIT));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use futures::future::{pending, ready};

    use super::*;

    /// Looks, and says what was to leave.
    fn look(sent: &mut Sent) -> (Result<(), LogError>, Vec<Vec<i64>>) {
        let left = RefCell::new(Vec::new());
        let looked = sent.look(|positions| {
            left.borrow_mut().push(positions);
            oneshot::channel().1
        });
        (looked, left.into_inner())
    }

    fn failed() -> Receipt {
        ready(Err(LogError::Storage("the disk is full".into()))).boxed()
    }

    #[test]
    fn what_is_behind_a_failure_is_sent_again_with_it() {
        let mut sent = Sent::default();
        sent.appended.push_back((vec![1, 2], ready(Ok(())).boxed()));
        sent.appended.push_back((vec![3], failed()));
        sent.appended.push_back((vec![4], ready(Ok(())).boxed()));
        let (looked, left) = look(&mut sent);
        assert!(looked.is_err());
        assert_eq!((left, sent.appended.len()), (vec![vec![1, 2]], 0));
    }

    #[test]
    fn nothing_leaves_before_what_was_appended_before_it() {
        let mut sent = Sent::default();
        sent.appended.push_back((vec![1], pending().boxed()));
        sent.appended.push_back((vec![2], ready(Ok(())).boxed()));
        let (looked, left) = look(&mut sent);
        assert!(looked.is_ok() && left.is_empty());
        assert_eq!(sent.positions(), [1, 2]);
    }
}
