//! A transaction of either database: it reads, and what it changes is written with its commit.

use sea_orm::{DatabaseConnection, DatabaseExecutor, DatabaseTransaction, DbErr};

use super::{Reading, StoreError, sqlite::Turn};
use crate::writes::Writes;

/// A transaction. Dropped, it changes nothing.
pub struct Transaction(pub(super) Kind);

pub(super) enum Kind {
    Postgres(DatabaseTransaction),
    Sqlite(Turn, DatabaseConnection),
}

impl Transaction {
    /// What it reads through.
    pub fn reads(&self) -> Reading<'_> {
        match &self.0 {
            Kind::Postgres(transaction) => Reading::Orm(transaction.into()),
            Kind::Sqlite(turn, _) => turn.reads(),
        }
    }

    /// For a statement of another kind. If it changes something, SQLite commits it at once and by
    /// itself: what belongs together goes into [`Writes`].
    pub fn connection(&self) -> DatabaseExecutor<'_> {
        match &self.0 {
            Kind::Postgres(transaction) => transaction.into(),
            Kind::Sqlite(_, pool) => pool.into(),
        }
    }

    /// Writes all of `writes`, or nothing, and commits. On SQLite it waits for the disk where it is.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another transaction was first; otherwise when it is not
    /// committed, or nobody knows whether it is.
    pub async fn commit(self, writes: Writes) -> Result<(), StoreError> {
        match self.0 {
            Kind::Postgres(transaction) => {
                writes.to_postgres(&transaction).await?;
                Ok(transaction.commit().await?)
            }
            Kind::Sqlite(turn, _) => turn.commit(writes),
        }
    }

    /// Changes nothing.
    ///
    /// # Errors
    /// When the connection does not say so.
    pub async fn rollback(self) -> Result<(), DbErr> {
        match self.0 {
            Kind::Postgres(transaction) => transaction.rollback().await,
            Kind::Sqlite(..) => Ok(()),
        }
    }
}
