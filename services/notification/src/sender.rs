//! Sends what is due: claims rows under a lease, sends them with no transaction open, and records
//! the outcome by the executor, which says it through the outbox.
//!
//! Each receiver (the mail server, every endpoint) has a lane of its own with a bounded number of
//! attempts at once, so that a slow one delays nobody else. Who dies between an attempt and its
//! record leaves a lease that runs out: then it is sent again, under the same id.

mod letters;
mod span;

use std::{collections::HashMap, sync::Arc, time::Duration};

use events::trace::TraceContext;
use futures::{StreamExt as _, stream::FuturesUnordered};
use kernel::Timestamp;
use messaging::{
    database::StoreError,
    executor::{Executor, RequestError},
    retry::Backoff,
    service::Context,
};
use sea_orm::DbErr;
use tokio::{sync::watch, task::JoinSet};
use tracing::Instrument as _;
use uuid::Uuid;

pub use self::letters::Letters;
use crate::{
    app::Notifications,
    domain::{Action, Attempt, Channel, Command, Content, Endpoint, Notification, Outcome},
    store::{claim, query, row},
    words::Grouped,
};

/// Attempts at once to one receiver.
const ATTEMPTS_AT_ONCE: usize = 8;
/// Receivers that are served at once.
const LANES_LIMIT: usize = 128;
/// How often a lane looks for more while an attempt takes its time.
const REFILL_EVERY: Duration = Duration::from_millis(250);
/// The longest sleep; a clock that was set is noticed by then.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// How long what is new is waited for once there is something: a claim is some queries, in the middle of an
/// order's saga, and no letter is in such a hurry.
const GATHER: Duration = Duration::from_millis(100);
/// How many notifications a digest tells by name.
const DIGEST_LIMIT: u64 = 100;

/// A notification that is ours until its lease is over.
struct Claimed {
    row: row::Model,
    endpoint: Option<Endpoint>,
    lease: Uuid,
    until: Timestamp,
}

/// Sends one service's notifications. Cheap to clone.
#[derive(Clone)]
pub struct Sender {
    ctx: Arc<Context<Notifications>>,
    executor: Executor<Notifications>,
}

impl Sender {
    /// A sender; nothing is sent yet.
    pub fn new(ctx: Arc<Context<Notifications>>, executor: Executor<Notifications>) -> Self {
        Self { ctx, executor }
    }

