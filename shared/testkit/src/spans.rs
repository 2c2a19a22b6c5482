//! Spans kept instead of exported, and what has to hold for a trace.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use messaging::telemetry::{Telemetry, sampling::Sampler};
use opentelemetry::{
    Context,
    trace::{SpanId, TraceId},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanProcessor},
};

/// Keeps every finished span.
#[derive(Clone, Debug, Default)]
pub struct Spans(Arc<Mutex<Vec<SpanData>>>);

impl Spans {
    /// Telemetry that keeps its spans here.
    pub fn telemetry(&self, sampler: Sampler) -> Telemetry {
        Telemetry::default().with_spans(Arc::new(self.clone()), sampler)
    }

    /// All of them so far, as they ended.
    pub fn all(&self) -> Vec<SpanData> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those of one trace.
    pub fn trace(&self, id: TraceId) -> Vec<SpanData> {
        self.all().into_iter().filter(|span| span.span_context.trace_id() == id).collect()
    }

    /// The traces that have a span with this attribute.
    pub fn traces_with(&self, key: &str, value: &str) -> HashSet<TraceId> {
        let spans = self.all();
        let has = |span: &&SpanData| attribute(span, key).as_deref() == Some(value);
        spans.iter().filter(has).map(|span| span.span_context.trace_id()).collect()
    }
}

impl SpanProcessor for Spans {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The service that a span is of.
pub fn service(span: &SpanData) -> &str {
    span.instrumentation_scope.name()
}

/// The text of a span's attribute.
pub fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == key)?;
    Some(found.value.as_str().into_owned())
}

/// Every span of a trace by its parent's line and its own, such as
/// `process shop.orders (inventory) OrderPlaced`; the lines of a tree, indented.
pub fn tree(spans: &[SpanData]) -> Vec<String> {
    let mut children: BTreeMap<[u8; 8], Vec<&SpanData>> = BTreeMap::new();
    for span in spans {
        children.entry(span.parent_span_id.to_bytes()).or_default().push(span);
    }
    let mut lines = Vec::new();
    draw(&children, SpanId::INVALID, 0, &mut lines);
    lines
}

fn draw(
    children: &BTreeMap<[u8; 8], Vec<&SpanData>>,
    parent: SpanId,
    depth: usize,
    lines: &mut Vec<String>,
) {
    let mut below = children.get(&parent.to_bytes()).cloned().unwrap_or_default();
    below.sort_by_key(|span| (span.start_time, span.end_time));
    for span in below {
        let step = attribute(span, "saga.step").map(|step| format!(" {step}"));
        let line = format!("{} ({}){}", span.name, service(span), step.unwrap_or_default());
        lines.push(format!("{}{line}", "  ".repeat(depth)));
        draw(children, span.span_context.span_id(), depth + 1, lines);
    }
}

/// The spans whose parent is not there.
pub fn orphans(spans: &[SpanData]) -> Vec<&SpanData> {
    let ids: BTreeSet<_> =
        spans.iter().map(|span| span.span_context.span_id().to_bytes()).collect();
    let is_orphan = |span: &&SpanData| {
        span.parent_span_id != SpanId::INVALID && !ids.contains(&span.parent_span_id.to_bytes())
    };
    spans.iter().filter(is_orphan).collect()
}
