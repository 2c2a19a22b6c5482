//! What is asked of the database outside a transaction.

use kernel::{CustomerId, OrderId, Timestamp};
use messaging::database::{Reads, StoreError};
use sea_orm::{Condition, QueryOrder, QuerySelect, QueryTrait, entity::prelude::*};
use uuid::Uuid;

use super::{
    file::{self, Kept},
    row::{self, Column, Entity, Model},
};
use crate::{
    choreography::word,
    domain::{Endpoint, Letters, Notification, Recipient, Status},
};

/// Which notifications are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those that concern this customer.
    pub customer_id: Option<CustomerId>,
    /// Only those about this order.
    pub order_id: Option<OrderId>,
    /// Only those in this status.
    pub status: Option<Status>,
    /// Only those to this receiver.
    pub receiver: Option<String>,
    /// Only those behind this one.
    pub after: Option<(i64, Uuid)>,
}

/// Notifications, newest first, at most `limit`.
///
/// # Errors
/// When the database refuses.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: Filter,
    limit: u64,
) -> Result<Vec<Notification>, StoreError> {
    let Filter { customer_id, order_id, status, receiver, after } = filter;
    let rows = Entity::find()
        .apply_if(customer_id, |query, id| query.filter(Column::CustomerId.eq(id.as_str())))
        .apply_if(order_id, |query, id| query.filter(Column::OrderId.eq(id.to_string())))
        .apply_if(status, |query, status| query.filter(Column::Status.eq(word(status))))
        .apply_if(receiver, |query, receiver| query.filter(Column::Receiver.eq(receiver)))
        .apply_if(after, |query, (at, id)| query.filter(behind(at, id)))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    rows.iter().map(row::notification).collect()
}

fn behind(at: i64, id: Uuid) -> Condition {
    let same = Condition::all();
    let same = same.add(Column::CreatedAt.eq(at)).add(Column::Id.lt(id.to_string()));
    Condition::any().add(Column::CreatedAt.lt(at)).add(same)
}

/// The notification with this id.
///
/// # Errors
/// When the database refuses.
pub async fn find(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<Notification>, StoreError> {
    let row = Entity::find_by_id(id.to_string()).one(db).await?;
    row.as_ref().map(row::notification).transpose()
}

/// What a digest tells, oldest first, at most `limit`, and how many there are.
///
/// # Errors
/// When the database refuses.
pub async fn members(
    db: &impl ConnectionTrait,
    digest: Uuid,
    limit: u64,
) -> Result<(Vec<Notification>, u64), StoreError> {
    let all = Entity::find().filter(Column::DigestId.eq(digest.to_string()));
    let count = all.clone().count(db).await?;
    let rows: Vec<Model> =
        all.order_by_asc(Column::CreatedAt).order_by_asc(Column::Id).limit(limit).all(db).await?;
    Ok((rows.iter().map(row::notification).collect::<Result<_, _>>()?, count))
}

/// A customer's file.
///
/// # Errors
/// When the database refuses.
pub async fn recipient(db: &impl Reads, id: &CustomerId) -> Result<Recipient, StoreError> {
    one(db, id.as_str()).await
}

/// The endpoint with this id.
///
/// # Errors
/// When the database refuses.
pub async fn endpoint(db: &impl Reads, id: Uuid) -> Result<Option<Endpoint>, StoreError> {
    one(db, &id.to_string()).await
}

/// How far a service's dead letters have been told.
///
/// # Errors
/// When the database refuses.
pub async fn letters(db: &impl Reads, service: &str) -> Result<Letters, StoreError> {
    one(db, service).await
}

async fn one<T: Kept>(db: &impl Reads, id: &str) -> Result<T, StoreError> {
    let wanted = [(T::KIND, vec![id.to_owned()])].into();
    let rows = file::load(db, &wanted, false).await?;
    Ok(file::Files::<T>::read(&rows)?.get(id))
}

/// All endpoints, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn endpoints(db: &impl Reads) -> Result<Vec<Endpoint>, StoreError> {
    let rows = file::load(db, &Default::default(), true).await?;
    let files = file::Files::<Option<Endpoint>>::read(&rows)?;
    let mut all: Vec<_> = files.all().flatten().cloned().collect();
    all.sort_by_key(|endpoint| std::cmp::Reverse((Timestamp(endpoint.created_at), endpoint.id)));
    Ok(all)
}
