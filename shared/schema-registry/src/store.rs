//! The SQLite file: three tables, one connection.
//!
//! One connection on purpose: registrations are rare, clients cache, and so a reader never sees a
//! half-written subject and a writer never meets `SQLITE_BUSY` from our own process. Another
//! process that opens the file waits its turn (`BEGIN IMMEDIATE`, busy time-out).

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::{Expr, IntoCondition, OnConflict};
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectOptions, ConnectionTrait, Database, DatabaseConnection,
    DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Schema, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};

use self::entity::{level, schema, version};
use crate::compatibility::{CompatibilityLevel, UnknownLevel};
use crate::subject::Subject;

pub(crate) mod entity;

/// The row of the `levels` table that holds for all subjects; no subject has an empty name.
pub(crate) const GLOBAL: &str = "";

const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) async fn open_file(path: &Path) -> Result<DatabaseConnection, DbErr> {
    let path = path.to_owned();
    // A path in a URL would have to be escaped; so it is set below, in place of this one.
    let mut options = ConnectOptions::new("sqlite:registry.db");
    options.map_sqlx_sqlite_opts(move |sqlite| {
        sqlite
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
    });
    connect(options).await
}

pub(crate) async fn open_memory() -> Result<DatabaseConnection, DbErr> {
    connect(ConnectOptions::new("sqlite::memory:")).await
}

async fn connect(mut options: ConnectOptions) -> Result<DatabaseConnection, DbErr> {
    // The only connection must never be closed for its age: a database in memory would be gone with
    // it.
    options.max_connections(1).min_connections(1).idle_timeout(None).max_lifetime(None);
    options.sqlx_logging(false);
    let db = Database::connect(options).await?;
    let schemas = Schema::new(db.get_database_backend());
    for mut table in [
        schemas.create_table_from_entity(schema::Entity),
        schemas.create_table_from_entity(version::Entity),
        schemas.create_table_from_entity(level::Entity),
    ] {
        db.execute(table.if_not_exists()).await?;
    }
    Ok(db)
}

/// A transaction that takes the write lock at once, so that what it reads stays true until it
/// writes.
pub(crate) async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate);
    db.begin_with_options(TransactionOptions { sqlite_transaction_mode, ..Default::default() })
        .await
}

/// All versions of a subject, deleted ones too, oldest first.
pub(crate) async fn subject(db: &impl ConnectionTrait, name: &str) -> Result<Subject, DbErr> {
    let found = subjects_where(db, version::Column::Subject.eq(name)).await?;
    Ok(found.into_iter().next().unwrap_or_else(|| Subject::new(name)))
}

/// All subjects in the order of their names, deleted ones too.
pub(crate) async fn subjects(
    db: &impl ConnectionTrait,
    prefix: &str,
) -> Result<Vec<Subject>, DbErr> {
    // Not LIKE, for which `_` and `%` in a subject's name would be wildcards.
    let mut found = subjects_where(db, version::Column::Subject.gte(prefix)).await?;
    found.retain(|subject| subject.name.starts_with(prefix));
    Ok(found)
}

/// The subjects that have versions with this schema, with those versions only.
pub(crate) async fn uses(db: &impl ConnectionTrait, schema_id: i32) -> Result<Vec<Subject>, DbErr> {
    subjects_where(db, version::Column::SchemaId.eq(schema_id)).await
}

async fn subjects_where(
    db: &impl ConnectionTrait,
    condition: impl IntoCondition + Send,
) -> Result<Vec<Subject>, DbErr> {
    let rows = version::Entity::find()
        .filter(condition)
        .order_by_asc(version::Column::Subject)
        .order_by_asc(version::Column::Version)
        .all(db)
        .await?;
    let mut subjects: Vec<Subject> = Vec::new();
    for row in rows {
        if subjects.last().is_none_or(|last| last.name != row.subject) {
            subjects.push(Subject::new(&row.subject));
        }
        if let Some(last) = subjects.last_mut() {
            last.versions.push(row);
        }
    }
    Ok(subjects)
}

