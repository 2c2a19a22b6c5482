//! The one way out (I3): what a transaction left in the outbox is appended to the log in its
//! order, then forgotten. Woken by the commit; one relay per database, a deposed one is fenced.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::DbErr;
use tokio::sync::oneshot;

use crate::{
    database::{Chain, Database, Duty, Lease, Reads, StoreError},
    executor::Executor,
    log::{EventLog, LogError, Producer},
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

/// Appends what remains in the outbox and returns the positions that may be forgotten. `sent` are
/// positions that were appended before and are not forgotten yet.
///
/// # Errors
/// When the outbox cannot be read or the log does not take the records; they stay in the outbox.
pub async fn relay_once(
    database: &impl Reads,
    producer: &dyn Producer,
    sent: &[i64],
) -> Result<Vec<i64>, RelayError> {
    let rows = outbox::remaining(database, sent, BATCH_LIMIT).await?;
    let positions: Vec<_> = rows.iter().map(|row| row.position).collect();
    if !rows.is_empty() {
        producer.append(rows.into_iter().map(Into::into).collect()).await?;
    }
    Ok(positions)
}

/// Relays for as long as the service runs.
pub struct Relay<S: Service> {
    database: Database,
    log: Arc<dyn EventLog>,
    executor: Executor<S>,
    /// Appended, and being forgotten in a transaction of its own.
    sent: VecDeque<(Vec<i64>, oneshot::Receiver<()>)>,
}

impl<S: Service> Relay<S> {
    /// The relay of one database.
    pub fn new(database: Database, log: Arc<dyn EventLog>, executor: Executor<S>) -> Self {
        Self { database, log, executor, sent: VecDeque::new() }
    }

    /// Relays whenever it is this replica's turn; never returns.
    pub async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let error = self.lead(&mut backoff).await;
            if backoff.failures() == 0 {
                tracing::warn!(service = S::NAME, %error, "events wait in the outbox");
            }
            self.measure().await;
            backoff.wait().await;
        }
    }

    /// Waits for the turn, then relays until something fails. The order matters: by the time a
    /// relay may read the outbox, all before it have stopped or are fenced.
    async fn lead(&mut self, backoff: &mut Backoff) -> RelayError {
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
        tokio::select! {
            error = self.relay(&*producer, backoff) => error,
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

    async fn relay(&mut self, producer: &dyn Producer, backoff: &mut Backoff) -> RelayError {
        let mut chain = Chain::new(self.database.clone());
        let mut measured_at: Option<Instant> = None;
        loop {
            self.sent.retain_mut(|(_, done)| {
                matches!(done.try_recv(), Err(oneshot::error::TryRecvError::Empty))
            });
            let sent: Vec<_> =
                self.sent.iter().flat_map(|(positions, _)| positions).copied().collect();
            let relayed = async {
                let reader = chain.reader().await.map_err(StoreError::from)?;
                relay_once(&reader, producer, &sent).await
            };
            let positions = match relayed.await {
                Ok(positions) => positions,
                Err(error) => return error,
            };
            backoff.reset();
            if positions.is_empty() && sent.is_empty() {
                chain.rest().await;
            }
            let is_all = (positions.len() as u64) < BATCH_LIMIT;
            if !positions.is_empty() {
                let done = self.executor.relayed(positions.clone());
                self.sent.push_back((positions, done));
            }
            if is_all {
                self.executor.load().set_overloaded(false);
                self.rest(&mut chain).await;
            } else if measured_at.is_none_or(|at| at.elapsed() >= LOOK_AGAIN) {
                // The log takes what it is given, but perhaps not as fast as it comes.
                self.measure().await;
                measured_at = Some(Instant::now());
            }
        }
    }

    /// Until a commit adds to the outbox. Nothing was added since it was read, or the call is
    /// kept for us.
    async fn rest(&self, chain: &mut Chain) {
        let woken = self.database.signals.outbox.notified();
        let patience = if self.sent.is_empty() { LOOK_AGAIN } else { FORGET_AFTER };
        // A time-out is as good as a call: look again.
        if tokio::time::timeout(patience, woken).await.is_err() {
            // The writer may need the connection.
            chain.rest().await;
            self.executor.forget().await;
        }
    }

    /// Tells requests to come back later when too much waits.
    async fn measure(&self) {
        let depth = outbox::depth(self.database.reader(), OUTBOX_LIMIT).await;
        self.executor.load().set_overloaded(depth.is_ok_and(|depth| depth >= OUTBOX_LIMIT));
    }
}
