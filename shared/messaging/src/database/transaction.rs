//! A transaction of either database: it reads, and what it changes is written with its commit.

use sea_orm::{DatabaseConnection, DatabaseExecutor, DatabaseTransaction, DbErr};
use tokio::sync::OwnedMutexGuard;

use super::{StoreError, sqlite::Writer};
use crate::writes::Writes;

/// A transaction. Dropped, it changes nothing.
pub struct Transaction(pub(super) Kind);

pub(super) enum Kind {
    Postgres(DatabaseTransaction),
    Sqlite(Turn),
}

/// The turn to write: nobody else does, so all reads see the same.
pub(super) struct Turn {
    pub(super) reader: DatabaseConnection,
    pub(super) writer: Writer,
    pub(super) _turn: OwnedMutexGuard<()>,
}

impl Transaction {
    /// What it reads through. A statement that changes something through it is, on SQLite, committed
    /// at once and by itself: what belongs together goes into [`Writes`].
    pub fn reads(&self) -> DatabaseExecutor<'_> {
        match &self.0 {
            Kind::Postgres(transaction) => transaction.into(),
            Kind::Sqlite(turn) => (&turn.reader).into(),
        }
    }

    /// Writes all of `writes`, or nothing, and commits.
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
            Kind::Sqlite(turn) => turn.commit(writes).await,
        }
    }

    /// Changes nothing.
    ///
    /// # Errors
    /// When the connection does not say so.
    pub async fn rollback(self) -> Result<(), DbErr> {
        match self.0 {
            Kind::Postgres(transaction) => transaction.rollback().await,
            Kind::Sqlite(_) => Ok(()),
        }
    }
}

impl Turn {
    pub(super) async fn commit(self, writes: Writes) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        self.writer.write(writes).await
    }
}
