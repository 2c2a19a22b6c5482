//! The spans of one transaction: its own, and those of the records that it handled and of the
//! events that it created. Names and attributes are those of OpenTelemetry's semantic conventions
//! for messaging (Kafka) and databases; ours are `order.id`, `saga.step` and `saga.compensation`.

use std::collections::HashSet;

use events::{Envelope, Event, topics, trace::TraceContext};
use kernel::{Clock, Timestamp};
use opentelemetry::{
    KeyValue,
    trace::{SpanKind, Status},
};
use uuid::Uuid;

use super::{Span, Tracer, new_span_id};
use crate::{
    dead_letters,
    execute::{Batch, ExecuteError, Item, Outcome},
    record::Record,
    service::{Context, Heard, Said, Service},
};

/// The events that undo a step, or that others undo theirs for.
const COMPENSATIONS: [&str; 4] =
    ["OrderRejected", "OrderCancelled", "StockReleased", "ShipmentCancelled"];

/// The type of the event that a span is about.
pub(super) const STEP: &str = "saga.step";

/// The span of a record that is being processed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processing {
    /// Its trace and its id; what the event causes is its child.
    pub context: TraceContext,
    /// The span that created the event; none for one from a stranger without a trace.
    pub parent: Option<TraceContext>,
}

impl Processing {
    /// The span of processing an event that came with `parent`; `None` when it isn't recorded.
    pub fn begin(
        tracer: &Tracer,
        parent: Option<&TraceContext>,
        clock: &dyn Clock,
    ) -> Option<Self> {
        let context = match parent {
            _ if !tracer.is_on() => return None,
            Some(parent) => parent.with_span(new_span_id()),
            None => tracer.root(clock.new_id()),
        };
        context.is_sampled().then(|| Self { context, parent: parent.cloned() })
    }
}

/// The spans of creating what was said, to be ended when it is committed.
pub fn creations(tracer: &Tracer, said: &[Said], start: Timestamp) -> Vec<Span> {
    if !tracer.is_on() {
        return Vec::new();
    }
    said.iter().filter_map(|said| creation(tracer, said, start)).collect()
}

fn creation(tracer: &Tracer, said: &Said, start: Timestamp) -> Option<Span> {
    let Said { envelope, event, parent } = said;
    let context = envelope.trace.as_ref().filter(|trace| tracer.records(trace))?;
    let parent = Some(parent.clone());
    let topic = event.topic().name;
    let name = format!("create {topic}");
    let mut span = Span::new(name, SpanKind::Producer, context.clone(), parent, start);
    span.attributes = messaging("create", topic);
    span.attributes.extend(about(envelope, event));
    Some(span)
}

/// After the commit: counts, and hands over the spans of the transaction, of its records and of its events.
pub fn committed<S: Service>(
    ctx: &Context<S>,
    batch: &Batch<S>,
    outcome: &Outcome<S>,
    start: Timestamp,
) {
    let end = ctx.clock.now();
    ctx.metrics.committed(batch, outcome, start, end);
    if !ctx.tracer.is_on() {
        return;
    }
    let Some(mut transaction) = transaction(ctx, batch, &outcome.created, start) else { return };
    for item in &batch.items {
        received(ctx, item, &outcome.repeated, &transaction.context, end);
    }
    let heard: HashSet<_> = batch.items.iter().filter_map(processing).collect();
    for span in &outcome.created {
        let mut span = span.clone();
        // What a record caused is below its processing, which links already.
        if span.parent.as_ref().is_some_and(|parent| !heard.contains(&parent.span_number())) {
            span.links.push(transaction.context.clone());
        }
        ctx.tracer.end(span, end);
    }
    transaction.attributes.push(KeyValue::new("shop.transaction.events", count(outcome.said)));
    ctx.tracer.end(transaction, end);
}

/// After a roll-back: counts it and hands over the span of the transaction. Its work is tried again.
pub fn failed<S: Service>(
    ctx: &Context<S>,
    batch: &Batch<S>,
    error: &ExecuteError,
    start: Timestamp,
) {
    ctx.metrics.transaction("failed");
    if !ctx.tracer.is_on() {
        return;
    }
    if let Some(mut transaction) = transaction(ctx, batch, &[], start) {
        transaction.attributes.push(KeyValue::new("error.type", error.kind()));
        // Not the message: a database's may quote the row.
        transaction.status = Status::error(error.kind());
        ctx.tracer.end(transaction, ctx.clock.now());
    }
}

/// A root with links to all that share it; `None` when none of them is recorded.
fn transaction<S: Service>(
    ctx: &Context<S>,
    batch: &Batch<S>,
    created: &[Span],
    start: Timestamp,
) -> Option<Span> {
    let records = batch.items.iter().filter_map(|item| producer(item));
    let requests = batch.requests.iter().map(|request| request.trace.clone());
    let mut links: Vec<_> =
        records.chain(requests).filter(|trace| ctx.tracer.records(trace)).collect();
    if links.is_empty() {
        // Deadlines come without a trace and continue their aggregates'.
        links.extend(created.iter().filter_map(|span| span.parent.clone()));
    }
    if links.is_empty() {
        return None;
    }
    let context = TraceContext::root(Uuid::from_u128(rand::random::<u128>().max(1)));
    let name = concat_name("transaction", S::NAME);
    let mut span = Span::new(name, SpanKind::Client, context, None, start);
    span.links = links;
    span.attributes = vec![
        KeyValue::new("db.system.name", ctx.database.system()),
        KeyValue::new("db.namespace", S::NAME),
        KeyValue::new("db.operation.name", "transaction"),
        KeyValue::new("messaging.batch.message_count", count(batch.items.len())),
        KeyValue::new("shop.transaction.requests", count(batch.requests.len())),
        KeyValue::new("shop.transaction.deadlines", count(batch.due.len())),
    ];
    Some(span)
}

