//! The bounded way to the exporter.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use messaging::metrics::Metrics;
use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor},
};
use prometheus_client::metrics::counter::Counter;

use super::alarm::Alarm;

/// The SDK's batches behind a limit of ours: it counts what it drops only for itself.
#[derive(Debug)]
pub struct Pipeline {
    batches: BatchSpanProcessor,
    /// Spans that the exporter has not taken yet; it takes them off.
    waiting: Arc<AtomicUsize>,
    limit: usize,
    dropped: Counter,
    alarm: Arc<Alarm>,
}

impl Pipeline {
    pub(super) fn new(
        batches: BatchSpanProcessor,
        waiting: Arc<AtomicUsize>,
        limit: usize,
        metrics: &Metrics,
        alarm: Arc<Alarm>,
    ) -> Self {
        let help = "Spans that found the queue full or the collector away";
        let dropped = metrics.register("shop_spans_dropped", help, Counter::default);
        Self { batches, waiting, limit, dropped, alarm }
    }
}

impl SpanProcessor for Pipeline {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.limit {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.dropped.inc();
            self.alarm.raise(&"the collector is slow or away");
        } else {
            self.batches.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, _: &Resource) {}
}
