//! Records that can never be handled: kept whole with the reason, and sent again on request.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use bytestring::ByteString;
use events::topics::{self, PREFIX};
use kernel::Timestamp;
use serde::Serialize;

use crate::{
    log::{AT_ONCE, EventLog, LogError, LogEvent},
    outbox::Outgoing,
    record::{Headers, NewRecord, Position, Record},
};

/// After this without another record, there is none.
const SILENCE: Duration = Duration::from_secs(1);

const REASON: &str = "dead_letter_reason";
const ATTEMPTS: &str = "dead_letter_attempts";
const TOPIC: &str = "dead_letter_topic";
const PARTITION: &str = "dead_letter_partition";
const OFFSET: &str = "dead_letter_offset";
const TIME: &str = "dead_letter_time";
/// The original key where the outbox's text column cannot hold it: absent, or no such text.
const KEY: &str = "dead_letter_key";
const NO_KEY: &str = "dead_letter_no_key";
const PREFIX_OF_OURS: &str = "dead_letter_";

/// Where the record of a dead letter stands.
pub fn place(record: &Record) -> String {
    format!("{}@{}", record.at, record.offset)
}

/// What the inbox knows a dead letter by: where its record stands, and since when, because after a crash another may
/// stand there (decision 11). Not the event's id, which has to stay unheard so that the event can be redriven.
pub fn mark(record: &Record) -> String {
    format!("{} since {}", place(record), record.timestamp_ms)
}

/// The dead letter of `record`, as it leaves through the outbox: key, value and headers as they
/// were, and beside them the reason, how often it was tried, where it stood and when it was given up.
pub fn outgoing(service: &str, record: &Record, reason: &str, now: Timestamp) -> Outgoing {
    let text = |name, value: String| (ByteString::from_static(name), Bytes::from(value));
    let before: u32 = record.header(ATTEMPTS).and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut headers = without_ours(&record.headers);
    headers.push(text(REASON, reason.to_owned()));
    headers.push(text(ATTEMPTS, (before + 1).to_string()));
    headers.push(text(TOPIC, record.at.topic.to_string()));
    headers.push(text(PARTITION, record.at.partition.to_string()));
    headers.push(text(OFFSET, record.offset.to_string()));
    headers.push(text(TIME, now.to_string()));
    match &record.key {
        None => headers.push(text(NO_KEY, "true".to_owned())),
        Some(key) if !is_storable(key) => headers.push((KEY.into(), key.clone())),
        Some(_) => {}
    }
    Outgoing {
        id: place(record),
        kind: record.header("ce_type").unwrap_or("unknown").replace('\0', "\u{fffd}"),
        record: NewRecord {
            topic: format!("{PREFIX}{service}.dead-letters"),
            key: record.key.clone().unwrap_or_default(),
            value: record.value.clone(),
            headers,
        },
    }
}

/// Whether a text column can hold it: PostgreSQL's cannot hold NUL.
fn is_storable(key: &Bytes) -> bool {
    std::str::from_utf8(key).is_ok_and(|key| !key.contains('\0'))
}

fn without_ours(headers: &Headers) -> Headers {
    headers.iter().filter(|(name, _)| !name.starts_with(PREFIX_OF_OURS)).cloned().collect()
}

/// A dead letter, for an operator.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLetter {
    /// Its number in the dead-letter topic; what `show` and `redrive` are given.
    pub id: u64,
    /// The event's id, if its header could be read.
    pub event_id: Option<String>,
    /// The event's name, if its header could be read.
    pub r#type: Option<String>,
    /// Why it could not be handled.
    pub reason: String,
    /// How often it was given up, redrives included.
    pub attempts: u32,
    /// Where the record stood.
    pub topic: String,
    /// Where the record stood.
    pub partition: u32,
    /// Where the record stood.
    pub offset: u64,
    /// When it was given up, RFC 3339.
    pub failed_at: String,
    /// The original key, as far as it is text.
    pub key: Option<String>,
    /// The original headers, as far as they are text.
    pub headers: Vec<(String, String)>,
    /// The original value in base 64.
    pub value: Option<String>,
}

