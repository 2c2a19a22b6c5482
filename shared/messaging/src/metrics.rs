//! Numbers about a process, in OpenMetrics text for Prometheus. The table in ARCHITECTURE.md says
//! what each is; a test compares it with what is exported.
//!
//! Cardinality is bounded: labels are services, topics, event types, partitions, actors and
//! outcomes of ours, never ids. Single traces are found by exemplars.

mod event;
mod sample;

use std::{
    any::Any,
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use events::trace::TraceContext;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        exemplar::HistogramWithExemplars,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Metric, Registry},
};

pub use self::{
    event::{EventLabels, Produced},
    sample::{InFlight, sample},
};

/// What a scrape is answered with.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A histogram whose buckets name a trace each.
pub type TracedHistogram = HistogramWithExemplars<TraceLabel>;

/// The numbers of one process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Mutex<Registry>,
    /// What is registered, by name, so that the same name is registered once.
    known: Mutex<HashMap<&'static str, Box<dyn Any + Send + Sync>>>,
    all: All,
}

/// What every service has.
struct All {
    consumed: Family<EventLabels, Counter>,
    produced: Family<EventLabels, Counter>,
    processing: Family<EventLabels, TracedHistogram, fn() -> TracedHistogram>,
    transactions: Family<OutcomeLabels, Counter>,
    transaction_seconds: Family<ServiceLabel, Histogram, fn() -> Histogram>,
    transaction_items: Family<ServiceLabel, Histogram, fn() -> Histogram>,
    duplicates: Family<ServiceLabel, Counter>,
    retries: Family<ServiceLabel, Counter>,
    dead_letters: Family<ServiceLabel, Counter>,
    restarts: Family<ActorLabels, Counter>,
    mailboxes: Family<ActorLabels, Gauge>,
    leader: Family<LeaderLabels, Gauge>,
    outbox_depth: Family<ServiceLabel, Gauge>,
    outbox_oldest_seconds: Family<ServiceLabel, Seconds>,
    lag: Family<PartitionLabels, Gauge>,
    connections: Family<PoolLabels, Gauge>,
    saga_seconds: Family<OutcomeLabels, TracedHistogram, fn() -> TracedHistogram>,
    sagas: Family<ServiceLabel, Gauge>,
    saga_oldest_seconds: Family<ServiceLabel, Seconds>,
    unmeasured: Family<UnmeasuredLabels, Counter>,
}

type Seconds = Gauge<f64, std::sync::atomic::AtomicU64>;

