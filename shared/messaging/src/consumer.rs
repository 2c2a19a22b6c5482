//! The consumer supervisor's loop: what happens in the log becomes messages to partition actors,
//! and their progress becomes stored offsets.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use actix::prelude::*;
use tokio::sync::{mpsc, watch};

use crate::{
    executor::Executor,
    gate::Gate,
    log::{Consumer, EventLog, LogEvent},
    partition::{Deliver, Drain, PAUSE_AT, PartitionActor, Progress},
    record::TopicPartition,
    retry::Backoff,
    runtime::is_stopping,
    service::{Context as ServiceContext, Service},
};

/// Progress messages that may wait; a batch each.
const PROGRESS_CAPACITY: usize = 1024;

/// How long a revocation waits for batches in flight. It is the whole group that waits.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Reads the log for one service.
pub struct Supervisor<S: Service> {
    /// The service and what it needs.
    pub ctx: Arc<ServiceContext<S>>,
    /// Where records are handled.
    pub executor: Executor<S>,
    /// Where they come from.
    pub log: Arc<dyn EventLog>,
    /// Told when the log is out of reach.
    pub gate: Arc<Gate>,
    /// Turns true when the service stops.
    pub stop: watch::Receiver<bool>,
}

impl<S: Service> Supervisor<S> {
    /// Reads until the service stops; joins anew after trouble. The partitions' actors live on
    /// the thread that runs this.
    pub async fn run(mut self) {
        let mut backoff = Backoff::default();
        let topics: Vec<_> = self.ctx.service.topics().iter().map(|topic| topic.name).collect();
        while !is_stopping(&self.stop) {
            let joined = tokio::select! {
                joined = self.log.subscribe(S::NAME, &topics, S::PATIENCE) => joined,
                _ = self.stop.changed() => return,
            };
            match joined {
                Ok(consumer) => {
                    backoff.reset();
                    Loop::new(&self, consumer).run(&mut self.stop.clone()).await;
                }
                Err(error) => {
                    tracing::warn!(service = S::NAME, %error, "cannot read the log");
                    self.gate.close();
                    tokio::select! {
                        () = backoff.wait() => {}
                        _ = self.stop.changed() => {}
                    }
                }
            }
        }
    }
}

/// One membership in the consumer group.
struct Loop<'a, S: Service> {
    service: &'a Supervisor<S>,
    consumer: Box<dyn Consumer>,
    actors: HashMap<TopicPartition, Addr<PartitionActor<S>>>,
    paused: HashSet<TopicPartition>,
    progress: mpsc::Receiver<Progress>,
    sender: mpsc::Sender<Progress>,
    backoff: Backoff,
}

impl<'a, S: Service> Loop<'a, S> {
    fn new(service: &'a Supervisor<S>, consumer: Box<dyn Consumer>) -> Self {
        let (sender, progress) = mpsc::channel(PROGRESS_CAPACITY);
        let (actors, paused, backoff) = Default::default();
        Self { service, consumer, actors, paused, progress, sender, backoff }
    }

    async fn run(mut self, stop: &mut watch::Receiver<bool>) {
        loop {
            tokio::select! {
                event = self.consumer.next() => if !self.handle(event).await { break },
                Some(progress) = self.progress.recv() => self.store(progress),
                _ = stop.changed() => break,
            }
        }
        let all: Vec<_> = self.actors.keys().cloned().collect();
        self.drain(&all).await;
    }

    /// One thing that happened; `false` when the membership is over.
    async fn handle(&mut self, event: LogEvent) -> bool {
        match event {
            LogEvent::Records(at, records) => {
                self.deliver(&at, records).await;
                self.backoff.reset();
            }
            LogEvent::Assigned(partitions) => {
                partitions.into_iter().for_each(|at| self.start(at));
            }
            LogEvent::Revoked(partitions, revocation) => {
                self.drain(&partitions).await;
                revocation.done();
            }
            LogEvent::Error(error) => {
                tracing::warn!(service = S::NAME, %error, "reading the log");
                self.service.gate.close();
                self.backoff.wait().await;
                return error.is_transient();
            }
        }
        true
    }

    fn start(&mut self, at: TopicPartition) {
        let Supervisor { ctx, executor, .. } = self.service;
        let actor =
            PartitionActor::new(at.clone(), ctx.clone(), executor.clone(), self.sender.clone());
        self.actors.insert(at, actor.start());
    }

    async fn deliver(&mut self, at: &TopicPartition, records: Vec<crate::record::Record>) {
        // Records of a partition that was revoked meanwhile belong to its next owner.
        let Some(actor) = self.actors.get(at) else { return };
        match actor.send(Deliver(records)).await {
            Ok(waiting) if waiting >= PAUSE_AT => {
                self.consumer.pause(std::slice::from_ref(at));
                self.paused.insert(at.clone());
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%at, %error, "the partition's actor is gone"),
        }
    }

    fn store(&mut self, progress: Progress) {
        if progress.waiting < PAUSE_AT / 2 && self.paused.remove(&progress.position.at) {
            self.consumer.resume(std::slice::from_ref(&progress.position.at));
        }
        self.consumer.store(progress.position);
    }

    /// Waits for the batches in flight and stores how far they came.
    async fn drain(&mut self, partitions: &[TopicPartition]) {
        let actors = partitions.iter().filter_map(|at| self.actors.remove(at));
        let drained = actors.map(|actor| actor.send(Drain));
        // An actor that is gone has nothing in flight. One whose batch waits for a server keeps
        // nobody else waiting: what it still commits, the next owner knows as heard (I4).
        let drained = futures::future::join_all(drained);
        if tokio::time::timeout(DRAIN_LIMIT, drained).await.is_err() {
            tracing::warn!(service = S::NAME, "gives partitions back with a batch in flight");
        }
        while let Ok(progress) = self.progress.try_recv() {
            self.consumer.store(progress.position);
        }
        partitions.iter().for_each(|at| {
            self.paused.remove(at);
        });
    }
}
