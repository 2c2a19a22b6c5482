//! One exporter for all services of a process: each has a resource of its own, because each is a
//! service in the traces, also when they share a process.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use messaging::metrics::Metrics;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter as Otlp, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{SpanData, SpanExporter},
};
use prometheus_client::metrics::counter::Counter;
use tokio::runtime::Handle;

use super::alarm::Alarm;

/// A collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// OTLP over HTTP, to exactly this URL.
    Http(String),
    /// OTLP over gRPC. Without TLS: put a collector beside it for that.
    Grpc(String),
}

impl Target {
    /// OTLP over HTTP to the usual path below this URL.
    pub fn http_base(url: &str) -> Self {
        Self::Http(format!("{}/v1/traces", url.trim_end_matches('/')))
    }

    fn exporter(&self) -> Result<Otlp, ExporterBuildError> {
        match self {
            Self::Http(url) => Otlp::builder()
                .with_http()
                .with_protocol(Protocol::HttpBinary)
                .with_endpoint(url)
                .build(),
            Self::Grpc(url) => Otlp::builder().with_tonic().with_endpoint(url).build(),
        }
    }
}

/// Exports by service: the name of a span's instrumentation scope.
pub struct Exporter {
    target: Target,
    services: Mutex<BTreeMap<String, Arc<Otlp>>>,
    /// gRPC's connections live on it.
    runtime: Handle,
    waiting: Arc<AtomicUsize>,
    alarm: Arc<Alarm>,
    lost: Counter,
    sent: Counter,
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Exporter {
    /// An exporter to `target`.
    ///
    /// # Errors
    /// When that is no place to export to.
    pub fn new(
        target: Target,
        metrics: &Metrics,
        alarm: Arc<Alarm>,
    ) -> Result<Self, ExporterBuildError> {
        // Said now rather than with the first span.
        drop(target.exporter()?);
        let help = "Spans that found the queue full or the collector away";
        let lost = metrics.register("shop_spans_dropped", help, Counter::default);
        let sent = metrics.register(
            "shop_spans_exported",
            "Spans that the collector has taken",
            Counter::default,
        );
        let (services, waiting) = Default::default();
        Ok(Self { target, services, runtime: Handle::current(), waiting, alarm, lost, sent })
    }

    /// How many spans wait; taken off as they are exported.
    pub fn waiting(&self) -> Arc<AtomicUsize> {
        self.waiting.clone()
    }

    fn of(&self, service: &str) -> Result<Arc<Otlp>, ExporterBuildError> {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exporter) = services.get(service) {
            return Ok(exporter.clone());
        }
        let _on_runtime = self.runtime.enter();
        let mut exporter = self.target.exporter()?;
        exporter.set_resource(&resource(service));
        let exporter = Arc::new(exporter);
        services.insert(service.to_owned(), exporter.clone());
        Ok(exporter)
    }

    async fn send(&self, service: &str, spans: Vec<SpanData>) -> OTelSdkResult {
        let exporter = self.of(service);
        let exporter = exporter.map_err(|e| OTelSdkError::InternalFailure(e.to_string()))?;
        let count = spans.len() as u64;
        exporter.export(spans).await?;
        self.sent.inc_by(count);
        self.alarm.lower();
        Ok(())
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
        let mut services: BTreeMap<String, Vec<SpanData>> = BTreeMap::new();
        for span in batch {
            let service = span.instrumentation_scope.name();
            match services.get_mut(service) {
                Some(spans) => spans.push(span),
                None => drop(services.insert(service.to_owned(), vec![span])),
            }
        }
        let mut left: usize = services.values().map(Vec::len).sum();
        for (service, spans) in services {
            let count = spans.len();
            if let Err(error) = self.send(&service, spans).await {
                // The others would only wait for the same collector.
                self.lost.inc_by(left as u64);
                self.alarm.raise(&error);
                return Err(error);
            }
            left -= count;
        }
        Ok(())
    }
}

fn resource(service: &str) -> Resource {
    Resource::builder()
        .with_attributes([
            KeyValue::new("service.namespace", "shop"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .with_service_name(service.to_owned())
        .build()
}
