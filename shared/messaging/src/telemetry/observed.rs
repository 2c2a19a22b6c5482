//! A log that tells what is appended to it: a span and a number for each record that it has
//! acknowledged. The relay sends through it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use events::topics::Topic;
use kernel::{Clock, Timestamp};
use opentelemetry::{KeyValue, trace::SpanKind};

use super::{Span, Tracer, batch, new_span_id};
use crate::{
    log::{Consumer, EventLog, LogError, Producer, Receipt},
    metrics::ServiceMetrics,
    record::{NewRecord, Position},
    service::{Context, Service},
};

/// What an observer needs.
#[derive(Clone)]
struct Observer {
    tracer: Tracer,
    metrics: ServiceMetrics,
    clock: Arc<dyn Clock>,
}

/// An event log whose producers are observed.
pub struct ObservedLog {
    log: Arc<dyn EventLog>,
    observer: Observer,
}

impl ObservedLog {
    /// `log`, as the service of `ctx` appends to it.
    pub fn new<S: Service>(log: Arc<dyn EventLog>, ctx: &Context<S>) -> Self {
        Self { log, observer: Observer::of(ctx) }
    }
}

impl Observer {
    fn of<S: Service>(ctx: &Context<S>) -> Self {
        let (tracer, metrics) = (ctx.tracer.clone(), ctx.metrics.clone());
        Self { tracer, metrics, clock: ctx.clock.clone() }
    }

    /// The spans of sending `records`, which begin when their events happened.
    fn sends(&self, records: &[NewRecord]) -> Vec<Span> {
        if !self.tracer.is_on() {
            return Vec::new();
        }
        records.iter().filter_map(|record| self.send(record)).collect()
    }

    fn send(&self, record: &NewRecord) -> Option<Span> {
        let parent = record.trace().filter(|trace| self.tracer.records(trace))?;
        let start = record.header("ce_time").and_then(Timestamp::parse);
        let start = start.unwrap_or_else(|| self.clock.now());
        let context = parent.with_span(new_span_id());
        let name = format!("send {}", record.topic);
        let mut span = Span::new(name, SpanKind::Client, context, Some(parent), start);
        span.attributes = batch::messaging("send", &record.topic);
        if let Some(step) = record.header("ce_type") {
            span.attributes.push(KeyValue::new(batch::STEP, step.to_owned()));
            span.attributes.extend(batch::compensation(step));
        }
        Some(span)
    }
}

/// A producer whose appends are observed.
pub struct Observed<P> {
    producer: P,
    observer: Observer,
}

impl<P> Observed<P> {
    /// `producer`, as the service of `ctx` uses it.
    pub fn new<S: Service>(producer: P, ctx: &Context<S>) -> Self {
        Self { producer, observer: Observer::of(ctx) }
    }
}

#[async_trait]
impl<P: std::ops::Deref<Target: Producer> + Send + Sync> Producer for Observed<P> {
    async fn append(&self, records: Vec<NewRecord>) -> Result<(), LogError> {
        self.begin(records).await?.await
    }

    async fn begin(&self, records: Vec<NewRecord>) -> Result<Receipt, LogError> {
        let spans = self.observer.sends(&records);
        let produced = self.observer.metrics.produced(&records);
        let receipt = self.producer.begin(records).await?;
        produced.count();
        if !spans.is_empty() {
            let end = self.observer.clock.now();
            spans.into_iter().for_each(|span| self.observer.tracer.end(span, end));
        }
        Ok(receipt)
    }
}

#[async_trait]
impl EventLog for ObservedLog {
    async fn producer(&self, identity: Option<&str>) -> Result<Box<dyn Producer>, LogError> {
        let producer = self.log.producer(identity).await?;
        Ok(Box::new(Observed { producer, observer: self.observer.clone() }))
    }

    async fn ensure_topics(&self, topics: &[&Topic]) -> Result<(), LogError> {
        self.log.ensure_topics(topics).await
    }

    async fn subscribe(
        &self,
        group: &str,
        topics: &[&str],
        patience: Duration,
    ) -> Result<Box<dyn Consumer>, LogError> {
        self.log.subscribe(group, topics, patience).await
    }

    async fn assign(
        &self,
        from: &[Position],
        patience: Duration,
    ) -> Result<Box<dyn Consumer>, LogError> {
        self.log.assign(from, patience).await
    }

    async fn end_positions(&self, topics: &[&str]) -> Result<Vec<Position>, LogError> {
        self.log.end_positions(topics).await
    }

    async fn first_positions(&self, topics: &[&str]) -> Result<Vec<Position>, LogError> {
        self.log.first_positions(topics).await
    }

    async fn positions_at(
        &self,
        topic: &str,
        timestamp_ms: i64,
    ) -> Result<Vec<Position>, LogError> {
        self.log.positions_at(topic, timestamp_ms).await
    }

    async fn committed(&self, group: &str, topics: &[&str]) -> Result<Vec<Position>, LogError> {
        self.log.committed(group, topics).await
    }

    async fn ping(&self) -> Result<(), LogError> {
        self.log.ping().await
    }
}
