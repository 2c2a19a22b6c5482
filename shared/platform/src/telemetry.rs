//! Where spans go: by OTLP to a collector, as OpenTelemetry's standard variables say.
//!
//! Nobody ever waits for the collector. Finished spans go into a bounded queue, from which one
//! thread of the SDK's exports them; when the queue is full they are dropped and counted. While
//! the collector is away there is one warning, and another line when it is back.

mod alarm;
mod export;
mod pipeline;

use std::{sync::Arc, time::Duration};

use messaging::telemetry::{
    Telemetry,
    sampling::{Sampler, SamplerError},
};
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SpanProcessor as _};

use self::alarm::Alarm;
pub use self::{export::Target, pipeline::Pipeline};
use crate::environment::{ConfigError, Environment, Variable};

/// Spans that may wait for the exporter; about 1 KB each.
const QUEUE: &str = "16384";
/// Spans in one export.
const BATCH: &str = "2048";
/// How long a span waits for others, in milliseconds.
const DELAY_MS: &str = "1000";
/// How long the last spans may take when the process ends.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// How long after a warning there is no other.
const CALM: Duration = Duration::from_secs(60);

/// What may be set. The exporter itself reads `OTEL_EXPORTER_OTLP_HEADERS`, `_TIMEOUT` and
/// `_COMPRESSION` besides, and resources `OTEL_RESOURCE_ATTRIBUTES`.
pub const VARIABLES: &[Variable] = &[
    Variable::optional(
        ENDPOINT,
        "where traces are sent to, such as `http://collector:4318`; none are made if it is not set",
    ),
    Variable::optional(TRACES_ENDPOINT, "the same, for traces alone and with HTTP's path"),
    Variable::with_default(PROTOCOL, HTTP, "`http/protobuf` or `grpc`"),
    Variable::optional(TRACES_PROTOCOL, "the same, for traces alone"),
    Variable::with_default("OTEL_TRACES_EXPORTER", "otlp", "`otlp` or `none`"),
    Variable::with_default(
        "OTEL_TRACES_SAMPLER",
        "parentbased_always_on",
        "which traces are recorded: `always_on`, `always_off`, `traceidratio`, or one of them behind `parentbased_`",
    ),
    Variable::optional("OTEL_TRACES_SAMPLER_ARG", "the ratio, from 0 to 1"),
    Variable::with_default("OTEL_SDK_DISABLED", "false", "`true` makes no traces"),
    Variable::with_default(
        "OTEL_BSP_MAX_QUEUE_SIZE",
        QUEUE,
        "spans that may wait; more are dropped and counted",
    ),
    Variable::with_default("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", BATCH, "spans in one export"),
    Variable::with_default(
        "OTEL_BSP_SCHEDULE_DELAY",
        DELAY_MS,
        "how long a span waits for others, in milliseconds",
    ),
];

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const TRACES_PROTOCOL: &str = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL";
const HTTP: &str = "http/protobuf";
const GRPC: &str = "grpc";

/// How traces are made and sent.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to; `None` makes none.
    pub target: Option<Target>,
    /// Which.
    pub sampler: Sampler,
    /// Spans that may wait.
    pub queue: usize,
    /// Spans in one export.
    pub batch: usize,
    /// How long a span waits for others.
    pub delay: Duration,
}

/// Why traces cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A variable makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The exporter cannot be made.
    #[error("OTLP: {0}")]
    Exporter(#[from] ExporterBuildError),
}

impl Settings {
    /// What the process's variables say.
    ///
    /// # Errors
    /// When one makes no sense.
    pub fn of_process() -> Result<Self, ConfigError> {
        Self::read(&Environment::of_process(&[VARIABLES]))
    }

