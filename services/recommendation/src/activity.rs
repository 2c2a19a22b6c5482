//! What storefronts report: checked, given their envelopes, and written to the log.
//!
//! Nothing is decided here and no database changes, so there is no outbox: the log itself is asked to keep it (an
//! exception that I3 names), and whoever reported is told when it has.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use events::{
    Codec, CodecError, Envelope, Event, contracts::added_to_cart::AddedToCart,
    contracts::product_viewed::ProductViewed, trace::TraceContext,
};
use kernel::{Clock, CustomerId, SessionId, Sku, Timestamp};
use messaging::{
    log::{EventLog, LogError, Producer},
    record::NewRecord,
};
use platform::FieldError;
use rustc_hash::FxHashSet;
use tokio::sync::{OnceCell, Semaphore};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    choreography::session_key,
    model::{ClickKind, Fingerprint},
    pool::Pool,
};

/// The events of storefronts have this owner.
pub const OWNER: &str = "storefront";
/// Entries in one report.
pub const MAX_ENTRIES: usize = 500;
/// The earliest time that something can have happened: 2000-01-01.
pub const EARLIEST: Timestamp = Timestamp(946_684_800_000_000);
/// How far a storefront's clock may be ahead of ours.
const MAX_AHEAD: Duration = Duration::from_secs(5 * 60);
/// Reports that are written at the same time; more wait.
const WRITTEN_AT_ONCE: usize = 64;
/// How long a report may wait for the log.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// Events that are remembered until the model has learned them, and some time longer.
const REMEMBERED: usize = 100_000;
/// Errors that are told of one report.
const MAX_ERRORS: usize = 20;
/// Names the events whose storefronts do not use UUIDs (RFC 9562, 5.5); any constant will do.
const NAMESPACE: Uuid = Uuid::from_u128(0x5f0c_1b52_9a3e_4c1d_8f57_0d2a_6b94_e713);

/// One thing that a visitor has done.
#[derive(Clone, Debug)]
pub struct Activity {
    /// The storefront's name for it.
    pub event_id: String,
    /// Who.
    pub session_id: SessionId,
    /// Who, if they are known.
    pub customer_id: Option<CustomerId>,
    /// What.
    pub kind: ClickKind,
    /// On which product.
    pub sku: Sku,
    /// When.
    pub occurred_at: Timestamp,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Entries that are new; the log has them.
    pub accepted: usize,
    /// Entries that were reported before.
    pub duplicates: usize,
}

