//! Orders in the database: loaded and saved sets at a time, one statement a table.

pub mod entity;
pub mod lookup;
pub mod migration;
pub mod products;
pub mod retention;
pub mod timeline;

use std::collections::BTreeMap;

use async_trait::async_trait;
use events::trace::TraceContext;
use kernel::{Decider, OrderId, Sku};
use messaging::{
    database::{Reading, StoreError},
    metrics::InFlight,
    service::{Aggregate, Cause, LastEvent, Store, Voice},
    sets,
    writes::{Versions, Writes},
};
use sea_orm::{EntityTrait, Order::Asc, QueryOrder, Set, entity::prelude::*};
use uuid::Uuid;

use crate::domain::{Command, Order, Product, Rules, State, Status};

/// The orders of one transaction, and the products that new ones are priced by.
#[derive(Default)]
pub struct Orders {
    orders: BTreeMap<OrderId, Aggregate<State>>,
    catalogue: BTreeMap<Sku, Product>,
}

const VERSIONS: Versions<'_, entity::Column> = Versions {
    keys: &[entity::Column::Id],
    version: entity::Column::Version,
    base: entity::Column::BaseVersion,
};

fn order_id(command: &Command) -> OrderId {
    match command {
        Command::Place { id, .. } | Command::Change(id, ..) => *id,
    }
}

#[async_trait]
impl Store for Orders {
    type Rules = Rules;

    async fn load(reads: &Reading<'_>, commands: &[&Command]) -> Result<Self, StoreError> {
        let mut ids = Vec::new();
        let mut skus = Vec::new();
        for command in commands {
            match command {
                Command::Change(id, ..) => ids.push(id.to_string()),
                // A new order has a new id: there is nothing to load but its products.
                Command::Place { order, .. } => skus.extend(order.lines.iter().map(|(sku, _)| sku)),
            }
        }
        Ok(Self {
            orders: load_orders(reads, ids).await?,
            catalogue: products::load(reads, &skus).await?,
        })
    }

    fn take(&mut self, command: &Command) -> Aggregate<State> {
        let id = order_id(command);
        let mut aggregate = self.orders.remove(&id).unwrap_or_default();
        aggregate.id = id.to_string();
        if let Command::Place { order, .. } = command {
            let known = order.lines.iter().filter_map(|(sku, _)| self.catalogue.get_key_value(sku));
            aggregate.state.catalogue =
                known.map(|(sku, product)| (sku.clone(), product.clone())).collect();
        }
        aggregate
    }

    fn put(&mut self, aggregate: Aggregate<<Rules as Decider>::State>, _: &Cause) {
        if let Some(order) = &aggregate.state.order {
            self.orders.insert(order.id, aggregate);
        }
    }

    fn save(self, writes: &mut Writes, _: &mut Voice<'_>) -> Result<(), StoreError> {
        let changed = self.orders.into_values().filter(Aggregate::is_changed);
        let rows = changed.map(to_row).collect::<Result<Vec<_>, _>>()?;
        writes.replace_unchanged(rows, &VERSIONS);
        Ok(())
    }
}

async fn load_orders(
    reads: &Reading<'_>,
    ids: Vec<String>,
) -> Result<BTreeMap<OrderId, Aggregate<State>>, StoreError> {
    let rows = sets::find::<entity::Entity>(reads, entity::Column::Id, ids).await?;
    rows.into_iter().map(from_row).collect()
}

fn to_row(aggregate: Aggregate<State>) -> Result<entity::ActiveModel, StoreError> {
    let corrupt = |reason: String| StoreError::Corrupt { table: "orders", reason };
    let order = aggregate.state.order.ok_or_else(|| corrupt("no order".into()))?;
    let last = aggregate.last.as_ref();
    Ok(entity::ActiveModel {
        id: Set(aggregate.id),
        customer_id: Set(order.customer_id.to_string()),
        status: Set(order.status.as_str().to_owned()),
        version: Set(aggregate.version),
        base_version: Set(aggregate.loaded_version),
        body: Set(serde_json::to_string(&order).map_err(|e| corrupt(e.to_string()))?),
        last_event_id: Set(last.map(|last| last.id.to_string())),
        traceparent: Set(last.map(|last| last.trace.traceparent())),
        tracestate: Set(last.and_then(|last| last.trace.tracestate().map(str::to_owned))),
    })
}

fn from_row(row: entity::Model) -> Result<(OrderId, Aggregate<State>), StoreError> {
    let order = read_body(&row)?;
    let trace = row.traceparent.as_deref();
    let last = row.last_event_id.as_deref().and_then(|id| {
        let trace = TraceContext::parse(trace?, row.tracestate.as_deref())?;
        Some(LastEvent { id: Uuid::parse_str(id).ok()?, trace })
    });
    let id = order.id;
    let state = State { order: Some(order), catalogue: BTreeMap::new() };
    let (version, loaded_version) = (row.version, row.version);
    Ok((id, Aggregate { id: row.id, state, version, loaded_version, last }))
}

/// The order in a row.
///
/// # Errors
/// [`StoreError::Corrupt`] when this code did not write it.
pub fn read_body(row: &entity::Model) -> Result<Order, StoreError> {
    serde_json::from_str(&row.body)
        .map_err(|e| StoreError::Corrupt { table: "orders", reason: format!("{}: {e}", row.id) })
}

/// The orders that wait for an answer.
///
/// # Errors
/// When the database refuses.
pub async fn pending(db: &impl ConnectionTrait) -> Result<InFlight, DbErr> {
    let count = all_pending().count(db).await?;
    let oldest = all_pending().one(db).await?;
    let oldest = oldest.as_ref().and_then(|row| read_body(row).ok());
    Ok(InFlight { count, oldest: oldest.map(|order| order.placed_at) })
}

/// Oldest first.
fn all_pending() -> Select<entity::Entity> {
    let (all, status) = (entity::Entity::find(), entity::Column::Status);
    sets::only(all, status, Status::Pending.as_str(), Asc).order_by_asc(entity::Column::Id)
}

#[cfg(test)]
mod tests {
    use sea_orm::{DbBackend, QuerySelect as _, QueryTrait as _, Statement, TransactionTrait as _};

    use super::*;
    use crate::testing::shop::Shop;

    #[actix_web::test]
    async fn what_is_pending_is_found_by_its_status_also_when_all_others_are_of_one() {
        let shop = Shop::open().await;
        let db = shop.app.ctx.database.reader();
        let backend = db.get_database_backend();
        // One connection.
        let tx = db.begin().await.unwrap();
        let query = all_pending().limit(1).build(backend);
        let (explain, column) = match backend {
            DbBackend::Postgres => {
                let others = "INSERT INTO orders (id, customer_id, status, version, base_version, body)
                    SELECT 'order ' || number, 'ada', 'CONFIRMED', 1, 0, '' FROM generate_series(1, 2000) AS number";
                let prepare = format!("PREPARE pending AS {}", query.sql);
                for sql in [others, "ANALYZE orders", &prepare] {
                    tx.execute_unprepared(sql).await.unwrap();
                }
                ("EXPLAIN EXECUTE pending('PENDING', 'PENDING', 1)".to_owned(), "QUERY PLAN")
            }
            _ => (format!("EXPLAIN QUERY PLAN {query}"), "detail"),
        };
        let plan = tx.query_all_raw(Statement::from_string(backend, explain)).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.try_get("", column).unwrap()).collect();
        assert!(plan.join("\n").contains("orders_status"), "{plan:#?}");
    }
}
