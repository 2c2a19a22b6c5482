//! What one loop asks the database, one thing after the other, on one connection.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, TransactionTrait as _};

use super::{Database, Reading, StoreError, Transaction, transaction::Kind};
use crate::writes::Writes;

/// How long single reads share a transaction: it keeps locks on the tables that were read, for which a
/// change of them waits.
const READ_LIMIT: Duration = Duration::from_secs(1);

/// How long the next transaction stays open without being used.
pub const REST_AFTER: Duration = Duration::from_millis(100);

/// The transactions of one loop. PostgreSQL commits and begins the next in one round trip, and the
/// pool need not look after the connection in between, which is another. An open transaction that
/// has done nothing holds no lock, and none keeps rows from being cleaned up; whoever rests ends it
/// all the same, because operators look for transactions that idle.
pub struct Chain {
    database: Database,
    next: Option<DatabaseTransaction>,
    read_since: Instant,
}

impl Chain {
    /// A chain that has not begun.
    pub fn new(database: Database) -> Self {
        Self { database, next: None, read_since: Instant::now() }
    }

    /// Whether a transaction is open that nobody uses.
    pub fn is_open(&self) -> bool {
        self.next.is_some()
    }

    /// The next transaction. Whoever drops it instead of committing it rolls it back and ends the
    /// chain.
    ///
    /// # Errors
    /// When no connection is to be had.
    pub async fn begin(&mut self) -> Result<Transaction, DbErr> {
        match self.next.take() {
            Some(next) => Ok(Transaction(Kind::Postgres(next))),
            None => self.database.begin().await,
        }
    }

    /// Commits what [`begin`](Self::begin) began, with all of `writes`.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub async fn commit(
        &mut self,
        transaction: Transaction,
        writes: Writes,
    ) -> Result<(), StoreError> {
        let Transaction(Kind::Postgres(transaction)) = transaction else {
            return transaction.commit(writes).await;
        };
        writes.into_postgres(&transaction).await?;
        transaction.execute_unprepared("COMMIT AND CHAIN").await?;
        self.next = Some(transaction);
        Ok(())
    }

    /// For single reads, each of which sees what was committed before it.
    ///
    /// # Errors
    /// When no connection is to be had.
    pub async fn reader(&mut self) -> Result<Reading<'_>, DbErr> {
        if self.database.blocks() {
            return Ok(self.database.chained_reads());
        }
        if self.read_since.elapsed() > READ_LIMIT {
            self.rest().await;
            self.read_since = Instant::now();
        }
        let open = match self.next.take() {
            Some(open) => open,
            None => self.database.pool.begin().await?,
        };
        Ok(Reading::Orm((&*self.next.insert(open)).into()))
    }

    /// Ends the open transaction and gives the connection back.
    pub async fn rest(&mut self) {
        if let Some(next) = self.next.take() {
            // There is nothing in it.
            next.rollback().await.ok();
        }
    }
}
