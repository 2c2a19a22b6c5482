//! The log's part of all sagas: every service appends what it says, a batch at a time, and every
//! consumer group reads its topics to the end.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use events::{Envelope, trace::TraceContext};
use kernel::Timestamp;
use messaging::{
    log::{AT_ONCE, Consumer, EventLog, LogEvent, Producer},
    record::{NewRecord, Position, Record},
};
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    sagas::{Pair, Sagas, noise},
    table::{Event, Service},
};

/// The longest wait for a consumer's next event.
const PATIENCE: Duration = Duration::from_secs(60);
/// Values of an event that differ: more than a compressor remembers.
const VARIANTS: u64 = 512;

/// Appends what the service says in all sagas, step by step.
///
/// # Errors
/// When the log does not take it.
pub async fn produce(
    producer: Box<dyn Producer>,
    service: &'static Service,
    sagas: Sagas,
) -> Result<()> {
    let templates: Vec<_> = service.says().map(|event| Template::of(event, service)).collect();
    for batch in sagas.batches() {
        let mut templates = templates.iter();
        for step in service.steps.iter().filter(|step| !step.says.is_empty()) {
            let mut records = Vec::new();
            for (event, template) in step.says.iter().zip(&mut templates) {
                let pairs = sagas.of_event(batch.clone(), event);
                records.extend(pairs.zip(batch.start..).map(|(pair, i)| template.record(pair, i)));
            }
            producer.append(records).await.with_context(|| format!("{} appends", service.name))?;
        }
    }
    Ok(())
}

/// An event's record but for what differs from saga to saga.
struct Template {
    record: NewRecord,
    values: Vec<Vec<u8>>,
}

impl Template {
    fn of(event: &Event, service: &Service) -> Self {
        let some_id = Uuid::from_u64_pair(noise(1), noise(2));
        let envelope = Envelope {
            id: some_id,
            service: service.name.to_owned(),
            kind: event.name.to_owned(),
            time: Timestamp(1_795_284_063_381_722),
            subject: String::new(),
            correlation_id: String::new(),
            causation_id: Some(some_id),
            trace: Some(TraceContext::root(some_id)),
        };
        let record = NewRecord {
            topic: event.topic.name.to_owned(),
            key: Vec::new().into(),
            value: None,
            headers: envelope.to_headers(),
        };
        let number = u64::from(event.number) * VARIANTS;
        let values = (0..VARIANTS).map(|variant| value(event.value_bytes, number + variant));
        Self { record, values: values.collect() }
    }

    fn record(&self, (id, key): Pair, number: u64) -> NewRecord {
        let mut record = self.record.clone();
        record.key = key.into();
        for (name, value) in &mut record.headers {
            match &**name {
                "ce_id" => *value = id.clone().into(),
                "ce_subject" | "ce_correlationid" => *value = record.key.clone(),
                _ => {}
            }
        }
        let variant = usize::try_from(number % VARIANTS).unwrap_or(0);
        record.value = self.values.get(variant).cloned().map(Into::into);
        record
    }
}

/// A value, half of which looks random, as ids and numbers do to a compressor; the rest is the same
/// in all.
fn value(bytes: usize, seed: u64) -> Vec<u8> {
    let random = (0..).flat_map(|i| noise(seed << 8 | i).to_le_bytes());
    random.take(bytes / 2).chain(std::iter::repeat(b'x')).take(bytes).collect()
}

/// Joins the service's group and waits until it has all partitions.
///
/// # Errors
/// When the log is out of reach.
pub async fn join(log: &dyn EventLog, service: &Service) -> Result<Box<dyn Consumer>> {
    let topics: Vec<_> = service.reads.iter().map(|topic| topic.name).collect();
    let mut consumer = log.subscribe(service.name, &topics, AT_ONCE).await?;
    let all: u32 = service.reads.iter().map(|topic| topic.partitions).sum();
    let mut assigned = 0;
    while assigned < all as usize {
        match next(&mut *consumer, service).await? {
            LogEvent::Assigned(partitions) => assigned += partitions.len(),
            LogEvent::Revoked(partitions, revocation) => {
                assigned = assigned.saturating_sub(partitions.len());
                revocation.done();
            }
            LogEvent::Records(..) => bail!("{} is told of records too early", service.name),
            LogEvent::Error(_) => {}
        }
    }
    Ok(consumer)
}

/// Reads all sagas' records of the service's topics.
///
/// # Errors
/// When they do not come.
pub async fn consume(
    mut consumer: Box<dyn Consumer>,
    service: &'static Service,
    sagas: Sagas,
) -> Result<()> {
    let mut left = sagas.count * service.reads_per_saga();
    while left > 0 {
        if let LogEvent::Records(_, records) = next(&mut *consumer, service).await? {
            let read = records.len() as u64;
            left = left.checked_sub(read).context("there are more records than were appended")?;
            // Without a database, positions are kept elsewhere.
            if let Some(last) = records.last().filter(|_| !service.steps.is_empty()) {
                consumer.store(after(last));
            }
        }
    }
    Ok(())
}

fn after(last: &Record) -> Position {
    Position { at: last.at.clone(), offset: last.offset + 1 }
}

/// What happens next. A passing error is shown, and outlived.
async fn next(consumer: &mut dyn Consumer, service: &Service) -> Result<LogEvent> {
    let event = timeout(PATIENCE, consumer.next()).await;
    let event = event.with_context(|| format!("nothing comes for {}", service.name))?;
    if let LogEvent::Error(error) = &event {
        if !error.is_transient() {
            bail!("{} reads: {error}", service.name);
        }
        eprintln!("{}: {error}", service.name);
    }
    Ok(event)
}