fn concat_name(operation: &str, of: &str) -> String {
    format!("{operation} {of}")
}

/// The id of the span in which a record is processed.
fn processing<S: Service>(item: &Item<S>) -> Option<u64> {
    match item {
        Item::Heard(heard, _) => Some(heard.span.as_ref()?.context.span_number()),
        Item::Poison(..) => None,
    }
}

/// The context that a record came with.
fn producer<S: Service>(item: &Item<S>) -> Option<TraceContext> {
    match item {
        Item::Heard(heard, _) => heard.span.as_ref()?.parent.clone(),
        Item::Poison(record, _) => record.trace(),
    }
}

/// The spans of receiving and of processing one record.
fn received<S: Service>(
    ctx: &Context<S>,
    item: &Item<S>,
    repeated: &[String],
    transaction: &TraceContext,
    end: Timestamp,
) {
    let spans = match item {
        Item::Heard(heard, _) => heard_spans::<S>(heard),
        Item::Poison(record, _) => poison_spans::<S>(&ctx.tracer, record, end),
    };
    let Some((receive, mut process)) = spans else { return };
    let taken_up = process.start;
    process.links.push(transaction.clone());
    if repeated.contains(&dead_letters::place(item.record())) {
        process.attributes.push(KeyValue::new("shop.duplicate", true));
    }
    if let Some(receive) = receive {
        ctx.tracer.end(receive, taken_up);
    }
    ctx.tracer.end(process, end);
}

fn heard_spans<S: Service>(heard: &Heard) -> Option<(Option<Span>, Span)> {
    let Processing { context, parent } = heard.span.clone()?;
    let about = about(&heard.envelope, &heard.event);
    Some(spans_of(S::NAME, &heard.record, context, parent, heard.received, about))
}

/// A record that goes to the dead letters: nobody could say what it is about.
fn poison_spans<S: Service>(
    tracer: &Tracer,
    record: &Record,
    end: Timestamp,
) -> Option<(Option<Span>, Span)> {
    let parent = record.trace().filter(|trace| tracer.records(trace))?;
    let context = parent.with_span(new_span_id());
    let about = vec![KeyValue::new("error.type", "dead_letter")];
    let (receive, mut process) = spans_of(S::NAME, record, context, Some(parent), end, about);
    process.status = Status::error("dead letter");
    Some((receive, process))
}

/// Receiving, if its producer is known, and processing.
pub(super) fn spans_of(
    reader: &'static str,
    record: &Record,
    context: TraceContext,
    parent: Option<TraceContext>,
    taken_up: Timestamp,
    about: Vec<KeyValue>,
) -> (Option<Span>, Span) {
    let topic = &record.at.topic;
    let consumer = |operation| {
        let mut attributes = messaging(operation, topic);
        attributes.push(KeyValue::new("messaging.consumer.group.name", reader));
        attributes
    };
    let receive = parent.clone().map(|parent| {
        let context = parent.with_span(new_span_id());
        let appended = Timestamp(record.timestamp_ms.saturating_mul(1000)).min(taken_up);
        let name = concat_name("receive", topic);
        let span = Span::new(name, SpanKind::Client, context, Some(parent), appended);
        // What else there is to say, the span of its processing says.
        let step = about.iter().filter(|attribute| attribute.key.as_str() == STEP).cloned();
        Span { attributes: consumer("receive").into_iter().chain(step).collect(), ..span }
    });
    let name = concat_name("process", topic);
    let mut process = Span::new(name, SpanKind::Consumer, context, parent, taken_up);
    process.attributes = consumer("process");
    let partition = record.at.partition.to_string();
    process.attributes.push(KeyValue::new("messaging.destination.partition.id", partition));
    let offset = i64::try_from(record.offset).unwrap_or(i64::MAX);
    process.attributes.push(KeyValue::new("messaging.kafka.offset", offset));
    process.attributes.extend(about);
    (receive, process)
}

/// What every messaging span says. The embedded log has Kafka's shape, and a service cannot tell
/// which one it has.
pub(super) fn messaging(operation: &'static str, topic: &str) -> Vec<KeyValue> {
    vec![
        KeyValue::new("messaging.system", "kafka"),
        KeyValue::new("messaging.operation.name", operation),
        KeyValue::new("messaging.operation.type", operation),
        KeyValue::new("messaging.destination.name", topic.to_owned()),
    ]
}

/// Which step of which order. Keys that name people, as customers' do, are left out.
pub(super) fn about(envelope: &Envelope, event: &Event) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("messaging.message.id", envelope.id.to_string()),
        KeyValue::new(STEP, event.name()),
    ];
    if topics::SAGA.contains(&event.topic()) {
        attributes.push(KeyValue::new("order.id", event.key().to_owned()));
    }
    attributes.extend(compensation(event.name()));
    attributes
}

/// The mark of what undoes something; tail sampling keeps such traces.
pub(super) fn compensation(event: &str) -> Option<KeyValue> {
    COMPENSATIONS.contains(&event).then(|| KeyValue::new("saga.compensation", true))
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