/// Whose number it is.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ServiceLabel {
    service: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    service: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ActorLabels {
    service: &'static str,
    actor: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LeaderLabels {
    service: &'static str,
    duty: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PartitionLabels {
    service: &'static str,
    topic: String,
    partition: u32,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PoolLabels {
    service: &'static str,
    pool: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct UnmeasuredLabels {
    service: &'static str,
    what: &'static str,
}

/// The trace that an exemplar is from.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct TraceLabel {
    trace_id: String,
}

impl TraceLabel {
    /// The exemplar's label, if the trace is recorded.
    pub fn of(trace: &TraceContext) -> Option<Self> {
        trace.is_sampled().then(|| Self { trace_id: trace.trace_id() })
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let (registry, known) = Default::default();
        let all = All::default();
        let metrics = Self(Arc::new(Inner { registry, known, all }));
        metrics.register_all();
        metrics
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for All {
    fn default() -> Self {
        let quick: fn() -> Histogram = || Histogram::new(quick_seconds());
        let traced: fn() -> TracedHistogram = || TracedHistogram::new(quick_seconds());
        let saga: fn() -> TracedHistogram = || TracedHistogram::new(saga_seconds());
        let items: fn() -> Histogram = || Histogram::new(exponential_buckets(1.0, 2.0, 10));
        Self {
            consumed: Family::default(),
            produced: Family::default(),
            processing: Family::new_with_constructor(traced),
            transactions: Family::default(),
            transaction_seconds: Family::new_with_constructor(quick),
            transaction_items: Family::new_with_constructor(items),
            duplicates: Family::default(),
            retries: Family::default(),
            dead_letters: Family::default(),
            restarts: Family::default(),
            mailboxes: Family::default(),
            leader: Family::default(),
            outbox_depth: Family::default(),
            outbox_oldest_seconds: Family::default(),
            lag: Family::default(),
            connections: Family::default(),
            saga_seconds: Family::new_with_constructor(saga),
            sagas: Family::default(),
            saga_oldest_seconds: Family::default(),
            unmeasured: Family::default(),
        }
    }
}

/// From half a millisecond to eight seconds.
pub fn quick_seconds() -> impl Iterator<Item = f64> {
    exponential_buckets(0.0005, 2.0, 15)
}

/// From five milliseconds, a saga in one process, to a day and a half, one that waits for people.
fn saga_seconds() -> impl Iterator<Item = f64> {
    exponential_buckets(0.005, 3.0, 16)
}

impl Metrics {
    /// Registers a metric of a service's own, or returns the one that has this name already.
    ///
    /// # Panics
    /// When the name is taken by a metric of another type.
    pub fn register<M: Metric + Clone>(
        &self,
        name: &'static str,
        help: &'static str,
        make: impl FnOnce() -> M,
    ) -> M {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        let metric = known.entry(name).or_insert_with(|| {
            let metric = make();
            let mut registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
            registry.register(name, help, metric.clone());
            Box::new(metric)
        });
        metric.downcast_ref::<M>().expect("one type for a name").clone()
    }

    /// All numbers as they are now, as [`CONTENT_TYPE`] has it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string does not fail.
        text::encode(&mut text, &registry).ok();
        text
    }

    /// The numbers of one service; those that count are there from now on, at zero.
    pub fn of(&self, service: &'static str) -> ServiceMetrics {
        let metrics = ServiceMetrics { service, metrics: self.clone() };
        metrics.begin();
        metrics
    }

    fn register_all(&self) {
        let all = &self.0.all;
        let mut registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        macro_rules! register {
            ($($metric:ident $name:literal $help:literal;)+) => {
                $(registry.register($name, $help, all.$metric.clone());)+
            };
        }
        register! {
            consumed "shop_events_consumed" "Records taken up from the log";
            produced "shop_events_produced" "Records that the log has taken";
            processing "shop_event_processing_seconds" "From taking up a record to the commit";
            transactions "shop_transactions" "Transactions by outcome";
            transaction_seconds "shop_transaction_duration_seconds" "From begin to commit";
            transaction_items "shop_transaction_items" "Records, requests and deadlines of a transaction";
            duplicates "shop_inbox_duplicates" "Records that had been handled before";
            retries "shop_retries" "Transactions and records that are tried again";
            dead_letters "shop_dead_letters" "Records given up";
            restarts "shop_actor_restarts" "Actors that ended and were started anew";
            mailboxes "shop_actor_mailbox_depth" "What waits for an actor";
            leader "shop_leader" "Whether this replica does what one does for all";
            outbox_depth "shop_outbox_depth" "Events that the log does not have yet";
            outbox_oldest_seconds "shop_outbox_oldest_seconds" "Age of the oldest of them";
            lag "shop_consumer_lag" "Records of a partition that are not committed";
            connections "shop_database_connections" "Connections of a pool by state";
            saga_seconds "shop_saga_duration_seconds" "From placing an order to its outcome";
            sagas "shop_sagas_in_flight" "Orders that wait for an answer";
            saga_oldest_seconds "shop_saga_oldest_seconds" "Age of the oldest of them";
            unmeasured "shop_measurements_failed" "Gauges that could not be measured at a scrape";
        }
    }
}

/// The numbers of one service.
#[derive(Clone, Debug)]
pub struct ServiceMetrics {
    service: &'static str,
    metrics: Metrics,
}

impl ServiceMetrics {
    fn all(&self) -> &All {
        &self.metrics.0.all
    }

    /// What all services of the process share.
    pub fn process(&self) -> &Metrics {
        &self.metrics
    }

    /// This service's label.
    pub fn label(&self) -> ServiceLabel {
        ServiceLabel { service: self.service }
    }

    /// A rate needs a first value.
    fn begin(&self) {
        let (all, label) = (self.all(), self.label());
        for counter in [&all.duplicates, &all.retries, &all.dead_letters] {
            counter.get_or_create(&label).inc_by(0);
        }
        for outcome in ["committed", "failed"] {
            all.transactions
                .get_or_create(&OutcomeLabels { service: self.service, outcome })
                .inc_by(0);
        }
        for actor in ["register", "relay", "deadlines", "housekeeping", "consumer"] {
            let labels = ActorLabels { service: self.service, actor };
            all.restarts.get_or_create(&labels).inc_by(0);
        }
        for what in ["outbox", "lag", "sagas"] {
            let labels = UnmeasuredLabels { service: self.service, what };
            all.unmeasured.get_or_create(&labels).inc_by(0);
        }
    }

    /// Something is tried again.
    pub fn retried(&self) {
        self.all().retries.get_or_create(&self.label()).inc();
    }

    /// An actor ended and is started anew.
    pub fn restarted(&self, actor: &'static str) {
        self.all().restarts.get_or_create(&ActorLabels { service: self.service, actor }).inc();
    }

    /// What waits for all actors of a kind, kept by those who wait.
    pub fn mailbox(&self, actor: &'static str) -> Depth {
        let labels = ActorLabels { service: self.service, actor };
        Depth { gauge: self.all().mailboxes.get_or_create_owned(&labels), now: 0 }
    }

    /// A saga ended, or a stage of it.
    pub fn saga(&self, outcome: &'static str, took: Duration, trace: &TraceContext) {
        let labels = OutcomeLabels { service: self.service, outcome };
        let histogram = self.all().saga_seconds.get_or_create_owned(&labels);
        histogram.observe(took.as_secs_f64(), TraceLabel::of(trace), None);
    }
}

/// One actor's share of a gauge of depths; gone with the actor.
#[derive(Debug)]
pub struct Depth {
    gauge: Gauge,
    now: i64,
}

impl Depth {
    /// So many wait now.
    pub fn set(&mut self, waiting: usize) {
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        self.gauge.inc_by(waiting - self.now);
        self.now = waiting;
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        self.gauge.dec_by(self.now);
    }
}
