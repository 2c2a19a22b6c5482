//! What a process tells about itself: spans here, numbers in [`crate::metrics`].
//!
//! Spans are put together by hand instead of by the SDK's tracer, because their ids are given: an
//! event's `traceparent` names the span that created it, whose id is derived from the event's id
//! and is therefore known to whoever reads the outbox, the log or an aggregate, also after a
//! restart. Everything behind a finished span (queue, batches, resources, OTLP) is the SDK's.
//!
//! ```text
//! POST /api/v1/orders           SERVER    the request
//! └─ create shop.orders         PRODUCER  the event, from the decision to the commit
//!    ├─ send shop.orders        CLIENT    from the decision until the log has taken it
//!    ├─ receive shop.orders     CLIENT    from there until a consumer takes it up
//!    └─ process shop.orders     CONSUMER  until its transaction is committed
//!       └─ create shop.inventory …
//! ```
//!
//! A transaction's span is the root of a trace of its own and links to all that share it.

pub mod batch;
pub mod notes;
pub mod observed;
pub mod reader;
pub mod sampling;

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime},
};

use events::trace::TraceContext;
use kernel::Timestamp;
use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks, SpanProcessor};
use uuid::Uuid;

use self::sampling::Sampler;
use crate::metrics::Metrics;

/// Where a process's spans and numbers go. The default keeps numbers and makes no spans.
#[derive(Clone, Default)]
pub struct Telemetry {
    /// Counters, gauges and histograms of all services of this process.
    pub metrics: Metrics,
    spans: Option<(Arc<dyn SpanProcessor>, Sampler)>,
}

impl Telemetry {
    /// The same with spans: `sink` is given each that is finished; it must not block.
    #[must_use]
    pub fn with_spans(self, sink: Arc<dyn SpanProcessor>, sampler: Sampler) -> Self {
        Self { spans: Some((sink, sampler)), ..self }
    }

    /// The tracer of one service. Its name is the name of its spans' instrumentation scope, by
    /// which an exporter finds the resource they belong to.
    pub fn tracer(&self, service: &'static str) -> Tracer {
        let recorder = self.spans.clone().map(|(sink, sampler)| Recorder {
            scope: InstrumentationScope::builder(service).build(),
            sampler,
            sink,
        });
        Tracer(recorder.map(Arc::new))
    }
}

/// Makes a service's spans. When tracing is off it is empty, and nothing is built.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Recorder>>);

struct Recorder {
    scope: InstrumentationScope,
    sampler: Sampler,
    sink: Arc<dyn SpanProcessor>,
}

impl Tracer {
    /// Whether any span is made.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Whether spans of this trace are made.
    pub fn records(&self, trace: &TraceContext) -> bool {
        self.is_on() && trace.is_sampled()
    }

    /// The context of a trace that begins here; whether it is recorded is decided now, and
    /// everybody downstream follows. `id` must be random in its lower half.
    pub fn root(&self, id: Uuid) -> TraceContext {
        let trace = TraceContext::root(id);
        let sampled = self.0.as_ref().is_some_and(|recorder| recorder.sampler.begins(&trace));
        trace.with_sampled(sampled)
    }

    /// The context of a span of ours in a trace that came from outside.
    pub fn joined(&self, caller: TraceContext) -> TraceContext {
        let Some(recorder) = &self.0 else { return caller };
        let sampled = recorder.sampler.joins(&caller);
        caller.with_span(new_span_id()).with_sampled(sampled)
    }

    /// Hands over a finished span. Never blocks: one too many is dropped and counted.
    pub fn end(&self, span: Span, end: Timestamp) {
        if let Some(recorder) = &self.0 {
            recorder.sink.on_end(span.into_data(recorder.scope.clone(), end));
        }
    }
}

/// An id for a span whose id nobody has to know beforehand.
pub fn new_span_id() -> u64 {
    // Zero is no id (W3C Trace Context, 3.2.2.4).
    rand::random::<u64>().max(1)
}

/// Puts what is logged meanwhile under a trace, as requests' lines are.
pub fn logged<T>(trace: Option<&TraceContext>, log: impl FnOnce() -> T) -> T {
    let Some(trace) = trace else { return log() };
    let (trace_id, span_id) = (trace.trace_id(), trace.span_id());
    tracing::info_span!("event", trace_id, span_id).in_scope(log)
}

/// A span that has begun.
#[derive(Clone, Debug)]
pub struct Span {
    /// Such as `process shop.orders`: never with ids.
    pub name: Cow<'static, str>,
    /// Its part in a conversation.
    pub kind: SpanKind,
    /// Its trace and its id.
    pub context: TraceContext,
    /// What it is part of; `None` for a trace's first.
    pub parent: Option<TraceContext>,
    /// When it began.
    pub start: Timestamp,
    /// What is known of it. Never personal data.
    pub attributes: Vec<KeyValue>,
    /// What it has to do with in other traces, or elsewhere in its own.
    pub links: Vec<TraceContext>,
    /// Whether it failed.
    pub status: Status,
}

impl Span {
    /// A span that begins at `start`.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        context: TraceContext,
        parent: Option<TraceContext>,
        start: Timestamp,
    ) -> Self {
        let (attributes, links, status) = Default::default();
        Self { name: name.into(), kind, context, parent, start, attributes, links, status }
    }

    fn into_data(self, instrumentation_scope: InstrumentationScope, end: Timestamp) -> SpanData {
        let mut links = SpanLinks::default();
        links.links = self.links.iter().map(|to| Link::with_context(context_of(to))).collect();
        let is_remote = matches!(self.kind, SpanKind::Server | SpanKind::Consumer);
        let parent = self.parent.map_or(0, |parent| parent.span_number());
        SpanData {
            span_context: context_of(&self.context),
            parent_span_id: SpanId::from(parent),
            parent_span_is_remote: is_remote && parent != 0,
            span_kind: self.kind,
            name: self.name,
            start_time: moment(self.start),
            end_time: moment(end.max(self.start)),
            attributes: self.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links,
            status: self.status,
            instrumentation_scope,
        }
    }
}

fn context_of(trace: &TraceContext) -> SpanContext {
    let flags = TraceFlags::default().with_sampled(trace.is_sampled());
    let state = trace.tracestate().and_then(|state| state.parse().ok());
    SpanContext::new(
        TraceId::from(trace.trace_number()),
        SpanId::from(trace.span_number()),
        flags,
        false,
        state.unwrap_or(TraceState::NONE),
    )
}

fn moment(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(at.0).unwrap_or(0))
}
