//! Which events were heard already. An optimisation: `decide` makes every repeat a no-op itself.

use std::{collections::HashSet, time::Duration};

use kernel::Timestamp;
use sea_orm::{
    ConnectionTrait, DbErr, QuerySelect, QueryTrait, Set, entity::prelude::*,
    sea_query::ExprTrait as _,
};

use crate::{
    database::{Reads, StoreError},
    sets,
    writes::Writes,
};

/// Longer than any event topic keeps its records, so that a mark outlives every redelivery.
pub const RETENTION: Duration = Duration::from_secs(8 * 24 * 3600);

const KEY: [Column; 2] = [Column::Consumer, Column::EventId];

/// One event that one consumer has heard.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "inbox")]
pub struct Model {
    /// The service.
    #[sea_orm(primary_key, auto_increment = false)]
    pub consumer: String,
    /// The event's id; for a record that went to the dead letters, its place in the log instead,
    /// so that the event itself can be redriven.
    #[sea_orm(primary_key, auto_increment = false)]
    pub event_id: String,
    /// In microseconds since 1970.
    pub received_at: i64,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Which of `ids` are marked as heard by `consumer`.
///
/// # Errors
/// When the database refuses.
pub async fn heard(
    db: &impl Reads,
    consumer: &str,
    ids: Vec<String>,
) -> Result<HashSet<String>, StoreError> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let marks = Entity::find().filter(Column::Consumer.eq(consumer)).filter(sets::among(
        db.backend(),
        Column::EventId,
        ids,
    ));
    Ok(db.all(marks).await?.into_iter().map(|mark| mark.event_id).collect())
}

/// Marks `ids` as heard by `consumer`; a conflict when one of them is already.
pub fn mark(
    consumer: &str,
    ids: impl IntoIterator<Item = String>,
    now: Timestamp,
    writes: &mut Writes,
) {
    let row = |event_id| ActiveModel {
        consumer: Set(consumer.to_owned()),
        event_id: Set(event_id),
        received_at: Set(now.0),
    };
    writes.insert_new(ids.into_iter().map(row).collect());
}

/// Forgets the oldest marks that are past their retention, at most `limit` of them.
///
/// Returns how many were forgotten.
///
/// # Errors
/// When the database refuses.
pub async fn purge(tx: &impl ConnectionTrait, now: Timestamp, limit: u64) -> Result<u64, DbErr> {
    let before = now.0 - i64::try_from(RETENTION.as_micros()).unwrap_or(i64::MAX);
    let old = Entity::find()
        .select_only()
        .columns(KEY)
        .filter(Column::ReceivedAt.lt(before))
        .limit(limit)
        .into_query();
    // By the whole key: by a part of it, each would be looked for in all the rest.
    let key = Expr::tuple(KEY.map(|column| column.into_expr()));
    let delete = Entity::delete_many().filter(key.in_subquery(old));
    Ok(delete.exec(tx).await?.rows_affected)
}
