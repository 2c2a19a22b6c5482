//! A service at work: its actors, started together and stopped in order.

mod home;
mod role;

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use futures::{FutureExt as _, future::join_all};
use tokio::{runtime::Handle, sync::watch, task::JoinHandle};

pub(crate) use self::role::is_stopping;
use self::{
    home::Home,
    role::{Finished, Loop, Role, Stop, on, on_tokio},
};
use crate::{
    consumer,
    database::StoreError,
    deadline_loop::DeadlineLoop,
    executor::{self, Executor, Queue},
    gate::Gate,
    idempotency, inbox,
    log::EventLog,
    relay::Relay,
    retry::Backoff,
    service::{Context as ServiceContext, Errand, Service},
    telemetry::observed::ObservedLog,
    writes::Writes,
};

/// How often old rows are looked for.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(60);
/// Rows deleted in one transaction, so that no writer waits for long.
const HOUSEKEEPING_LIMIT: u64 = 1000;

/// How long a service that stops waits for what its errands have begun.
const ERRANDS_LIMIT: Duration = Duration::from_secs(20);

/// A service at work. [`Running::stop`] ends it in order; dropping it ends it where it is.
pub struct Running<S: Service> {
    /// Gives work to the service's transactions.
    pub executor: Executor<S>,
    /// Open while deadlines may fire.
    pub gate: Arc<Gate>,
    stop: watch::Sender<bool>,
    close: watch::Sender<bool>,
    actors: Vec<Addr<Role>>,
    errands: Vec<Addr<Role>>,
    reader: Addr<Role>,
    writer: JoinHandle<()>,
    _home: Home,
}

impl<S: Service> Running<S> {
    /// Starts the service's actors on this thread's actix system; what they do runs on tokio, or on the service's
    /// own thread.
    ///
    /// # Panics
    /// When the operating system has no threads left.
    pub fn start(
        ctx: &Arc<ServiceContext<S>>,
        log: &Arc<dyn EventLog>,
        executor: Executor<S>,
        queue: &Queue<S>,
    ) -> Self {
        let topics = ctx.service.topics().iter().map(|topic| topic.name).collect();
        let gate = Arc::new(Gate::new(log.clone(), S::NAME, topics));
        let (stop, stopped) = watch::channel(false);
        let (close, closed) = watch::channel(false);
        let home = home(ctx);
        let write = executor::write(ctx.clone(), queue.clone(), closed);
        // Whoever drops us does not end it before it has finished.
        let kept = home.clone();
        let writer = home.handle().spawn(write.map(|()| drop(kept)));
        let watch = (&ctx.metrics, &stopped);
        let actors = vec![
            Role::supervise("register", watch, registration(ctx.clone())),
            Role::supervise(
                "relay",
                watch,
                relay(home.handle().clone(), ctx.clone(), log.clone(), executor.clone()),
            ),
            Role::supervise(
                "deadlines",
                watch,
                deadlines(ctx.clone(), executor.clone(), gate.clone()),
            ),
            Role::supervise("housekeeping", watch, housekeeping(ctx.clone())),
        ];
        let errand = |Errand { name, begin }| {
            let stop = stopped.clone();
            Role::supervise(name, watch, move || on_tokio(begin(stop.clone())))
        };
        let errands = S::errands(ctx, &executor, log).into_iter().map(errand).collect();
        let reader =
            reader(ctx.clone(), log.clone(), executor.clone(), gate.clone(), stopped.clone());
        let reader = Role::supervise_in(home.arbiter(), "consumer", watch, reader);
        Self { executor, gate, stop, close, actors, errands, reader, writer, _home: home }
    }

    /// Stops reading and finishes what is in flight. What is still in the outbox leaves after the
    /// next start.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // An actor that is gone has stopped.
        self.reader.send(Finished).await.ok();
        let finished = self.errands.iter().map(|errand| errand.send(Finished));
        let finished = tokio::time::timeout(ERRANDS_LIMIT, join_all(finished)).await;
        if finished.is_err() {
            tracing::warn!(service = S::NAME, "an errand is ended in the middle");
        }
        for actor in self.errands.into_iter().chain(self.actors) {
            actor.send(Stop).await.ok();
        }
        self.close.send_replace(true);
        self.writer.await.ok();
    }
}

