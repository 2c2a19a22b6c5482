//! Shipments in the database: loaded and saved sets at a time, one statement each.

pub mod entity;
pub mod migration;
mod row;

use std::collections::BTreeMap;

use async_trait::async_trait;
use kernel::{OrderId, ShipmentId};
use messaging::{
    database::{Reading, StoreError},
    service::{Aggregate, Cause, Store, Voice},
    sets,
    writes::{Versions, Writes},
};
use sea_orm::{
    IntoActiveModel, Order::Desc, QueryOrder, QuerySelect, QueryTrait, entity::prelude::*,
};

use self::entity::{ActiveModel, Column, Entity, Stage};
use crate::domain::{Command, Rules, State, Status};

const VERSIONS: Versions<'_, Column> =
    Versions { keys: &[Column::OrderId], version: Column::Version, base: Column::BaseVersion };

/// The shipments of one transaction, by their orders. Sorted: two transactions that save the same
/// rows lock them in the same sequence.
#[derive(Default)]
pub struct Shipments(BTreeMap<String, Aggregate<State>>);

#[async_trait]
impl Store for Shipments {
    type Rules = Rules;

    async fn load(reads: &Reading<'_>, commands: &[&Command]) -> Result<Self, StoreError> {
        let ids = commands.iter().map(|command| command.order_id.to_string()).collect();
        let rows = sets::find::<Entity>(reads, Column::OrderId, ids).await?;
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

    fn save(self, writes: &mut Writes, _: &mut Voice<'_>) -> Result<(), StoreError> {
        let changed = self.0.values().filter(|aggregate| aggregate.is_changed());
        let rows = changed.map(row::of).collect::<Result<Vec<_>, _>>()?;
        let rows = rows.into_iter().map(|row| row.into_active_model().reset_all()).collect();
        writes.replace_unchanged::<ActiveModel>(rows, &VERSIONS);
        Ok(())
    }
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
        .apply_if(status, |all, status| sets::only(all, Column::Stage, Stage::from(status), Desc))
        .apply_if(before, |query, id| query.filter(Column::ShipmentId.lt(id.to_string())))
        .order_by_desc(Column::ShipmentId)
        .limit(limit)
        .all(db)
        .await?;
    rows.iter().map(row::state).collect()
}

#[cfg(test)]
mod tests;
