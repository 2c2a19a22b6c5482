//! The service's own numbers for Prometheus: what it has counted, as of the latest scrape.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use messaging::metrics::{ServiceLabel, ServiceMetrics};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
};

use crate::observed::{Counters, Observed};

type Gauges = Family<ServiceLabel, Gauge>;
type Count = Family<ServiceLabel, Counter>;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    service: &'static str,
    outcome: &'static str,
}

/// The numbers, registered.
pub struct Numbers {
    label: ServiceLabel,
    service: &'static str,
    /// How long an answer took, in seconds.
    pub answer_seconds: Histogram,
    sessions: Gauges,
    clicks: Gauges,
    orders: Gauges,
    items: Gauges,
    lag: Gauges,
    snapshot_bytes: Gauges,
    snapshots: Count,
    rebuilds: Count,
    events: Family<OutcomeLabels, Counter>,
}

impl Numbers {
    /// Registers them with those of the process.
    pub fn new(service: &'static str, metrics: &ServiceMetrics) -> Self {
        let process = metrics.process();
        let gauge = |name, help| process.register(name, help, Gauges::default);
        let count = |name, help| process.register(name, help, Count::default);
        // From 16 µs, an answer from memory, to half a second.
        let make: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_016, 2.0, 16));
        let seconds = process.register(
            "shop_recommendation_duration_seconds",
            "From the question to the answer",
            || Family::<ServiceLabel, Histogram, fn() -> Histogram>::new_with_constructor(make),
        );
        let label = metrics.label();
        Self {
            answer_seconds: seconds.get_or_create_owned(&label),
            label,
            service,
            sessions: gauge("shop_recommendation_sessions", "Sessions in the model"),
            clicks: gauge("shop_recommendation_clicks", "Clicks in the model"),
            orders: gauge("shop_recommendation_orders", "Orders in the model"),
            items: gauge("shop_recommendation_items", "SKUs ever met"),
            lag: gauge("shop_recommendation_lag", "Records of the log that are not learned yet"),
            snapshot_bytes: gauge("shop_recommendation_snapshot_bytes", "The newest snapshot"),
            snapshots: count("shop_recommendation_snapshots", "Snapshots written"),
            rebuilds: count("shop_recommendation_rebuilds", "Times the model was built anew"),
            events: process.register(
                "shop_recommendation_events",
                "Events by what the model made of them",
                Family::default,
            ),
        }
    }

    /// Takes over what was counted.
    pub fn counted(&self, counters: &Counters) {
        for (outcome, count) in [
            ("learned", &counters.learned),
            ("repeated", &counters.repeated),
            ("too_old", &counters.too_old),
            ("no_room", &counters.no_room),
            ("unusable", &counters.unusable),
        ] {
            let labels = OutcomeLabels { service: self.service, outcome };
            raise(&self.events.get_or_create_owned(&labels), count);
        }
        raise(&self.snapshots.get_or_create_owned(&self.label), &counters.snapshots);
        raise(&self.rebuilds.get_or_create_owned(&self.label), &counters.rebuilt);
        self.set(&self.snapshot_bytes, counters.snapshot_bytes.load(Relaxed));
    }

    /// Takes over what was observed.
    pub fn observed(&self, observed: &Observed) {
        let sum = |part: fn(&crate::observed::ObservedShard) -> usize| {
            observed.shards.iter().map(part).sum::<usize>() as u64
        };
        self.set(&self.sessions, sum(|shard| shard.sessions));
        self.set(&self.clicks, sum(|shard| shard.clicks));
        self.set(&self.orders, sum(|shard| shard.orders));
        self.set(&self.items, observed.items as u64);
        self.set(&self.lag, observed.lag);
    }

    fn set(&self, gauge: &Gauges, value: u64) {
        gauge.get_or_create(&self.label).set(i64::try_from(value).unwrap_or(i64::MAX));
    }
}

/// Counters of ours start with the process, as those of a scrape do.
fn raise(counter: &Counter, to: &AtomicU64) {
    counter.inc_by(to.load(Relaxed).saturating_sub(counter.get()));
}