fn registration<S: Service>(ctx: Arc<ServiceContext<S>>) -> impl Fn() -> Loop {
    move || {
        let ctx = ctx.clone();
        on_tokio(async move {
            let mut backoff = Backoff::default();
            while let Err(error) = ctx.codec.register(S::NAME).await {
                if backoff.failures().is_multiple_of(10) {
                    tracing::warn!(service = S::NAME, %error, "cannot register the schemas yet");
                }
                backoff.wait().await;
            }
            std::future::pending().await
        })
    }
}

/// # Panics
/// When the operating system has no threads left.
fn home<S: Service>(ctx: &ServiceContext<S>) -> Home {
    if ctx.database.blocks() { Home::thread() } else { Home::shared() }
}

fn relay<S: Service>(
    home: Handle,
    ctx: Arc<ServiceContext<S>>,
    log: Arc<dyn EventLog>,
    executor: Executor<S>,
) -> impl Fn() -> Loop {
    let log: Arc<dyn EventLog> = Arc::new(ObservedLog::new(log, &ctx));
    move || on(&home, Relay::new(ctx.database.clone(), log.clone(), executor.clone()).run())
}

fn deadlines<S: Service>(
    ctx: Arc<ServiceContext<S>>,
    executor: Executor<S>,
    gate: Arc<Gate>,
) -> impl Fn() -> Loop {
    move || {
        let (ctx, executor, gate) = (ctx.clone(), executor.clone(), gate.clone());
        on_tokio(DeadlineLoop { ctx, executor, gate }.run())
    }
}

fn housekeeping<S: Service>(ctx: Arc<ServiceContext<S>>) -> impl Fn() -> Loop {
    move || {
        let ctx = ctx.clone();
        on_tokio(async move {
            loop {
                tokio::time::sleep(HOUSEKEEPING_INTERVAL).await;
                if let Err(error) = keep_house(&ctx).await {
                    tracing::warn!(service = S::NAME, %error, "old rows stay for now");
                }
            }
        })
    }
}

/// Deletes what is past its retention, a little at a time.
///
/// # Errors
/// When the database refuses; what is left is deleted another time.
pub async fn keep_house<S: Service>(ctx: &ServiceContext<S>) -> Result<(), StoreError> {
    while forget_handled(ctx).await? {}
    while forget_derived(ctx).await? {}
    Ok(())
}

/// What messaging itself has put down. Returns whether there may be more.
async fn forget_handled<S: Service>(ctx: &ServiceContext<S>) -> Result<bool, StoreError> {
    let now = ctx.clock.now();
    let tx = ctx.database.begin().await?;
    let marks = inbox::purge(&tx.connection(), now, HOUSEKEEPING_LIMIT).await?;
    let keys = idempotency::purge(&tx.connection(), now, HOUSEKEEPING_LIMIT).await?;
    tx.commit(Writes::default()).await?;
    Ok(marks.max(keys) >= HOUSEKEEPING_LIMIT)
}

/// What the service has put down. Returns whether there may be more.
async fn forget_derived<S: Service>(ctx: &ServiceContext<S>) -> Result<bool, StoreError> {
    let tx = ctx.database.begin().await?;
    let has_more =
        ctx.service.forget(&tx.connection(), ctx.clock.now(), HOUSEKEEPING_LIMIT).await?;
    tx.commit(Writes::default()).await?;
    Ok(has_more)
}

/// The consumer's loop stays on the thread of its actor, because its partition actors live there.
fn reader<S: Service>(
    ctx: Arc<ServiceContext<S>>,
    log: Arc<dyn EventLog>,
    executor: Executor<S>,
    gate: Arc<Gate>,
    stop: watch::Receiver<bool>,
) -> impl Fn() -> Loop {
    move || {
        let (ctx, log, gate) = (ctx.clone(), log.clone(), gate.clone());
        let (executor, stop) = (executor.clone(), stop.clone());
        consumer::Supervisor { ctx, executor, log, gate, stop }.run().boxed_local()
    }
}