impl From<&Record> for DeadLetter {
    fn from(record: &Record) -> Self {
        let text = |name| record.header(name).unwrap_or_default().to_owned();
        let number = |name| record.header(name).and_then(|n| n.parse().ok()).unwrap_or_default();
        let lossy = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let headers = without_ours(&record.headers);
        Self {
            id: record.offset,
            event_id: record.header("ce_id").map(str::to_owned),
            r#type: record.header("ce_type").map(str::to_owned),
            reason: text(REASON),
            attempts: u32::try_from(number(ATTEMPTS)).unwrap_or(u32::MAX),
            topic: text(TOPIC),
            partition: u32::try_from(number(PARTITION)).unwrap_or(u32::MAX),
            offset: number(OFFSET),
            failed_at: text(TIME),
            key: original_key(record).as_ref().map(lossy),
            headers: headers.iter().map(|(name, value)| (name.to_string(), lossy(value))).collect(),
            value: record.value.as_ref().map(|value| BASE64.encode(value)),
        }
    }
}

fn original_key(record: &Record) -> Option<Bytes> {
    if record.header(NO_KEY).is_some() {
        return None;
    }
    let kept = record.headers.iter().find(|(name, _)| name == KEY).map(|(_, key)| key.clone());
    kept.or_else(|| record.key.clone())
}

/// The record as it was before it was given up, for its old topic. It keeps the count of attempts,
/// so that a second failure is seen as one.
pub fn original(record: &Record) -> Option<NewRecord> {
    let mut headers = without_ours(&record.headers);
    headers.extend(record.headers.iter().find(|(name, _)| name == ATTEMPTS).cloned());
    Some(NewRecord {
        topic: record.header(TOPIC)?.to_owned(),
        key: original_key(record).unwrap_or_default(),
        value: record.value.clone(),
        headers,
    })
}

/// The dead letters of one service, as its operations see them.
pub struct DeadLetters {
    log: Arc<dyn EventLog>,
    topic: &'static str,
}

impl DeadLetters {
    /// The dead letters of `service`; `None` when no such service is in the table of topics.
    pub fn of(service: &str, log: Arc<dyn EventLog>) -> Option<Self> {
        Some(Self { log, topic: topics::dead_letters(service)?.name })
    }

    /// The dead letters from `first` on, oldest first, at most `limit`.
    ///
    /// # Errors
    /// When the log is out of reach.
    pub async fn list(&self, first: u64, limit: usize) -> Result<Vec<Record>, LogError> {
        let mut found = Vec::new();
        let ends = self.log.end_positions(&[self.topic]).await?;
        let starts = self.log.first_positions(&[self.topic]).await?;
        // The topic has one partition, so that a dead letter is named by one number.
        let (Some(end), Some(start)) = (ends.first(), starts.into_iter().next()) else {
            return Ok(found);
        };
        let from = Position { offset: start.offset.max(first), ..start };
        if from.offset >= end.offset {
            return Ok(found);
        }
        let mut consumer = self.log.assign(&[from], AT_ONCE).await?;
        loop {
            // Kafka's end may lie behind a transaction's marker, which is no record.
            let Ok(event) = tokio::time::timeout(SILENCE, consumer.next()).await else {
                return Ok(found);
            };
            match event {
                LogEvent::Records(_, records) => {
                    let last = records.last().map_or(0, |record| record.offset);
                    found.extend(records);
                    if found.len() >= limit || last + 1 >= end.offset {
                        found.truncate(limit);
                        return Ok(found);
                    }
                }
                LogEvent::Error(error) => return Err(error),
                LogEvent::Assigned(_) | LogEvent::Revoked(..) => {}
            }
        }
    }

    /// The dead letter with this id.
    ///
    /// # Errors
    /// When the log is out of reach.
    pub async fn find(&self, id: u64) -> Result<Option<Record>, LogError> {
        let found = self.list(id, 1).await?;
        Ok(found.into_iter().find(|record| record.offset == id))
    }

    /// Sends a dead letter to its old topic again. It stays in the dead-letter topic, as history.
    ///
    /// # Errors
    /// When the log is out of reach.
    pub async fn redrive(&self, record: &Record) -> Result<(), LogError> {
        let Some(original) = original(record) else {
            return Err(LogError::Refused(
                "the dead letter does not say where it came from".into(),
            ));
        };
        self.log.producer(None).await?.append(vec![original]).await
    }
}