    /// What `environment` says, whose tables have [`VARIABLES`].
    ///
    /// # Errors
    /// When a variable makes no sense.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            target: target(environment)?,
            sampler: sampler(environment)?,
            queue: environment.required("OTEL_BSP_MAX_QUEUE_SIZE")?,
            batch: environment.required("OTEL_BSP_MAX_EXPORT_BATCH_SIZE")?,
            delay: Duration::from_millis(environment.required("OTEL_BSP_SCHEDULE_DELAY")?),
        })
    }
}

fn target(environment: &Environment) -> Result<Option<Target>, ConfigError> {
    let exporter = environment.text("OTEL_TRACES_EXPORTER")?;
    let is_otlp = match exporter.as_deref() {
        Some("none") => false,
        Some("otlp") | None => true,
        Some(_) => {
            let reason = "`otlp` or `none`".to_owned();
            return Err(environment.invalid("OTEL_TRACES_EXPORTER", reason));
        }
    };
    if !is_otlp || environment.required("OTEL_SDK_DISABLED")? {
        return Ok(None);
    }
    let is_grpc = is_grpc(environment)?;
    if let Some(endpoint) = environment.text(TRACES_ENDPOINT)? {
        return Ok(Some(if is_grpc { Target::Grpc(endpoint) } else { Target::Http(endpoint) }));
    }
    let Some(endpoint) = environment.text(ENDPOINT)? else { return Ok(None) };
    Ok(Some(if is_grpc { Target::Grpc(endpoint) } else { Target::http_base(&endpoint) }))
}

fn is_grpc(environment: &Environment) -> Result<bool, ConfigError> {
    let (name, protocol) = match environment.text(TRACES_PROTOCOL)? {
        Some(protocol) => (TRACES_PROTOCOL, Some(protocol)),
        None => (PROTOCOL, environment.text(PROTOCOL)?),
    };
    match protocol.as_deref() {
        Some(GRPC) => Ok(true),
        Some(HTTP) | None => Ok(false),
        Some(_) => Err(environment.invalid(name, format!("`{HTTP}` or `{GRPC}`"))),
    }
}

fn sampler(environment: &Environment) -> Result<Sampler, ConfigError> {
    const NAME: &str = "OTEL_TRACES_SAMPLER";
    const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
    let argument = environment.text(ARGUMENT)?;
    let name: String = environment.required(NAME)?;
    Sampler::named(&name, argument.as_deref()).map_err(|error| match error {
        SamplerError::Unknown(_) => environment.invalid(NAME, error.to_string()),
        SamplerError::Ratio(_) => environment.invalid(ARGUMENT, error.to_string()),
    })
}

/// Begins to export, if there is anywhere to; must be called on the runtime. What is returned goes
/// into the platform, and the pipeline is to be stopped last.
///
/// # Errors
/// When the exporter cannot be made.
pub fn start(settings: &Settings) -> Result<(Telemetry, Option<Arc<Pipeline>>), TelemetryError> {
    let telemetry = Telemetry::default();
    let Some(target) = settings.target.clone() else { return Ok((telemetry, None)) };
    let alarm = Arc::new(Alarm::new(CALM));
    let exporter = export::Exporter::new(target, &telemetry.metrics, alarm.clone())?;
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(settings.queue)
        .with_max_export_batch_size(settings.batch.min(settings.queue))
        .with_scheduled_delay(settings.delay)
        .build();
    let waiting = exporter.waiting();
    let batches = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
    let pipeline = Pipeline::new(batches, waiting, settings.queue, &telemetry.metrics, alarm);
    let pipeline = Arc::new(pipeline);
    Ok((telemetry.with_spans(pipeline.clone(), settings.sampler), Some(pipeline)))
}

/// Sends the last spans, and waits for them for a moment.
pub async fn stop(pipeline: Option<Arc<Pipeline>>) {
    let Some(pipeline) = pipeline else { return };
    let stopped = tokio::task::spawn_blocking(move || pipeline.shutdown_with_timeout(LAST_SPANS));
    if let Ok(Err(error)) = stopped.await {
        tracing::warn!(%error, "the last spans were not sent");
    }
}

#[cfg(test)]
mod tests;
