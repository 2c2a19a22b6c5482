//! The recommendation service put together: who reports, who learns, who answers.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use actix::{Arbiter, ArbiterHandle};
use events::{Codec, trace::TraceContext};
use futures::future::{BoxFuture, LocalBoxFuture};
use kernel::Clock;
use messaging::{
    app::Platform,
    log::{EventLog, LogError},
    metrics::ServiceMetrics,
    retry::Backoff,
    telemetry::Tracer,
};
use platform::{Check, host::Hosted};
use process_lock::ProcessLock;
use tokio::sync::watch;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    activity::{Activity, OWNER, Receipt, Recorder, ReportError},
    choreography::{TOPICS, session_key},
    config::Config,
    http,
    learner::Learner,
    letters::Letters,
    model::{Fingerprint, MAX_SHARDS, SessionKey},
    numbers::Numbers,
    observed::{Counters, Observed, ObservedShard},
    pool::Pool,
    published::{Progress, Published},
    snapshot::{Shape, Store},
};

/// The service's name.
pub const NAME: &str = "recommendation";

/// A report of so few entries is of somebody who is looking at a page, and may ask for recommendations next.
const INTERACTIVE: usize = 10;
/// How long such a report waits for being learned here, so that what is asked next is answered with it.
const MAX_WAIT: Duration = Duration::from_millis(25);

/// Why the service cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The directory cannot be made or written.
    #[error("use the directory {0}: {1}")]
    Directory(PathBuf, #[source] io::Error),
    /// Two replicas in one directory would take each other's snapshots away.
    #[error("another process keeps its snapshots in {0}")]
    InUse(PathBuf),
}

/// The recommendation service, ready to be started and to serve. Cheap to clone.
#[derive(Clone)]
pub struct Recommendation(Arc<Core>);

struct Core {
    /// No other process uses the directory; let go before anything else.
    _lock: ProcessLock,
    log: Arc<dyn EventLog>,
    codec: Arc<Codec>,
    clock: Arc<dyn Clock>,
    store: Store,
    shape: Shape,
    config: Config,
    recorder: Recorder,
    published: Arc<Published>,
    counters: Arc<Counters>,
    tracer: Tracer,
    metrics: ServiceMetrics,
    numbers: Numbers,
}

/// Takes the directory and puts the service together; nothing runs yet.
///
/// # Errors
/// When the directory cannot be used.
pub fn build(config: Config, platform: &Platform) -> Result<Recommendation, BuildError> {
    let unusable = |error| BuildError::Directory(config.data_dir.clone(), error);
    let store = Store::open(&config.data_dir).map_err(unusable)?;
    let lock = lock(&config.data_dir)?;
    let shards = config.shards.clamp(1, MAX_SHARDS);
    let (parameters, max_items) = (config.parameters.clone(), config.max_items);
    let Platform { log, codec, clock, telemetry, .. } = platform.clone();
    let metrics = telemetry.metrics.of(NAME);
    Ok(Recommendation(Arc::new(Core {
        recorder: Recorder::new(log.clone(), codec.clone(), clock.clone()),
        shape: Shape { parameters, shards, max_items },
        counters: Arc::new(Counters::new(shards)),
        tracer: telemetry.tracer(NAME),
        numbers: Numbers::new(NAME, &metrics),
        metrics,
        published: Arc::default(),
        log,
        codec,
        clock,
        store,
        config,
        _lock: lock,
    })))
}

fn lock(dir: &Path) -> Result<ProcessLock, BuildError> {
    ProcessLock::acquire(&dir.join("lock"))
        .map_err(|error| BuildError::Directory(dir.to_owned(), error))?
        .ok_or_else(|| BuildError::InUse(dir.to_owned()))
}

impl Recommendation {
    /// The pool that answers; `None` until everything is learned that was in the log at the start.
    pub fn pool(&self) -> Option<Arc<Pool>> {
        self.0.published.pool()
    }

