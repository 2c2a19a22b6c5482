//! Statements over sets of rows, however many there are.

use messaging::database::StoreError;
use sea_orm::{
    ConnectionTrait, Iterable, QueryTrait,
    entity::prelude::*,
    sea_query::{Alias, Expr, ExprTrait as _, IntoColumnRef, OnConflict},
};

/// SQLite takes 32,766 parameters a statement, PostgreSQL 65,535. Only a batch of hundreds of
/// orders of a hundred lines each has more; it takes a second statement.
const MAX_PARAMETERS: usize = 32_000;

/// As many keys as one statement takes.
pub fn key_sets<'k>(keys: &'k [&'k str]) -> impl Iterator<Item = Vec<&'k str>> {
    keys.chunks(MAX_PARAMETERS).map(<[&str]>::to_vec)
}

/// Inserts `rows`; with `on_conflict` it says what becomes of those that are there already.
/// Returns how many were written.
///
/// # Errors
/// When the database refuses.
pub async fn insert<A>(
    tx: &impl ConnectionTrait,
    rows: Vec<A>,
    on_conflict: Option<OnConflict>,
) -> Result<u64, DbErr>
where
    A: ActiveModelTrait,
{
    let columns = <A::Entity as EntityTrait>::Column::iter().count();
    let mut rows = rows.into_iter().peekable();
    let mut written = 0;
    while rows.peek().is_some() {
        let some = rows.by_ref().take(MAX_PARAMETERS / columns);
        let mut insert = A::Entity::insert_many(some).into_query();
        if let Some(on_conflict) = &on_conflict {
            insert.on_conflict(on_conflict.clone());
        }
        written += tx.execute(&insert).await?.rows_affected();
    }
    Ok(written)
}

/// Inserts new rows and replaces those that still have the version they were changed from.
///
/// # Errors
/// [`StoreError::Conflict`] when another transaction changed one of them first.
pub async fn replace_unchanged<A>(
    tx: &impl ConnectionTrait,
    rows: Vec<A>,
    versions: Versions<<A::Entity as EntityTrait>::Column>,
) -> Result<(), StoreError>
where
    A: ActiveModelTrait,
{
    let expected = rows.len() as u64;
    let table = A::Entity::default();
    let columns = <A::Entity as EntityTrait>::Column::iter();
    let is_unchanged = Expr::col((table, versions.version).into_column_ref())
        .eq(Expr::col((Alias::new("excluded"), versions.base)));
    let replace = OnConflict::column(versions.key)
        .update_columns(columns.filter(|column| column.as_str() != versions.key.as_str()))
        .action_and_where(is_unchanged)
        .to_owned();
    let written = insert(tx, rows, Some(replace)).await?;
    if written == expected { Ok(()) } else { Err(StoreError::Conflict(table.table_name())) }
}

/// The columns that tell whether a row has changed.
#[derive(Clone, Copy)]
pub struct Versions<C> {
    /// What the row is found by.
    pub key: C,
    /// The row's version.
    pub version: C,
    /// The version it was changed from.
    pub base: C,
}