/// Why a report is not written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The log or the registry is out of reach, or too much waits for them.
    #[error("{0}; report it again")]
    Unavailable(String),
    /// Trying again will not help.
    #[error("write a report to the log")]
    Log(#[source] LogError),
    /// Trying again will not help.
    #[error("encode a report")]
    Codec(#[source] CodecError),
}

/// Checks a report as a whole; the errors name the entries by their index.
pub fn check(report: &[Activity], now: Timestamp) -> Vec<FieldError> {
    if report.len() > MAX_ENTRIES {
        let detail = format!("must have at most {MAX_ENTRIES} entries, has {}", report.len());
        return vec![FieldError::new("body", detail)];
    }
    let times = EARLIEST..=now.plus(MAX_AHEAD);
    let wrong = report.iter().enumerate().filter(|(_, entry)| !times.contains(&entry.occurred_at));
    let error = |(index, _)| {
        let detail = format!("must be from {} to {}", times.start(), times.end());
        FieldError::new(format!("[{index}].occurred_at"), detail)
    };
    wrong.map(error).take(MAX_ERRORS).collect()
}

/// Writes reports to the log.
pub struct Recorder {
    log: Arc<dyn EventLog>,
    codec: Arc<Codec>,
    clock: Arc<dyn Clock>,
    producer: OnceCell<Box<dyn Producer>>,
    permits: Semaphore,
    recent: Mutex<Recent>,
}

impl Recorder {
    /// A recorder that writes to `log`.
    pub fn new(log: Arc<dyn EventLog>, codec: Arc<Codec>, clock: Arc<dyn Clock>) -> Self {
        let (producer, recent) = Default::default();
        Self { log, codec, clock, producer, permits: Semaphore::new(WRITTEN_AT_ONCE), recent }
    }

    /// Writes what is new of a report that was checked. When it returns, the log has it.
    ///
    /// # Errors
    /// When it does not: then some of it may be written, and writing it again is safe.
    pub async fn record(
        &self,
        report: Vec<Activity>,
        trace: &TraceContext,
        pool: Option<&Pool>,
    ) -> Result<Receipt, ReportError> {
        let entries = report.len();
        let new = self.new_of(report, pool);
        let marks: Vec<_> = new.iter().map(mark).collect();
        let records = new.into_iter().map(|entry| self.record_of(entry, trace));
        let records = records.collect::<Result<Vec<_>, _>>()?;
        if !records.is_empty() {
            let written = tokio::time::timeout(MAX_WAIT, self.append(records)).await;
            written.unwrap_or_else(|_| {
                Err(ReportError::Unavailable("the event log is too slow".to_owned()))
            })?;
        }
        let accepted = marks.len();
        // Only now: whatever is remembered is in the log.
        marks.into_iter().for_each(|mark| self.lock_recent().remember(mark));
        Ok(Receipt { accepted, duplicates: entries - accepted })
    }

    /// Leaves out what this replica remembers, and repeats within the report.
    fn new_of(&self, mut report: Vec<Activity>, pool: Option<&Pool>) -> Vec<Activity> {
        let keys: Vec<_> = report
            .iter()
            .map(|e| (session_key(e.session_id.as_str()), Fingerprint::of(&e.event_id)))
            .collect();
        let mut learned = pool.map_or_else(Vec::new, |pool| pool.remembered(&keys)).into_iter();
        let recent = self.lock_recent();
        let mut met = FxHashSet::default();
        report.retain(|entry| {
            let is_learned = learned.next().unwrap_or(false);
            !is_learned && !recent.has(mark(entry)) && met.insert(mark(entry))
        });
        report
    }

    fn record_of(&self, entry: Activity, trace: &TraceContext) -> Result<NewRecord, ReportError> {
        let id = self.clock.new_id();
        let session_id = String::from(entry.session_id.clone());
        let (time, ce_id) = (entry.occurred_at, cloud_event_id(&entry));
        let event = event_of(entry);
        let value = self.codec.encode(&event).map_err(|error| match error {
            CodecError::Unavailable(why) => ReportError::Unavailable(why),
            other => ReportError::Codec(other),
        })?;
        let envelope = Envelope {
            id: ce_id,
            service: OWNER.to_owned(),
            kind: event.name().to_owned(),
            time,
            subject: session_id.clone(),
            correlation_id: session_id.clone(),
            causation_id: None,
            trace: Some(trace.child(id)),
        };
        Ok(NewRecord {
            topic: event.topic().name.to_owned(),
            key: session_id.into(),
            value: Some(value),
            headers: envelope.to_headers(),
        })
    }

    async fn append(&self, records: Vec<NewRecord>) -> Result<(), ReportError> {
        let _permit = self.permits.acquire().await;
        let producer = self.producer.get_or_try_init(|| self.log.producer(None)).await;
        let appended = match producer {
            Ok(producer) => producer.append(records).await,
            Err(error) => Err(error),
        };
        appended.map_err(|error| match error {
            error if error.is_transient() => ReportError::Unavailable(error.to_string()),
            other => ReportError::Log(other),
        })
    }

    fn lock_recent(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn event_of(entry: Activity) -> Event {
    let Activity { event_id, session_id, customer_id, kind, sku, occurred_at } = entry;
    let (session_id, sku) = (session_id.into(), sku.into());
    let (customer_id, occurred_at) = (customer_id.map(String::from), occurred_at.0);
    match kind {
        ClickKind::Viewed => {
            ProductViewed { event_id, session_id, customer_id, sku, occurred_at }.into()
        }
        ClickKind::AddedToCart => {
            AddedToCart { event_id, session_id, customer_id, sku, occurred_at }.into()
        }
    }
}

/// The storefront's own id if it is a UUID, or else one made of it, the same each time.
fn cloud_event_id(entry: &Activity) -> Uuid {
    let named =
        || Uuid::new_v5(&NAMESPACE, format!("{}\0{}", entry.session_id, entry.event_id).as_bytes());
    Uuid::parse_str(&entry.event_id).unwrap_or_else(|_| named())
}

/// What an event is remembered by: of 64 bits, so one new event in 10^14 would be taken for a repeat.
fn mark(entry: &Activity) -> u64 {
    xxh3_64(format!("{}\0{}", entry.session_id, entry.event_id).as_bytes())
}

/// The newest events that were written, in two generations: when one is full, the other is forgotten.
#[derive(Default)]
struct Recent {
    newer: FxHashSet<u64>,
    older: FxHashSet<u64>,
}

impl Recent {
    fn has(&self, mark: u64) -> bool {
        self.newer.contains(&mark) || self.older.contains(&mark)
    }

    fn remember(&mut self, mark: u64) {
        if self.newer.len() >= REMEMBERED / 2 {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut recent = Recent::default();
        (0..1_000_000).for_each(|mark| recent.remember(mark));
        assert!(recent.has(999_999) && recent.has(960_000) && !recent.has(1));
        assert!(recent.newer.len() + recent.older.len() <= REMEMBERED);
    }
}
