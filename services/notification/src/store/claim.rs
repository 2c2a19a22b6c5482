//! Claims: a sender takes rows under a lease, in a transaction of its own. Senders of several
//! replicas share the work: PostgreSQL skips rows that another is just taking; on SQLite there is one
//! sender, which has the turn to write meanwhile.

use kernel::Timestamp;
use messaging::{
    database::{Database, StoreError},
    writes::Writes,
};
use sea_orm::{
    QueryOrder, QuerySelect,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait, LockBehavior, LockType},
};
use uuid::Uuid;

use super::row::{Column, Entity, Model};
use crate::{choreography::word, domain::Status};

/// The receivers for whom something is due at `now`, at most `limit`.
///
/// # Errors
/// When the database refuses.
pub async fn receivers_due(
    db: &impl ConnectionTrait,
    now: Timestamp,
    limit: u64,
) -> Result<Vec<String>, DbErr> {
    let due = Entity::find().select_only().column(Column::Receiver).distinct();
    let due = due.filter(Column::DueAt.lte(now.0)).filter(Column::Receiver.is_not_null());
    due.limit(limit).into_tuple().all(db).await
}

/// When something is due next after `now`.
///
/// # Errors
/// When the database refuses.
pub async fn next_due(
    db: &impl ConnectionTrait,
    now: Timestamp,
) -> Result<Option<Timestamp>, DbErr> {
    let due = Entity::find().select_only().column(Column::DueAt);
    let due = due.filter(Column::DueAt.gt(now.0)).order_by_asc(Column::DueAt).limit(1);
    let next: Option<i64> = due.into_tuple().one(db).await?;
    Ok(next.map(Timestamp))
}

/// Takes what is due for `receiver`, longest due first, at most `limit`: it is this lease's until
/// then, and anybody's afterwards. The rows are as they are from now on.
///
/// # Errors
/// When the database refuses; nothing is taken then.
pub async fn claim(
    database: &Database,
    receiver: &str,
    (now, until): (Timestamp, Timestamp),
    lease: Uuid,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let tx = database.begin().await?;
    let mut due = Entity::find()
        .filter(Column::Receiver.eq(receiver))
        .filter(Column::DueAt.lte(now.0))
        .order_by_asc(Column::DueAt)
        .limit(limit);
    QuerySelect::query(&mut due)
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked);
    let mut rows = due.all(&tx.connection()).await?;
    let ids = rows.iter().map(|row| row.id.as_str());
    Entity::update_many()
        .col_expr(Column::Status, Expr::value(word(Status::Sending)))
        .col_expr(Column::DueAt, Expr::value(until.0))
        .col_expr(Column::Lease, Expr::value(lease.to_string()))
        .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::Id.is_in(ids))
        .exec(&tx.connection())
        .await?;
    tx.commit(Writes::default()).await?;
    for row in &mut rows {
        row.status = word(Status::Sending);
        row.due_at = Some(until.0);
        row.lease = Some(lease.to_string());
        row.attempts += 1;
        row.version += 1;
    }
    Ok(rows)
}