pub(crate) async fn schema_by_id(
    db: &impl ConnectionTrait,
    id: i32,
) -> Result<Option<schema::Model>, DbErr> {
    schema::Entity::find_by_id(id).one(db).await
}

pub(crate) async fn schema_by_fingerprint(
    db: &impl ConnectionTrait,
    fingerprint: &str,
) -> Result<Option<schema::Model>, DbErr> {
    schema::Entity::find().filter(schema::Column::Fingerprint.eq(fingerprint)).one(db).await
}

/// The texts of some schemas, by id.
pub(crate) async fn texts(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = i32>,
) -> Result<HashMap<i32, String>, DbErr> {
    let rows = schema::Entity::find().filter(schema::Column::Id.is_in(ids)).all(db).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.text)).collect())
}

/// Gives a new schema its id. Ids only grow: that of an erased schema is not given again.
pub(crate) async fn insert_schema(
    tx: &DatabaseTransaction,
    fingerprint: String,
    text: &str,
) -> Result<schema::Model, DbErr> {
    let row = schema::ActiveModel {
        id: NotSet,
        fingerprint: Set(fingerprint),
        text: Set(text.to_owned()),
    };
    row.insert(tx).await
}

pub(crate) async fn insert_version(
    tx: &DatabaseTransaction,
    row: version::Model,
) -> Result<(), DbErr> {
    let row = version::ActiveModel {
        subject: Set(row.subject),
        version: Set(row.version),
        schema_id: Set(row.schema_id),
        deleted: Set(row.deleted),
    };
    version::Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

pub(crate) async fn mark_deleted(
    tx: &DatabaseTransaction,
    subject: &str,
    versions: &[i32],
) -> Result<(), DbErr> {
    version::Entity::update_many()
        .col_expr(version::Column::Deleted, Expr::val(true))
        .filter(version::Column::Subject.eq(subject))
        .filter(version::Column::Version.is_in(versions.iter().copied()))
        .exec(tx)
        .await?;
    Ok(())
}

/// Removes versions for good, and the schemas that nothing uses any more.
pub(crate) async fn erase(
    tx: &DatabaseTransaction,
    subject: &str,
    versions: &[i32],
) -> Result<(), DbErr> {
    version::Entity::delete_many()
        .filter(version::Column::Subject.eq(subject))
        .filter(version::Column::Version.is_in(versions.iter().copied()))
        .exec(tx)
        .await?;
    let used = version::Entity::find().select_only().column(version::Column::SchemaId).into_query();
    schema::Entity::delete_many().filter(schema::Column::Id.not_in_subquery(used)).exec(tx).await?;
    Ok(())
}

/// The level that was set for a subject, or for [`GLOBAL`].
pub(crate) async fn level(
    db: &impl ConnectionTrait,
    subject: &str,
) -> Result<Option<CompatibilityLevel>, DbErr> {
    let Some(row) = level::Entity::find_by_id(subject).one(db).await? else { return Ok(None) };
    let parsed = row.level.parse().map_err(|error: UnknownLevel| DbErr::Type(error.to_string()))?;
    Ok(Some(parsed))
}

pub(crate) async fn set_level(
    db: &impl ConnectionTrait,
    subject: &str,
    level: CompatibilityLevel,
) -> Result<(), DbErr> {
    let row = level::ActiveModel {
        subject: Set(subject.to_owned()),
        level: Set(level.as_str().to_owned()),
    };
    let replace =
        OnConflict::column(level::Column::Subject).update_column(level::Column::Level).to_owned();
    level::Entity::insert(row).on_conflict(replace).exec_without_returning(db).await?;
    Ok(())
}

pub(crate) async fn delete_level(db: &impl ConnectionTrait, subject: &str) -> Result<(), DbErr> {
    level::Entity::delete_by_id(subject).exec(db).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
