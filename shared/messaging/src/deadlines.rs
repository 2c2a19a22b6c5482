//! Time-outs as rows: set in the transaction that starts the wait, so they survive a restart.

use kernel::Timestamp;
use sea_orm::{QueryOrder, QuerySelect, Set, entity::prelude::*, sea_query::OnConflict};

use crate::{
    database::{Reads, StoreError},
    writes::Writes,
};

/// When something is to happen to an aggregate that is still waiting.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "deadlines")]
pub struct Model {
    /// The aggregate; it waits for one thing at a time.
    #[sea_orm(primary_key, auto_increment = false)]
    pub aggregate_id: String,
    /// In microseconds since 1970.
    pub due_at: i64,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Sets, moves or (with `None`) clears the deadlines of aggregates.
pub fn change(changes: Vec<(String, Option<Timestamp>)>, writes: &mut Writes) {
    let (mut set, mut cleared) = (Vec::new(), Vec::new());
    for (aggregate_id, due) in changes {
        match due {
            Some(due) => {
                set.push(ActiveModel { aggregate_id: Set(aggregate_id), due_at: Set(due.0) });
            }
            None => cleared.push(aggregate_id),
        }
    }
    let replace = OnConflict::column(Column::AggregateId).update_column(Column::DueAt).to_owned();
    writes.insert(set, Some(replace));
    writes.delete(Column::AggregateId, cleared);
}

/// The aggregates whose deadline has come, earliest first, at most `limit`.
///
/// # Errors
/// When the database refuses.
pub async fn due(db: &impl Reads, now: Timestamp, limit: u64) -> Result<Vec<Model>, StoreError> {
    let due = Entity::find().filter(Column::DueAt.lte(now.0));
    db.all(due.order_by_asc(Column::DueAt).limit(limit)).await
}

/// When the next deadline comes, if one is set.
///
/// # Errors
/// When the database refuses.
pub async fn next(db: &impl Reads) -> Result<Option<Timestamp>, StoreError> {
    let earliest = db.all(Entity::find().order_by_asc(Column::DueAt).limit(1)).await?;
    Ok(earliest.first().map(|row| Timestamp(row.due_at)))
}
