//! A service's own database: SQLite embedded, PostgreSQL distributed, the same SQL through SeaORM.

use std::{path::Path, time::Duration};

use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database as Orm, DatabaseConnection, DatabaseTransaction,
    DbBackend, DbErr, RuntimeErr, SqliteTransactionMode, TransactionOptions, TransactionTrait,
    sqlx,
};
use sea_orm_migration::MigratorTrait;

use crate::signal::Signals;

/// How long a statement may wait for SQLite's write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that only read, beside SQLite's one writer.
const SQLITE_READERS: u32 = 4;
/// Connections per replica.
const POSTGRES_CONNECTIONS: u32 = 10;
/// Transactions at once, per replica.
const POSTGRES_WRITERS: usize = 4;
/// The longest a statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// Held while a replica migrates; the number is the word "shop".
const MIGRATION_LOCK: &str = "SELECT pg_advisory_lock(1936224112)";

/// One service's database, and the signals that its commits give.
#[derive(Clone)]
pub struct Database {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
    /// Rung after a commit; what waits for work waits for these.
    pub signals: Signals,
}

/// Why a store could not load or save.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another transaction changed an aggregate first: do the same work again.
    #[error("another transaction changed {0} first")]
    Conflict(&'static str),
    /// The database says no, or nothing.
    #[error("database: {0}")]
    Database(#[from] DbErr),
    /// A row cannot be what this code wrote.
    #[error("a row of {table} cannot be read: {reason}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What is wrong.
        reason: String,
    },
}

impl StoreError {
    /// Whether the same work may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Conflict(_) => true,
            Self::Database(error) => is_transient(error),
            Self::Corrupt { .. } => false,
        }
    }
}

impl Database {
    /// Opens (or creates) the SQLite file of `service` in `dir` and brings it up to date.
    ///
    /// # Errors
    /// When the file cannot be opened or a migration fails.
    pub async fn sqlite<M: MigratorTrait>(dir: &Path, service: &str) -> Result<Self, DbErr> {
        let url = format!("sqlite://{}?mode=rwc", dir.join(format!("{service}.db")).display());
        let writer = Orm::connect(sqlite_options(&url, 1)).await?;
        M::up(&writer, None).await?;
        let reader = Orm::connect(sqlite_options(&url, SQLITE_READERS)).await?;
        Ok(Self { writer, reader, signals: Signals::default() })
    }

    /// A database that lives in memory, on one connection. For simulations.
    ///
    /// # Errors
    /// When a migration fails.
    pub async fn in_memory<M: MigratorTrait>() -> Result<Self, DbErr> {
        let mut options = sqlite_options("sqlite::memory:", 1);
        options.idle_timeout(None).max_lifetime(None);
        let writer = Orm::connect(options).await?;
        M::up(&writer, None).await?;
        Ok(Self { reader: writer.clone(), writer, signals: Signals::default() })
    }

    /// Opens (or creates) the database `name` on the PostgreSQL server at `server`, a URL without
    /// a database, and brings it up to date. Replicas that start at once take turns.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses, or a migration fails.
    pub async fn postgres<M: MigratorTrait>(server: &str, name: &str) -> Result<Self, DbErr> {
        create_database(server, name).await?;
        let url = format!("{}/{name}", server.trim_end_matches('/'));
        let turn = Orm::connect(postgres_options(&url, 1)).await?;
        turn.execute_unprepared(MIGRATION_LOCK).await?;
        let writer = Orm::connect(postgres_options(&url, POSTGRES_CONNECTIONS)).await?;
        let migrated = M::up(&writer, None).await;
        // Closing the connection gives up the lock, also after an error.
        turn.close().await?;
        migrated?;
        Ok(Self { reader: writer.clone(), writer, signals: Signals::default() })
    }

    /// The connection for queries outside a transaction.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// Begins a transaction that will write.
    ///
    /// # Errors
    /// When no connection is to be had.
    pub async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let sqlite_transaction_mode = self.is_sqlite().then_some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions { sqlite_transaction_mode, ..Default::default() };
        self.writer.begin_with_options(options).await
    }

    /// How many transactions make sense at once: SQLite has one writer.
    pub fn writers(&self) -> usize {
        if self.is_sqlite() { 1 } else { POSTGRES_WRITERS }
    }

    /// Whether the database answers now.
    ///
    /// # Errors
    /// What keeps it from answering.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.reader.ping().await
    }

    /// Closes all connections; SQLite folds its journal into the file.
    ///
    /// # Errors
    /// When a connection does not close cleanly.
    pub async fn close(&self) -> Result<(), DbErr> {
        self.reader.close_by_ref().await?;
        self.writer.close_by_ref().await
    }

    fn is_sqlite(&self) -> bool {
        self.writer.get_database_backend() == DbBackend::Sqlite
    }
}

/// WAL with synchronous=FULL: a commit that returned survives a power cut.
fn sqlite_options(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).min_connections(1).sqlx_logging(false);
    // A file in process cannot hang up: asking before each statement would double its cost.
    options.test_before_acquire(false);
    options.map_sqlx_sqlite_opts(|options| {
        options
            .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
            .synchronous(sqlx::sqlite::SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
    });
    options
}

fn postgres_options(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).sqlx_logging(false).statement_timeout(STATEMENT_TIMEOUT);
    options.set_application_name("shop");
    options
}

/// Creates the database unless it is there; another replica may be doing the same.
async fn create_database(server: &str, name: &str) -> Result<(), DbErr> {
    const DUPLICATE_DATABASE: &str = "42P04";
    // Two at once collide in the catalogue's own index before they see each other.
    const UNIQUE_VIOLATION: &str = "23505";
    let url = format!("{}/postgres", server.trim_end_matches('/'));
    let connection = Orm::connect(postgres_options(&url, 1)).await?;
    let created = connection.execute_unprepared(&format!("CREATE DATABASE \"{name}\"")).await;
    connection.close().await?;
    match created {
        Err(error) if !has_code(&error, &[DUPLICATE_DATABASE, UNIQUE_VIOLATION]) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn has_code(error: &DbErr, codes: &[&str]) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return false;
    };
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| codes.contains(&&*code))
}

/// PostgreSQL's classes for connection, resource, conflict and shutdown trouble.
const TRANSIENT_CLASSES: [&str; 5] = ["08", "53", "55", "57", "40"];
/// SQLite's busy, locked, full and I/O errors (primary codes).
const TRANSIENT_CODES: [i64; 4] = [5, 6, 10, 13];

/// Whether a statement that failed like this may succeed a moment later.
pub fn is_transient(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            is_transient_in_sqlx(error)
        }
        _ => false,
    }
}

fn is_transient_in_sqlx(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            let sqlite = |code: i64| TRANSIENT_CODES.contains(&(code & 0xff));
            let is_sqlstate = code.len() == 5;
            (is_sqlstate && TRANSIENT_CLASSES.contains(&&code[..2]))
                || (!is_sqlstate && code.parse().is_ok_and(sqlite))
        }),
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_) => true,
        _ => false,
    }
}
