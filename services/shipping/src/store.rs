//! Shipments in the database: loaded and saved sets at a time, one statement each.

pub mod entity;
pub mod migration;
mod row;

use std::collections::BTreeMap;

use async_trait::async_trait;
use kernel::{OrderId, ShipmentId};
use messaging::{
    database::StoreError,
    service::{Aggregate, Cause, Store, Voice},
};
use sea_orm::{
    DatabaseTransaction, ExprTrait, IntoActiveModel, Iterable, QueryOrder, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::{Alias, Expr, OnConflict},
};

use self::entity::{Column, Entity, Model, Stage};
use crate::domain::{Command, Rules, State, Status};

/// Rows in one statement: 20 parameters each, and SQLite takes 32,766. A transaction works on a few
/// hundred, so it needs one statement.
const ROWS_PER_STATEMENT: usize = 1_500;

/// The shipments of one transaction, by their orders. Sorted: two transactions that save the same
/// rows lock them in the same sequence.
#[derive(Default)]
pub struct Shipments(BTreeMap<String, Aggregate<State>>);

#[async_trait]
impl Store for Shipments {
    type Rules = Rules;

    async fn load(tx: &DatabaseTransaction, commands: &[&Command]) -> Result<Self, StoreError> {
        if commands.is_empty() {
            return Ok(Self::default());
        }
        let ids = commands.iter().map(|command| command.order_id.to_string());
        let rows = Entity::find().filter(Column::OrderId.is_in(ids)).all(tx).await?;
        let keyed = rows.into_iter().map(|row| Ok((row.order_id.clone(), row::aggregate(row)?)));
        keyed.collect::<Result<_, _>>().map(Self)
    }

    fn take(&mut self, command: &Command) -> Aggregate<State> {
        let id = command.order_id.to_string();
        self.0.remove(&id).unwrap_or_else(|| Aggregate { id, ..Aggregate::default() })
    }

    fn put(&mut self, aggregate: Aggregate<State>, _: &Cause) {
        self.0.insert(aggregate.id.clone(), aggregate);
    }

    async fn save(self, tx: &DatabaseTransaction, _: &mut Voice<'_>) -> Result<(), StoreError> {
        let changed = self.0.values().filter(|aggregate| aggregate.is_changed());
        let rows = changed.map(row::of).collect::<Result<Vec<_>, _>>()?;
        for rows in rows.chunks(ROWS_PER_STATEMENT) {
            save_rows(tx, rows).await?;
        }
        Ok(())
    }
}

/// Inserts and updates in one statement; a row that another transaction changed first is left
/// alone and missed in the count.
async fn save_rows(tx: &DatabaseTransaction, rows: &[Model]) -> Result<(), StoreError> {
    let unchanged = Expr::col((Entity, Column::Version))
        .eq(Expr::col((Alias::new("excluded"), Column::BaseVersion)));
    let others = Column::iter().filter(|column| !matches!(column, Column::OrderId));
    let replace = OnConflict::column(Column::OrderId)
        .update_columns(others)
        .action_and_where(unchanged)
        .to_owned();
    let new = rows.iter().map(|row| row.clone().into_active_model().reset_all());
    let insert = Entity::insert_many(new).on_conflict(replace).into_query();
    let saved = tx.execute(&insert).await?.rows_affected();
    if saved == rows.len() as u64 { Ok(()) } else { Err(StoreError::Conflict("shipments")) }
}

/// The shipment with this id.
///
/// # Errors
/// When the database refuses.
pub async fn find(db: &impl ConnectionTrait, id: ShipmentId) -> Result<Option<State>, StoreError> {
    let row = Entity::find().filter(Column::ShipmentId.eq(id.to_string())).one(db).await?;
    row.as_ref().map(row::state).transpose()
}

/// Which shipments are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only the one of this order.
    pub order_id: Option<OrderId>,
    /// Only those in this status.
    pub status: Option<Status>,
    /// Only those older than this one.
    pub before: Option<ShipmentId>,
}

/// Shipments, newest first, at most `limit`. Their ids are UUIDv7, so later ones sort behind
/// earlier ones. Orders without a shipment have no id, and are in no list.
///
/// # Errors
/// When the database refuses.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: Filter,
    limit: u64,
) -> Result<Vec<State>, StoreError> {
    let Filter { order_id, status, before } = filter;
    let rows = Entity::find()
        .filter(Column::ShipmentId.is_not_null())
        .apply_if(order_id, |query, id| query.filter(Column::OrderId.eq(id.to_string())))
        .apply_if(status, |query, status| query.filter(Column::Stage.eq(Stage::from(status))))
        .apply_if(before, |query, id| query.filter(Column::ShipmentId.lt(id.to_string())))
        .order_by_desc(Column::ShipmentId)
        .limit(limit)
        .all(db)
        .await?;
    rows.iter().map(row::state).collect()
}

#[cfg(test)]
mod tests;
