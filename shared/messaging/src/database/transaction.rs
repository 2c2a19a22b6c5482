//! A transaction of either database: it reads, and what it changes is written with its commit.

use sea_orm::{DatabaseExecutor, DatabaseTransaction};

use super::{Reading, StoreError, sqlite::Turn};
use crate::writes::Writes;

/// A transaction. Dropped, it changes nothing.
pub struct Transaction(pub(super) Kind);

pub(super) enum Kind {
    Postgres(DatabaseTransaction),
    Sqlite(Turn),
}

impl Transaction {
    /// What it reads through.
    pub fn reads(&self) -> Reading<'_> {
        match &self.0 {
            Kind::Postgres(transaction) => Reading::Orm(transaction.into()),
            Kind::Sqlite(turn) => turn.reads(),
        }
    }

    /// For a statement of another kind. If it changes something, SQLite commits it at once and by
    /// itself: what belongs together goes into [`Writes`].
    pub fn connection(&self) -> DatabaseExecutor<'_> {
        match &self.0 {
            Kind::Postgres(transaction) => transaction.into(),
            Kind::Sqlite(turn) => turn.spare().into(),
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
                writes.into_postgres(&transaction).await?;
                Ok(transaction.commit().await?)
            }
            Kind::Sqlite(turn) => turn.commit(writes),
        }
    }
}
