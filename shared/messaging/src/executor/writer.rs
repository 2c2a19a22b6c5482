//! The one that writes: takes what waits for a transaction, commits it and tells whoever waits.

use std::{mem, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    BATCH_LIMIT, Job, Queue, Reply, RequestError,
    group::{Group, from_answer},
    stopping,
};
use crate::{
    caught::caught,
    database::{Chain, REST_AFTER},
    execute::{Batch, ExecuteError, Item, Outcome, Repeats, execute},
    retry::Backoff,
    service::{Context, Refusal, Service},
    signal::News,
    telemetry::{batch, logged},
};

/// When so many jobs that cannot wait have waited for one transaction, the next is begun a moment later. Services that
/// share too few processors would otherwise all do little at a time, and mostly begin and commit.
const CROWD: usize = 3;
const BREATHER: Duration = Duration::from_millis(10);
/// How long what can wait lingers for something to share a transaction with, and up to which size.
const LINGER: Duration = Duration::from_millis(50);
const COMPANY: usize = BATCH_LIMIT / 2;

/// Takes what waits and commits it, until `stop` turns true and nothing waits.
pub async fn write<S: Service>(
    ctx: Arc<Context<S>>,
    queue: Queue<S>,
    mut stop: watch::Receiver<bool>,
) {
    let chain = Chain::new(ctx.database.clone());
    let mut writer = Writer { ctx, chain, repeats: Repeats::Unexpected };
    while let Some(jobs) = writer.take(&queue, &mut stop).await {
        let is_crowded = jobs.iter().filter(|job| !job.can_wait()).count() >= CROWD;
        writer.run(Group::new(jobs, &queue.relayed)).await;
        if is_crowded {
            tokio::time::sleep(BREATHER).await;
        }
    }
    let last = Group::new(Vec::new(), &queue.relayed);
    if !last.batch.relayed.is_empty() {
        writer.run(last).await;
    }
    writer.chain.rest().await;
}

struct Writer<S: Service> {
    ctx: Arc<Context<S>>,
    chain: Chain,
    /// Of the next batch.
    repeats: Repeats,
}

impl<S: Service> Writer<S> {
    /// Waits for one job, lingers as long as all can wait, then takes all that are there, up to the
    /// limit. Once the service stops, no more are accepted, and those that wait are the last.
    async fn take(
        &mut self,
        queue: &Queue<S>,
        stop: &mut watch::Receiver<bool>,
    ) -> Option<Vec<Job<S>>> {
        let mut queue = queue.jobs.lock().await;
        let first = loop {
            let is_open = self.chain.is_open();
            tokio::select! {
                first = queue.recv() => break first,
                () = stopped(stop) => {
                    queue.close();
                    break queue.recv().await;
                }
                () = tokio::time::sleep(REST_AFTER), if is_open => self.chain.rest().await,
            }
        }?;
        let until = Instant::now() + LINGER;
        let (mut can_wait, mut size) = (first.can_wait(), first.size());
        let mut jobs = vec![first];
        while size < BATCH_LIMIT {
            let job = if can_wait && size < COMPANY {
                timeout_at(until, queue.recv()).await.ok().flatten()
            } else {
                queue.try_recv().ok()
            };
            let Some(job) = job else { break };
            can_wait &= job.can_wait();
            size += job.size();
            jobs.push(job);
        }
        Some(jobs)
    }

    async fn run(&mut self, mut group: Group<S>) {
        group.batch.repeats = self.repeats;
        let mut backoff = Backoff::default();
        loop {
            match self.attempt(&group.batch).await {
                Ok(outcome) => {
                    self.repeats = outcome.repeats;
                    return group.finish(outcome);
                }
                // Perhaps by a repeat.
                Err(error) if error.is_conflict() && group.batch.repeats == Repeats::Unexpected => {
                    self.ctx.metrics.retried();
                    group.batch.repeats = Repeats::LookedFor;
                }
                Err(error) if error.is_transient() => {
                    self.ctx.metrics.retried();
                    group.give_up_requests(&error, backoff.failures());
                    backoff.wait().await;
                }
                Err(error) => {
                    tracing::warn!(service = S::NAME, %error, "a batch failed, handling it one by one");
                    let batch = mem::take(&mut group.batch);
                    let answers = self.one_by_one(batch, &group.replies).await;
                    return group.answer(answers);
                }
            }
        }
    }

