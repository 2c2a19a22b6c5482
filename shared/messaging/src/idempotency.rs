//! Answers that were given under an `Idempotency-Key`, stored in the request's own transaction.
//! There is no "in progress" row: a key is in the table exactly when its work was committed.

use std::{collections::HashMap, time::Duration};

use kernel::Timestamp;
use sea_orm::{
    ConnectionTrait, DbErr, IntoActiveModel as _, QuerySelect, QueryTrait, entity::prelude::*,
};

use crate::{
    database::{Reads, StoreError},
    sets,
    writes::Writes,
};

/// How long a key is kept.
pub const RETENTION: Duration = Duration::from_secs(24 * 3600);

/// One key that was used up.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    /// The client's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// SHA-256 of method, path and body.
    pub request_hash: String,
    /// The reply, as JSON.
    pub reply: String,
    /// In microseconds since 1970.
    pub created_at: i64,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What makes two requests the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The client's key.
    pub key: String,
    /// SHA-256 of method, path and body, in hexadecimal.
    pub request_hash: String,
}

/// The stored answers of these keys.
///
/// # Errors
/// When the database refuses.
pub async fn load(db: &impl Reads, keys: Vec<&str>) -> Result<HashMap<String, Model>, StoreError> {
    let rows = sets::find::<Entity>(db, Column::Key, keys).await?;
    Ok(rows.into_iter().map(|row| (row.key.clone(), row)).collect())
}

/// Uses keys up; a conflict when another transaction used one of them first.
pub fn save(rows: Vec<Model>, writes: &mut Writes) {
    let rows = rows.into_iter().map(|row| row.into_active_model().reset_all()).collect();
    writes.insert_new::<ActiveModel>(rows);
}

/// Forgets keys that are past their retention, at most `limit` of them.
///
/// # Errors
/// When the database refuses.
pub async fn purge(tx: &impl ConnectionTrait, now: Timestamp, limit: u64) -> Result<u64, DbErr> {
    let before = now.0 - i64::try_from(RETENTION.as_micros()).unwrap_or(i64::MAX);
    let old = Entity::find()
        .select_only()
        .column(Column::Key)
        .filter(Column::CreatedAt.lt(before))
        .limit(limit)
        .into_query();
    let delete = Entity::delete_many().filter(Column::Key.in_subquery(old));
    Ok(delete.exec(tx).await?.rows_affected)
}
