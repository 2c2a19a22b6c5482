//! Timelines of orders that ended long ago are forgotten, a few at a time.
//!
//! There is no index by which to find them, because each event would pay for it. Ids of orders begin with the time
//! they were placed at, and the timeline is sorted by them: so it is walked through from the oldest order, page by
//! page, past orders that have not ended, and from the beginning again when the end is reached.

use std::sync::{Mutex, MutexGuard, PoisonError};

use kernel::Timestamp;
use messaging::database::StoreError;
use sea_orm::{QueryOrder, QuerySelect, entity::prelude::*};
use uuid::Builder;

use super::{entity, read_body, timeline};

/// About as many events as an order has.
const EVENTS_PER_ORDER: u64 = 10;

/// Walks through the timelines.
#[derive(Debug, Default)]
pub struct Sweep {
    /// The order that was looked at last; empty at the beginning.
    last: Mutex<String>,
}

impl Sweep {
    /// Looks at the next orders, and forgets the timelines of those that ended before `before`; at most about
    /// `limit` events. Returns whether to go on at once: a whole page was looked at, and some of it forgotten.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forget(
        &self,
        db: &impl ConnectionTrait,
        before: Timestamp,
        limit: u64,
    ) -> Result<bool, StoreError> {
        let page = (limit / EVENTS_PER_ORDER).max(1);
        let last = self.last().clone();
        let orders = orders_with_timeline(db, &last, before, page).await?;
        let is_whole = orders.len() as u64 == page;
        *self.last() = orders.last().filter(|_| is_whole).cloned().unwrap_or_default();
        let ended = ended(db, orders, before).await?;
        if ended.is_empty() {
            return Ok(false);
        }
        let of_them = timeline::Column::OrderId.is_in(ended);
        timeline::Entity::delete_many().filter(of_them).exec(db).await?;
        Ok(is_whole)
    }

    fn last(&self) -> MutexGuard<'_, String> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Orders behind `last` that were placed before `before`: the others cannot have ended before.
async fn orders_with_timeline(
    db: &impl ConnectionTrait,
    last: &str,
    before: Timestamp,
    limit: u64,
) -> Result<Vec<String>, DbErr> {
    use timeline::Column::OrderId;
    let before_ms = u64::try_from(before.millis()).unwrap_or_default();
    let first_later = Builder::from_unix_timestamp_millis(before_ms, &[0; 10]).into_uuid();
    let orders = timeline::Entity::find().select_only().column(OrderId).distinct();
    let placed_before = OrderId.lt(first_later.to_string());
    let orders = orders.filter(OrderId.gt(last)).filter(placed_before);
    orders.order_by_asc(OrderId).limit(limit).into_tuple().all(db).await
}

/// Those of `ids` that ended before `before`.
async fn ended(
    db: &impl ConnectionTrait,
    ids: Vec<String>,
    before: Timestamp,
) -> Result<Vec<String>, StoreError> {
    if ids.is_empty() {
        return Ok(ids);
    }
    let mut ended = Vec::new();
    for row in entity::Entity::find().filter(entity::Column::Id.is_in(ids)).all(db).await? {
        let order = read_body(&row)?;
        if order.status.is_final() && order.updated_at < before {
            ended.push(row.id);
        }
    }
    Ok(ended)
}
