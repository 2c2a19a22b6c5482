//! The actor of one assigned partition. It exists so that the records of a partition are handled
//! in order and those of different partitions at the same time, and so that a slow partition is
//! paused instead of buffered without bound.

use std::{collections::VecDeque, sync::Arc};

use actix::prelude::*;
use tokio::sync::{mpsc, oneshot};

use crate::{
    executor::Executor,
    metrics::Depth,
    pipeline::prepare,
    record::{Position, Record, TopicPartition},
    service::{Context as ServiceContext, Service},
};

/// Records in one batch; more than that wait for the next.
const BATCH_LIMIT: usize = 256;
/// Records that may wait before the partition is paused.
pub const PAUSE_AT: usize = 1024;
/// Messages in the mailbox: the consumer loop waits for each answer, so there are few.
const MAILBOX_CAPACITY: usize = 8;

/// What the consumer loop hears of a partition's progress.
pub struct Progress {
    /// Everything before this is committed.
    pub position: Position,
    /// How many records still wait.
    pub waiting: usize,
}

/// Handles the records of one partition, batch by batch.
pub struct PartitionActor<S: Service> {
    at: TopicPartition,
    ctx: Arc<ServiceContext<S>>,
    executor: Executor<S>,
    progress: mpsc::Sender<Progress>,
    waiting: VecDeque<Arc<Record>>,
    depth: Depth,
    busy: bool,
    draining: Vec<oneshot::Sender<()>>,
}

/// Here are records; answered with how many wait.
#[derive(Message)]
#[rtype(result = "usize")]
pub struct Deliver(pub Vec<Record>);

/// Finish the batch in flight, drop the rest, and stop: the partition is revoked.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Drain;

impl<S: Service> PartitionActor<S> {
    /// The actor of partition `at`.
    pub fn new(
        at: TopicPartition,
        ctx: Arc<ServiceContext<S>>,
        executor: Executor<S>,
        progress: mpsc::Sender<Progress>,
    ) -> Self {
        let (waiting, draining) = (VecDeque::new(), Vec::new());
        let depth = ctx.metrics.mailbox("partition");
        Self { at, ctx, executor, progress, waiting, depth, busy: false, draining }
    }

    /// Starts on whatever waits, unless a batch is in flight.
    fn work(&mut self, ctx: &mut Context<Self>) {
        if self.busy || self.waiting.is_empty() {
            return;
        }
        self.busy = true;
        let count = self.waiting.len().min(BATCH_LIMIT);
        // The batch stays in the queue until it is committed: a panic loses nothing.
        let records: Vec<_> = self.waiting.iter().take(count).cloned().collect();
        let handling = handle(self.ctx.clone(), self.executor.clone(), records);
        // All services share a process where SQLite is used: to wake a thread takes longer than to decode.
        let is_here = self.ctx.database.blocks();
        let handling = if is_here { actix::spawn(handling) } else { tokio::spawn(handling) };
        let handled = handling.into_actor(self).map(move |result, actor, ctx| {
            actor.handled(count, result.unwrap_or(false), ctx);
        });
        ctx.spawn(handled);
    }

    /// After a batch: tell how far we are and go on.
    fn handled(&mut self, count: usize, committed: bool, ctx: &mut Context<Self>) {
        self.busy = false;
        if committed {
            let last = self.waiting.drain(..count).next_back();
            self.depth.set(self.waiting.len());
            let offset = last.map_or(0, |record| record.offset + 1);
            let position = Position { at: self.at.clone(), offset };
            let progress = Progress { position, waiting: self.waiting.len() };
            let sender = self.progress.clone();
            // Waits while the loop is behind: the next batch starts after the progress is told.
            let told = async move { sender.send(progress).await };
            ctx.wait(told.into_actor(self).map(|_, actor, ctx| actor.go_on(ctx)));
        } else {
            self.go_on(ctx);
        }
    }

    fn go_on(&mut self, ctx: &mut Context<Self>) {
        if self.draining.is_empty() {
            self.work(ctx);
        } else {
            self.stop(ctx);
        }
    }

    fn stop(&mut self, ctx: &mut Context<Self>) {
        self.waiting.clear();
        for drained in self.draining.drain(..) {
            // The loop may have stopped waiting.
            drained.send(()).ok();
        }
        ctx.stop();
    }
}

/// Handles one batch; `false` when the service is stopping.
async fn handle<S: Service>(
    ctx: Arc<ServiceContext<S>>,
    executor: Executor<S>,
    records: Vec<Arc<Record>>,
) -> bool {
    let items = prepare(&ctx, &records).await;
    items.is_empty() || executor.records(items).await
}

impl<S: Service> Actor for PartitionActor<S> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
    }
}

impl<S: Service> Handler<Deliver> for PartitionActor<S> {
    type Result = usize;

    fn handle(&mut self, Deliver(records): Deliver, ctx: &mut Self::Context) -> usize {
        self.waiting.extend(records.into_iter().map(Arc::new));
        self.depth.set(self.waiting.len());
        self.work(ctx);
        self.waiting.len()
    }
}

impl<S: Service> Handler<Drain> for PartitionActor<S> {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Drain: Drain, ctx: &mut Self::Context) -> Self::Result {
        let (drained, receiver) = oneshot::channel();
        self.draining.push(drained);
        if !self.busy {
            self.stop(ctx);
        }
        Box::pin(async move {
            // A dropped sender means that the actor is gone, and so is its work.
            receiver.await.ok();
        })
    }
}
