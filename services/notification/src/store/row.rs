//! The `notifications` table: a row from a notification, and a notification from a row.

use events::trace::TraceContext;
use kernel::Timestamp;
use messaging::{database::StoreError, service::LastEvent};
use sea_orm::entity::prelude::*;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::{
    choreography::word,
    domain::{Notification, Progress, Status},
};

/// One notification. Times are in microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "notifications")]
pub struct Model {
    /// Its id, a UUIDv5.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// What it is about.
    pub subject: String,
    /// The customer it concerns; empty if it concerns none.
    pub customer_id: String,
    /// The order it is about.
    pub order_id: Option<String>,
    /// Who is told.
    pub audience: String,
    /// How.
    pub channel: String,
    /// A mail address (personal data), or an endpoint's id.
    pub address: String,
    /// BCP 47.
    pub language: String,
    /// [`crate::domain::Content`] as JSON. Personal data.
    pub content: String,
    /// A [`Status`].
    pub status: String,
    /// Who sends it: rows of one receiver are claimed together. Null in the log.
    pub receiver: Option<String>,
    /// When it is anybody's to claim: the next try, or the end of the lease. Null when it is done.
    pub due_at: Option<i64>,
    /// The claim of whoever sends it.
    pub lease: Option<String>,
    /// When it was sent or given up.
    pub ended_at: Option<i64>,
    /// The digest that tells it.
    pub digest_id: Option<String>,
    /// How often it was tried.
    pub attempts: i32,
    /// What the last attempt failed of.
    pub last_error: Option<String>,
    /// When it came into being.
    pub created_at: i64,
    /// How often it was changed, claims included.
    pub version: i64,
    /// The version it was changed from: what the row must still have when it is saved.
    pub base_version: i64,
    /// The event that it comes from.
    pub last_event_id: Option<String>,
    /// The trace that sending continues.
    pub traceparent: Option<String>,
    /// Vendors' additions to it.
    pub tracestate: Option<String>,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The row of a notification, changed from `base_version`.
pub fn of(
    notification: &Notification,
    base_version: i64,
    last: Option<&LastEvent>,
) -> Result<Model, StoreError> {
    let corrupt = |_| corrupt(&notification.id.to_string(), "content");
    let (due_at, lease, ended_at, digest_id) = columns(&notification.progress);
    Ok(Model {
        id: notification.id.to_string(),
        subject: notification.subject.clone(),
        customer_id: notification.customer_id.clone(),
        order_id: notification.order_id.map(|id| id.to_string()),
        audience: word(notification.audience),
        channel: word(notification.channel),
        address: notification.address.clone(),
        language: notification.language.clone(),
        content: serde_json::to_string(&notification.content).map_err(corrupt)?,
        status: word(notification.progress.status()),
        receiver: notification.receiver().map(str::to_owned),
        due_at: due_at.map(|at| at.0),
        lease: lease.map(|id| id.to_string()),
        ended_at: ended_at.map(|at| at.0),
        digest_id: digest_id.map(|id| id.to_string()),
        attempts: i32::try_from(notification.attempts).unwrap_or(i32::MAX),
        last_error: notification.last_error.clone(),
        created_at: notification.created_at.0,
        version: base_version + 1,
        base_version,
        last_event_id: last.map(|last| last.id.to_string()),
        traceparent: last.map(|last| last.trace.traceparent()),
        tracestate: last.and_then(|last| last.trace.tracestate().map(str::to_owned)),
    })
}

type Columns = (Option<Timestamp>, Option<Uuid>, Option<Timestamp>, Option<Uuid>);

fn columns(progress: &Progress) -> Columns {
    match *progress {
        Progress::Pending(due) => (Some(due), None, None, None),
        Progress::Sending { lease, until } => (Some(until), Some(lease), None, None),
        Progress::Sent(at) | Progress::Failed(at) => (None, None, Some(at), None),
        Progress::Grouped(digest) => (None, None, None, Some(digest)),
        Progress::Muted => (None, None, None, None),
    }
}

/// The notification of a row.
pub fn notification(row: &Model) -> Result<Notification, StoreError> {
    let bad = |column| corrupt(&row.id, column);
    // serde's own words may quote what is personal.
    let content = serde_json::from_str(&row.content).map_err(|_| bad("content"))?;
    let order_id = row.order_id.as_ref().map(|id| id.parse()).transpose();
    Ok(Notification {
        id: row.id.parse().map_err(|_| bad("id"))?,
        subject: row.subject.clone(),
        customer_id: row.customer_id.clone(),
        order_id: order_id.map_err(|_| bad("order_id"))?,
        audience: from_word(&row.audience).ok_or_else(|| bad("audience"))?,
        channel: from_word(&row.channel).ok_or_else(|| bad("channel"))?,
        address: row.address.clone(),
        language: row.language.clone(),
        content,
        progress: progress(row).ok_or_else(|| bad("status"))?,
        attempts: u32::try_from(row.attempts).unwrap_or(0),
        last_error: row.last_error.clone(),
        created_at: Timestamp(row.created_at),
    })
}

fn progress(row: &Model) -> Option<Progress> {
    let due = row.due_at.map(Timestamp);
    let ended = row.ended_at.map(Timestamp);
    Some(match from_word(&row.status)? {
        Status::Pending => Progress::Pending(due?),
        Status::Sending => {
            Progress::Sending { lease: row.lease.as_ref()?.parse().ok()?, until: due? }
        }
        Status::Sent => Progress::Sent(ended?),
        Status::Failed => Progress::Failed(ended?),
        Status::Grouped => Progress::Grouped(row.digest_id.as_ref()?.parse().ok()?),
        Status::Muted => Progress::Muted,
    })
}

/// The event that a row comes from.
pub fn last_event(row: &Model) -> Result<Option<LastEvent>, StoreError> {
    let (Some(id), Some(parent)) = (&row.last_event_id, &row.traceparent) else { return Ok(None) };
    let trace = TraceContext::parse(parent, row.tracestate.as_deref());
    let (Ok(id), Some(trace)) = (id.parse(), trace) else {
        return Err(corrupt(&row.id, "traceparent"));
    };
    Ok(Some(LastEvent { id, trace }))
}

fn from_word<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}

fn corrupt(id: &str, column: &str) -> StoreError {
    StoreError::Corrupt { table: "notifications", reason: format!("{column} of {id}") }
}
