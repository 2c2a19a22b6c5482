//! The span of an attempt, a part of its order's trace.

use events::trace::TraceContext;
use kernel::Timestamp;
use messaging::telemetry::{Span, Tracer, new_span_id};
use opentelemetry::{
    KeyValue,
    trace::{SpanKind, Status},
};

use crate::{
    choreography::word,
    domain::{Notification, Outcome},
};

/// The span that begins now below `cause`, recorded or not: what the outcome says is below it.
pub fn begin(notification: &Notification, cause: TraceContext, now: Timestamp) -> Span {
    let context = cause.with_span(new_span_id());
    let channel = word(notification.channel);
    let name = format!("notify {channel}");
    let mut span = Span::new(name, SpanKind::Client, context, Some(cause), now);
    span.attributes = vec![
        KeyValue::new("shop.notification.id", notification.id.to_string()),
        KeyValue::new("shop.notification.kind", word(notification.content.kind())),
        KeyValue::new("shop.notification.channel", channel),
        KeyValue::new("shop.notification.attempt", i64::from(notification.attempts)),
    ];
    if let Some(order_id) = notification.order_id {
        span.attributes.push(KeyValue::new("order.id", order_id.to_string()));
    }
    span
}

/// Hands it over. Why it failed is told by its row; the address may be in it, which is personal.
pub fn end(tracer: &Tracer, mut span: Span, outcome: &Outcome, now: Timestamp) {
    if !tracer.records(&span.context) {
        return;
    }
    let error = match outcome {
        Outcome::Sent => None,
        Outcome::Failed(_) => Some("failed"),
        Outcome::Refused(_) => Some("refused"),
        Outcome::Gone => Some("gone"),
    };
    if let Some(error) = error {
        span.attributes.push(KeyValue::new("error.type", error));
        span.status = Status::error(error);
    }
    tracer.end(span, now);
}
