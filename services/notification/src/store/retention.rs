//! Notifications that are done are forgotten some time later, a few at a time. That an order's news was told
//! stays in its file: a repeat of the event tells nobody again.

use kernel::Timestamp;
use messaging::database::StoreError;
use sea_orm::{
    QueryOrder, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::{Alias, ExprTrait as _, Query},
};

use super::row::{Column, Entity};
use crate::{choreography::word, domain::Status};

/// Nothing more is done with these, but for [`Status::Grouped`], which a digest may still have to tell.
const DONE: [Status; 4] = [Status::Sent, Status::Failed, Status::Muted, Status::Grouped];
const UNDONE: [Status; 2] = [Status::Pending, Status::Sending];

/// Forgets the oldest of those that came into being before `before` and are done, at most `limit` of each status.
/// Returns whether there may be more.
///
/// # Errors
/// When the database refuses.
pub async fn forget(
    db: &impl ConnectionTrait,
    before: Timestamp,
    limit: u64,
) -> Result<bool, StoreError> {
    let mut has_more = false;
    for status in DONE {
        let old = Entity::find().select_only().column(Column::Id).filter(waits_for_digest().not());
        let old =
            old.filter(Column::Status.eq(word(status))).filter(Column::CreatedAt.lt(before.0));
        let old = old.order_by_asc(Column::CreatedAt).limit(limit).into_query();
        let forgotten =
            Entity::delete_many().filter(Column::Id.in_subquery(old)).exec(db).await?.rows_affected;
        has_more |= forgotten >= limit;
    }
    Ok(has_more)
}

/// Whether the notification's digest is still to be sent.
fn waits_for_digest() -> Expr {
    let digest = || Alias::new("digest");
    let of_it = Expr::col((digest(), Column::Id)).equals((Entity, Column::DigestId));
    let undone = Expr::col((digest(), Column::Status)).is_in(UNDONE.map(word));
    let mut query = Query::select();
    query.expr(Expr::val(1)).from_as(Entity, digest()).and_where(of_it).and_where(undone);
    Expr::exists(query)
}
