//! The actor around one of a service's loops.

use actix::prelude::*;
use futures::{FutureExt as _, future::LocalBoxFuture};
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
    task::JoinHandle,
};

use crate::metrics::ServiceMetrics;

/// What a role does.
pub type Loop = LocalBoxFuture<'static, ()>;

/// Whether `stop` has turned true. A sender that is gone stops us as well.
pub fn is_stopping(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() || stop.has_changed().is_err()
}

/// Runs a loop on tokio's threads; aborts it when the actor that waits for it is stopped.
pub fn on_tokio(work: impl Future<Output = ()> + Send + 'static) -> Loop {
    on(&Handle::current(), work)
}

/// Runs a loop there; aborts it when the actor that waits for it is stopped.
pub fn on(runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) -> Loop {
    struct AbortOnDrop(JoinHandle<()>);
    impl Drop for AbortOnDrop {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    let mut task = AbortOnDrop(runtime.spawn(work));
    async move {
        if let Err(error) = (&mut task.0).await {
            tracing::error!(%error, "a loop ended");
        }
    }
    .boxed_local()
}

/// The actor around one of the service's loops: when the loop ends or panics, the supervisor
/// starts it anew, until the service stops.
pub struct Role {
    name: &'static str,
    start: Box<dyn Fn() -> Loop>,
    metrics: ServiceMetrics,
    stop: watch::Receiver<bool>,
    running: Option<SpawnHandle>,
    waiting: Vec<oneshot::Sender<()>>,
}

impl Role {
    /// Starts it on this thread, and keeps it going.
    pub fn supervise(
        name: &'static str,
        watch: (&ServiceMetrics, &watch::Receiver<bool>),
        start: impl Fn() -> Loop + Send + 'static,
    ) -> Addr<Self> {
        Self::supervise_in(&Arbiter::current(), name, watch, start)
    }

    /// Starts it there, and keeps it going.
    pub fn supervise_in(
        arbiter: &ArbiterHandle,
        name: &'static str,
        (metrics, stop): (&ServiceMetrics, &watch::Receiver<bool>),
        start: impl Fn() -> Loop + Send + 'static,
    ) -> Addr<Self> {
        let (metrics, stop) = (metrics.clone(), stop.clone());
        actix::Supervisor::start_in_arbiter(arbiter, move |_| {
            let (running, waiting) = Default::default();
            Self { name, start: Box::new(start), metrics, stop, running, waiting }
        })
    }

    fn ended(&mut self, panicked: bool, ctx: &mut Context<Self>) {
        self.running = None;
        // Whoever waits for the end is told by the drop.
        self.waiting.clear();
        if !is_stopping(&self.stop) {
            tracing::error!(role = self.name, panicked, "ended, starts anew");
            self.metrics.restarted(self.name);
            ctx.stop();
        }
    }
}

impl Actor for Role {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(2);
        let running = std::panic::AssertUnwindSafe((self.start)()).catch_unwind();
        let running = running.into_actor(self);
        self.running =
            Some(ctx.spawn(running.map(|ended, role, ctx| role.ended(ended.is_err(), ctx))));
    }
}

impl Supervised for Role {}

/// Stop where you are.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Stop;

impl Handler<Stop> for Role {
    type Result = ();

    fn handle(&mut self, Stop: Stop, ctx: &mut Self::Context) {
        if let Some(running) = self.running.take() {
            ctx.cancel_future(running);
        }
    }
}

/// Answered when the loop has ended by itself.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Finished;

impl Handler<Finished> for Role {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Finished: Finished, _: &mut Self::Context) -> Self::Result {
        let (told, ended) = oneshot::channel::<()>();
        if self.running.is_some() {
            self.waiting.push(told);
        }
        Box::pin(async move {
            // A dropped sender is the answer.
            ended.await.ok();
        })
    }
}