    /// What failed together for good is done piece by piece, so that only the poisonous piece is
    /// refused: a record goes to the dead letters, a request is answered with an error.
    async fn one_by_one(
        &mut self,
        batch: Batch<S>,
        replies: &[Reply<S>],
    ) -> Vec<Result<S::Reply, RequestError<Refusal<S>>>> {
        for item in batch.items {
            let record = item.record().clone();
            let alone = Batch { items: vec![item], ..Batch::default() };
            if let Err(error) = self.persist(&alone).await {
                logged(record.trace().as_ref(), || {
                    tracing::error!(service = S::NAME, place = %record.at, offset = record.offset, %error, "a record goes to the dead letters");
                });
                let poison = Item::Poison(record, error.to_string());
                self.keep(&Batch { items: vec![poison], ..Batch::default() }).await;
            }
        }
        for id in batch.due {
            report(self.persist(&Batch { due: vec![id], ..Batch::default() }).await);
        }
        report(self.persist(&Batch { relayed: batch.relayed, ..Batch::default() }).await);
        let mut answers = Vec::with_capacity(batch.requests.len());
        for (request, reply) in batch.requests.into_iter().zip(replies) {
            if reply.is_closed() {
                answers.push(Err(stopping()));
                continue;
            }
            let trace = request.trace.clone();
            let alone = Batch { requests: vec![request], ..Batch::default() };
            answers.push(match self.persist(&alone).await {
                Ok(mut outcome) => {
                    outcome.answers.pop().map_or_else(|| Err(stopping()), from_answer)
                }
                Err(error) => {
                    logged(Some(&trace), || {
                        tracing::error!(service = S::NAME, %error, "a request failed");
                    });
                    Err(RequestError::Internal(error.to_string()))
                }
            });
        }
        answers
    }

    /// Tries until it is done or can never be done.
    async fn persist(&mut self, batch: &Batch<S>) -> Result<Outcome<S>, ExecuteError> {
        let mut backoff = Backoff::default();
        loop {
            match self.attempt(batch).await {
                Err(error) if error.is_transient() => {
                    self.ctx.metrics.retried();
                    backoff.wait().await;
                }
                done => return done,
            }
        }
    }

    /// Tries until the dead letter is kept, whatever is in the way: its record's offset is stored
    /// next, and nothing is lost in silence (I9).
    async fn keep(&mut self, letter: &Batch<S>) {
        let mut backoff = Backoff::default();
        while let Err(error) = self.persist(letter).await {
            tracing::error!(service = S::NAME, %error, "a dead letter could not be kept, trying again");
            backoff.wait().await;
        }
    }

    /// One transaction; a panic in a rule is an error like any other.
    async fn attempt(&mut self, batch: &Batch<S>) -> Result<Outcome<S>, ExecuteError> {
        let start = self.ctx.clock.now();
        let result = self.try_once(batch).await;
        match &result {
            Ok(outcome) => batch::committed(&self.ctx, batch, outcome, start),
            Err(error) => batch::failed(&self.ctx, batch, error, start),
        }
        result
    }

    async fn try_once(&mut self, batch: &Batch<S>) -> Result<Outcome<S>, ExecuteError> {
        // A relay on the same thread goes first: it has what was committed before.
        tokio::task::yield_now().await;
        let tx = self.chain.begin().await?;
        let (outcome, writes) = caught(execute(&self.ctx, &tx.reads(), batch)).await??;
        caught(self.chain.commit(tx, writes)).await??;
        self.announce(&outcome);
        Ok(outcome)
    }

    /// Wakes whoever waits for what was committed.
    fn announce(&self, outcome: &Outcome<S>) {
        let changed = outcome.changed.iter().cloned();
        let news = News::new(outcome.said > 0, outcome.deadline, changed);
        self.ctx.database.signals.committed(news);
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone stops us as well.
    stop.wait_for(|stop| *stop).await.ok();
}

fn report<S: Service>(result: Result<Outcome<S>, ExecuteError>) {
    if let Err(error) = result {
        tracing::error!(service = S::NAME, %error, "could not be done");
    }
}