    /// Time and ids.
    pub fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    /// How far everything in the log is learned.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.0.published.progress()
    }

    /// What is counted.
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Writes a report that was checked to the log. Often this replica has learned it when it returns.
    ///
    /// # Errors
    /// When the log does not have it all.
    pub async fn record(
        &self,
        report: Vec<Activity>,
        trace: &TraceContext,
    ) -> Result<Receipt, ReportError> {
        let key = |entry: &Activity| {
            (session_key(entry.session_id.as_str()), Fingerprint::of(&entry.event_id))
        };
        let keys: Vec<_> = report.iter().take(INTERACTIVE + 1).map(key).collect();
        let receipt = self.0.recorder.record(report, trace, self.pool().as_deref()).await?;
        if receipt.accepted > 0 && keys.len() <= INTERACTIVE && self.0.published.is_ready() {
            // Whether it is learned by then or not, the log has it.
            tokio::time::timeout(MAX_WAIT, self.learned(&keys)).await.ok();
        }
        Ok(receipt)
    }

    /// Waits until these events are learned here.
    async fn learned(&self, events: &[(SessionKey, Fingerprint)]) {
        let mut progress = self.progress();
        while let Some(pool) = self.pool() {
            let is_learned = pool.remembered(events).into_iter().all(|known| known);
            if is_learned || progress.changed().await.is_err() {
                return;
            }
        }
    }

    /// Its numbers for Prometheus.
    pub fn numbers(&self) -> &Numbers {
        &self.0.numbers
    }

    /// The service's state at this moment.
    ///
    /// # Errors
    /// When the log cannot be asked how far it goes.
    pub async fn observe(&self) -> Result<Observed, LogError> {
        let lag = self.lag().await?;
        let Some(pool) = self.pool() else { return Ok(Observed { lag, ..Observed::default() }) };
        let shard = |index: usize| {
            let shard = pool.shard(index);
            let (visits, orders) = (shard.visits(), shard.orders());
            let mailbox = self.0.counters.mailboxes[index].load(Relaxed);
            let (sessions, clicks) = (visits.len(), visits.clicks());
            ObservedShard { sessions, clicks, orders: orders.len(), mailbox }
        };
        Ok(Observed {
            items: pool.assortment().catalogue().len(),
            shards: (0..pool.len()).map(shard).collect(),
            lag,
            is_ready: self.0.published.is_ready(),
            watermark_micros: pool.watermark_micros(),
        })
    }

    /// How many records in the log are not learned yet.
    async fn lag(&self) -> Result<u64, LogError> {
        let topics: Vec<_> = TOPICS.iter().map(|topic| topic.name).collect();
        let ends = self.0.log.end_positions(&topics).await?;
        let progress = self.progress().borrow().clone();
        let behind = progress.positions.iter().filter_map(|read| {
            let end = ends.iter().find(|end| end.at == read.at)?;
            Some(end.offset.saturating_sub(read.offset))
        });
        Ok(behind.sum())
    }

    fn learner(&self, threads: Vec<ArbiterHandle>, stop: watch::Receiver<bool>) -> Learner {
        Learner {
            log: self.0.log.clone(),
            codec: self.0.codec.clone(),
            clock: self.0.clock.clone(),
            tracer: self.0.tracer.clone(),
            store: self.0.store.clone(),
            shape: self.0.shape.clone(),
            snapshot_every: self.0.config.snapshot_every,
            rebuild: self.0.config.rebuild,
            published: self.0.published.clone(),
            counters: self.0.counters.clone(),
            threads,
            letters: Letters::new(self.0.log.clone(), self.0.clock.clone()),
            stop,
            panics: HashMap::default(),
            saving: None,
        }
    }
}

impl Hosted for Recommendation {
    fn name(&self) -> &'static str {
        NAME
    }

    fn routes(&self, config: &mut ServiceConfig) {
        http::routes(self.clone())(config);
    }

    fn checks(&self) -> Vec<Check> {
        let (codec, published) = (self.0.codec.clone(), self.0.published.clone());
        let registered = move || {
            let codec = codec.clone();
            async move { codec.ping(OWNER).await }
        };
        let caught_up = move || {
            let is_ready = published.is_ready();
            async move { is_ready.then_some(()).ok_or("still learns what is in the log") }
        };
        vec![
            Check::new(format!("{NAME}.registry"), registered),
            Check::new(format!("{NAME}.model"), caught_up),
        ]
    }

    fn tracer(&self) -> Tracer {
        self.0.tracer.clone()
    }

    fn metrics(&self) -> ServiceMetrics {
        self.0.metrics.clone()
    }

    fn sample(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.0.numbers.counted(&self.0.counters);
            // Without the log, the gauges keep their last values.
            if let Ok(observed) = self.observe().await {
                self.0.numbers.observed(&observed);
            }
        })
    }

    /// Dropping what is returned, instead of calling it, ends the service where it is.
    fn start(&self) -> Box<dyn FnOnce() -> LocalBoxFuture<'static, ()>> {
        let (stop, stopped) = watch::channel(false);
        let threads = Threads((0..self.0.shape.shards).map(|_| Arbiter::new()).collect());
        let handles = threads.0.iter().map(Arbiter::handle).collect();
        let learning = tokio::spawn(self.learner(handles, stopped.clone()).run());
        tokio::spawn(register(self.0.codec.clone(), stopped));
        Box::new(move || {
            Box::pin(async move {
                stop.send_replace(true);
                if let Err(error) = learning.await {
                    tracing::error!(%error, "the learner ended without a snapshot");
                }
                drop(threads);
            })
        })
    }
}

/// The threads of the shards' actors.
struct Threads(Vec<Arbiter>);

impl Drop for Threads {
    fn drop(&mut self) {
        for thread in &self.0 {
            thread.stop();
        }
    }
}

/// Registers the schemas of what storefronts report, however long the registry is away.
async fn register(codec: Arc<Codec>, mut stop: watch::Receiver<bool>) {
    let mut backoff = Backoff::default();
    while let Err(error) = codec.register(OWNER).await {
        if backoff.failures().is_multiple_of(10) {
            tracing::warn!(service = NAME, %error, "cannot register the schemas yet");
        }
        tokio::select! {
            () = backoff.wait() => {}
            _ = stop.changed() => return,
        }
    }
}
