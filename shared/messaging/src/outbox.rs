//! Events on their way from a transaction to the log. The columns are those of Debezium's outbox
//! event router, so that change data capture can take the relay's place: the topic is `shop.` +
//! `aggregatetype`, the key is `aggregateid`, `headers` holds the CloudEvents and trace headers.

use std::{borrow::Cow, ops::RangeInclusive};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use bytes::Bytes;
use bytestring::ByteString;
use events::topics::PREFIX;
use kernel::Timestamp;
use sea_orm::{
    Condition, ConnectionTrait, DbErr, QueryOrder, QuerySelect, Set, entity::prelude::*,
};
use serde::{Deserialize, Serialize};

use crate::{
    database::{Reads, StoreError},
    record::{Headers, NewRecord},
    writes::Writes,
};

/// One event that the log does not have yet.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    /// Assigned while the aggregate's row is locked; the order in which the relay sends.
    #[sea_orm(primary_key)]
    pub position: i64,
    /// The event's id.
    pub id: String,
    /// The topic without its prefix.
    pub aggregatetype: String,
    /// The record's key.
    pub aggregateid: String,
    /// The event's name.
    #[sea_orm(column_name = "type")]
    pub r#type: String,
    /// The record's value.
    pub payload: Option<Vec<u8>>,
    /// All headers, as JSON.
    pub headers: String,
    /// In microseconds since 1970.
    pub created_at: i64,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A record that is to leave with the transaction.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The event's id.
    pub id: String,
    /// The event's name.
    pub kind: String,
    /// What the log will get.
    pub record: NewRecord,
}

/// Appends `outgoing` in its order. The positions of one aggregate grow in the order of its commits: its
/// row is locked, or has the version that it was loaded with, which was committed before.
pub fn append(outgoing: Vec<Outgoing>, now: Timestamp, writes: &mut Writes) {
    let row = |Outgoing { id, kind, record }| ActiveModel {
        id: Set(id),
        aggregatetype: Set(record.topic.strip_prefix(PREFIX).unwrap_or(&record.topic).to_owned()),
        aggregateid: Set(String::from_utf8_lossy(&record.key).replace('\0', "\u{fffd}")),
        r#type: Set(kind),
        payload: Set(record.value.map(Vec::from)),
        headers: Set(headers_to_json(&record.headers)),
        created_at: Set(now.0),
        ..Default::default()
    };
    writes.insert(outgoing.into_iter().map(row).collect(), None);
}

/// The rows that remain, except those at the positions `sent`, in their order, at most `limit`.
/// Never "those after the last": a lower position may commit later.
///
/// # Errors
/// When the database refuses.
pub async fn remaining(
    db: &impl Reads,
    sent: &[i64],
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let mut rows = Entity::find();
    if !sent.is_empty() {
        rows = rows.filter(among(sent).not());
    }
    db.all(rows.order_by_asc(Column::Position).limit(limit)).await
}

/// Whether a row is at one of these positions. What is sent together mostly is one run, or few:
/// shorter to say than thousands of positions.
fn among(positions: &[i64]) -> Condition {
    /// SQLite has a limit for the depth of an expression.
    const RUNS_LIMIT: usize = 100;
    let runs = runs(positions);
    if runs.len() > RUNS_LIMIT {
        return Condition::any().add(Column::Position.is_in(positions.iter().copied()));
    }
    let between = |run: RangeInclusive<i64>| Column::Position.between(*run.start(), *run.end());
    runs.into_iter().map(between).fold(Condition::any(), Condition::add)
}

fn runs(positions: &[i64]) -> Vec<RangeInclusive<i64>> {
    let mut positions = positions.to_vec();
    positions.sort_unstable();
    positions.chunk_by(|a, b| a + 1 == *b).map(|run| run[0]..=run[run.len() - 1]).collect()
}

/// Forgets rows that the log has acknowledged.
pub fn remove(positions: Vec<i64>, writes: &mut Writes) {
    writes.delete(Column::Position, positions);
}

/// How many rows wait, counted up to `limit`.
///
/// # Errors
/// When the database refuses.
pub async fn depth(db: &impl ConnectionTrait, limit: u64) -> Result<u64, DbErr> {
    Entity::find().limit(limit).count(db).await
}

/// When the oldest row was written.
///
/// # Errors
/// When the database refuses.
pub async fn oldest(db: &impl ConnectionTrait) -> Result<Option<Timestamp>, DbErr> {
    let row = Entity::find().order_by_asc(Column::Position).one(db).await?;
    Ok(row.map(|row| Timestamp(row.created_at)))
}

impl From<Model> for NewRecord {
    fn from(row: Model) -> Self {
        Self {
            topic: format!("{PREFIX}{}", row.aggregatetype),
            key: Bytes::from(row.aggregateid),
            value: row.payload.map(Bytes::from),
            headers: headers_from_json(row.headers),
        }
    }
}

/// A header in JSON.
#[derive(Serialize, Deserialize)]
struct Header<'a>(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] HeaderValue<'a>);

/// Text as it is, other bytes in base 64.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum HeaderValue<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Bytes { base64: String },
}

fn headers_to_json(headers: &Headers) -> String {
    let value = |bytes| match std::str::from_utf8(bytes) {
        Ok(text) => HeaderValue::Text(text.into()),
        Err(_) => HeaderValue::Bytes { base64: BASE64.encode(bytes) },
    };
    let headers: Vec<_> =
        headers.iter().map(|(name, bytes)| Header((**name).into(), value(bytes))).collect();
    serde_json::to_string(&headers).unwrap_or_default()
}

/// Headers that this code wrote; any that cannot be read are left out. They are parts of `json`, but for what is escaped in it.
fn headers_from_json(json: String) -> Headers {
    let json = ByteString::from(json);
    let headers: Vec<Header<'_>> = serde_json::from_str(&json).unwrap_or_default();
    let part = |text| match text {
        Cow::Borrowed(part) => json.slice_ref(part),
        Cow::Owned(text) => text.into(),
    };
    let header = |Header(name, value)| {
        let bytes = match value {
            HeaderValue::Text(text) => part(text).into_bytes(),
            HeaderValue::Bytes { base64 } => BASE64.decode(base64).ok()?.into(),
        };
        Some((part(name), bytes))
    };
    headers.into_iter().filter_map(header).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_what_was_given() {
        assert_eq!(runs(&[]), []);
        assert_eq!(runs(&[7, 3, 4, 9, 5]), [3..=5, 7..=7, 9..=9]);
    }

    #[test]
    fn headers_survive_the_outbox_whole() {
        let headers = vec![
            ("ce_id".into(), Bytes::from_static(b"1")),
            ("twice".into(), Bytes::from_static(b"a")),
            ("twice".into(), Bytes::from_static(b"\xff\0")),
            ("to be \"escaped\"".into(), Bytes::from_static(b"\\ \n")),
        ];
        assert_eq!(headers_from_json(headers_to_json(&headers)), headers);
    }
}