    /// Sends whatever becomes due, until the service stops; then it finishes what it has begun.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut changes = self.ctx.database.signals.changes.subscribe();
        let mut lanes = Lanes::default();
        let mut backoff = Backoff::default();
        while !*stop.borrow() {
            match self.fill(&mut lanes, &stop).await {
                Ok(()) => backoff.reset(),
                Err(error) => {
                    if backoff.failures().is_multiple_of(10) {
                        tracing::warn!(%error, "notifications wait");
                    }
                    backoff.wait().await;
                    continue;
                }
            }
            let rest = self.rest().await;
            tokio::select! {
                Some(ended) = lanes.tasks.join_next_with_id() => lanes.ended(ended),
                _ = changes.changed() => {
                    tokio::time::sleep(GATHER).await;
                    changes.mark_unchanged();
                }
                _ = stop.changed() => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
        while let Some(ended) = lanes.tasks.join_next_with_id().await {
            lanes.ended(ended);
        }
    }

    /// Starts a lane for each receiver that has none and for whom something is due.
    async fn fill(&self, lanes: &mut Lanes, stop: &watch::Receiver<bool>) -> Result<(), DbErr> {
        for receiver in self.due().await? {
            if lanes.receivers.len() < LANES_LIMIT
                && !lanes.receivers.values().any(|r| *r == receiver)
            {
                let task = lanes.tasks.spawn(self.clone().lane(receiver.clone(), stop.clone()));
                lanes.receivers.insert(task.id(), receiver);
            }
        }
        Ok(())
    }

    async fn due(&self) -> Result<Vec<String>, DbErr> {
        let limit = 2 * LANES_LIMIT as u64;
        claim::receivers_due(self.ctx.database.reader(), self.ctx.clock.now(), limit).await
    }

    /// Until something else is due.
    async fn rest(&self) -> Duration {
        let now = self.ctx.clock.now();
        let next = claim::next_due(self.ctx.database.reader(), now).await.ok().flatten();
        let rest = next.map_or(LOOK_AGAIN, |due| due.since(now).min(LOOK_AGAIN));
        rest.max(Duration::from_millis(1))
    }

    /// Serves one receiver until nothing is due or the service stops. Whatever one attempt takes,
    /// the others' places are filled again meanwhile.
    async fn lane(self, receiver: String, stop: watch::Receiver<bool>) {
        let mut attempts = FuturesUnordered::new();
        let mut is_over = false;
        loop {
            let free = ATTEMPTS_AT_ONCE - attempts.len();
            is_over |= *stop.borrow();
            if !is_over && free > 0 {
                match self.claim(&receiver, free).await {
                    Ok(claimed) => {
                        attempts.extend(claimed.into_iter().map(|one| self.attempt(one)));
                    }
                    Err(error) => {
                        tracing::warn!(receiver, %error, "notifications wait");
                        Backoff::default().wait().await;
                        is_over = true;
                    }
                }
            }
            tokio::select! {
                ended = attempts.next() => if ended.is_none() { return },
                () = tokio::time::sleep(REFILL_EVERY), if !is_over => {}
            }
        }
    }

    /// Takes up to `limit` of what is due for a receiver.
    async fn claim(&self, receiver: &str, limit: usize) -> Result<Vec<Claimed>, StoreError> {
        let now = self.ctx.clock.now();
        let lease = self.ctx.clock.new_id();
        let until = now.plus(self.ctx.service.config.lease);
        let database = &self.ctx.database;
        let rows = claim::claim(database, receiver, (now, until), lease, limit as u64).await?;
        let endpoint = match receiver.parse() {
            Ok(id) if !rows.is_empty() => query::endpoint(database.reader(), id).await?,
            _ => None,
        };
        let claimed = |row| Claimed { row, endpoint: endpoint.clone(), lease, until };
        Ok(rows.into_iter().map(claimed).collect())
    }

    async fn attempt(&self, claimed: Claimed) {
        let Claimed { row, endpoint, lease, until } = claimed;
        let endpoint = endpoint.as_ref();
        let read = row::notification(&row).and_then(|n| Ok((n, row::last_event(&row)?)));
        let (notification, last) = match read {
            Ok(read) => read,
            Err(error) => return tracing::error!(%error, "a notification cannot be read"),
        };
        let cause = last.map(|last| last.trace);
        let cause = cause.unwrap_or_else(|| self.ctx.tracer.root(self.ctx.clock.new_id()));
        let begun = self.ctx.clock.now();
        let span = span::begin(&notification, cause, begun);
        let lines = tracing::info_span!(
            "notify",
            notification = %notification.id,
            channel = ?notification.channel,
            attempt = notification.attempts,
            trace_id = span.context.trace_id(),
            span_id = span.context.span_id(),
        );
        let work = async {
            let outcome = self.send(&notification, endpoint).await;
            let (ended, trace) = (self.ctx.clock.now(), span.context.clone());
            let numbers = &self.ctx.service.numbers;
            numbers.attempted(notification.channel, &outcome, ended.since(begun));
            span::end(&self.ctx.tracer, span, &outcome, ended);
            let endpoint = endpoint.map(|endpoint| endpoint.id);
            let attempt = Attempt { notification: notification.id, endpoint, lease, outcome };
            self.record(attempt, &trace, until).await;
        };
        work.instrument(lines).await;
    }

    async fn send(&self, notification: &Notification, endpoint: Option<&Endpoint>) -> Outcome {
        match notification.channel {
            Channel::Log => Outcome::Sent,
            Channel::Email => self.mail(notification).await,
            Channel::Webhook => match endpoint {
                Some(Endpoint { disabled: Some(_), .. }) | None => {
                    Outcome::Refused("the webhook is disabled".into())
                }
                Some(endpoint) => {
                    let poster = &self.ctx.service.poster;
                    poster.post(endpoint, notification, self.ctx.clock.now()).await
                }
            },
        }
    }

    async fn mail(&self, notification: &Notification) -> Outcome {
        // It was configured when this came into being, and may be again.
        let Some(mailer) = &self.ctx.service.mailer else {
            return Outcome::Failed("no mail server is configured".into());
        };
        let grouped = match self.grouped(notification).await {
            Ok(grouped) => grouped,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        let message = match self.ctx.service.words.message(notification, &grouped) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(%error, "a mail cannot be written");
                return Outcome::Failed("the mail cannot be written; see the log".into());
            }
        };
        let Notification { id, address, created_at, .. } = notification;
        mailer.send(*id, address, *created_at, message).await
    }

    /// What a digest tells of.
    async fn grouped(&self, notification: &Notification) -> Result<Grouped, StoreError> {
        if notification.content != Content::Digest {
            return Ok(Grouped { members: Vec::new(), count: 0 });
        }
        let members = query::members(self.ctx.database.reader(), notification.id, DIGEST_LIMIT);
        let (members, count) = members.await?;
        Ok(Grouped { members, count })
    }

    /// Records an outcome, for as long as the lease is ours; later it is sent again.
    async fn record(&self, attempt: Attempt, trace: &TraceContext, until: Timestamp) {
        if let Outcome::Failed(reason) | Outcome::Refused(reason) = &attempt.outcome {
            tracing::info!(reason, "not sent");
        }
        let mut backoff = Backoff::default();
        loop {
            let command = self.command(Action::Record(attempt.clone()));
            match self.executor.request(command, None, trace.clone()).await {
                Ok(_) => return,
                Err(RequestError::Overloaded(_) | RequestError::Unavailable(_))
                    if self.ctx.clock.now() < until =>
                {
                    backoff.wait().await;
                }
                Err(error) => {
                    return tracing::warn!(%error, "an outcome is not recorded, sent again later");
                }
            }
        }
    }

    fn command(&self, action: Action) -> Command {
        let policy = self.ctx.service.policy.clone();
        Command { now: self.ctx.clock.now(), policy, action }
    }
}

/// The receivers that are being served.
#[derive(Default)]
struct Lanes {
    tasks: JoinSet<()>,
    receivers: HashMap<tokio::task::Id, String>,
}

impl Lanes {
    fn ended(&mut self, ended: Result<(tokio::task::Id, ()), tokio::task::JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "a lane ended; what it had is sent when its lease is over");
                error.id()
            }
        };
        self.receivers.remove(&id);
    }
}
