//! A service's own database: SQLite embedded, PostgreSQL distributed, the same SQL through SeaORM.

mod chain;
mod lease;
mod notices;
mod postgres;

use std::{path::Path, sync::Arc, time::Duration};

use sea_orm::{
    ConnectOptions, Database as Orm, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    RuntimeErr, SqliteTransactionMode, TransactionOptions, TransactionTrait, sqlx,
};
use sea_orm_migration::MigratorTrait;
use tokio::task::JoinSet;

pub use self::{
    chain::{Chain, REST_AFTER},
    lease::{Duties, Duty, Lease},
    postgres::{DEFAULT_CONNECTIONS, Postgres},
};
use crate::signal::Signals;

/// How long a statement may wait for SQLite's write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that only read, beside SQLite's one writer.
const SQLITE_READERS: u32 = 4;
/// Rows that SQLite's thread reads ahead: it goes to sleep when there is no room for the next.
const SQLITE_ROWS_AHEAD: usize = 1024;
/// One service's database, and the signals that its commits give.
#[derive(Clone)]
pub struct Database {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
    /// Rung after a commit; what waits for work waits for these.
    pub signals: Signals,
    /// Which duties this replica does.
    pub duties: Duties,
    /// What is known of the server when there may be other replicas.
    server: Option<Server>,
}

#[derive(Clone)]
struct Server {
    database: Postgres,
    /// Signals come and go as long as it is there.
    _notices: Arc<JoinSet<()>>,
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
        Ok(Self::lone(writer, reader))
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
        Ok(Self::lone(writer.clone(), writer))
    }

    fn lone(writer: DatabaseConnection, reader: DatabaseConnection) -> Self {
        let (signals, duties) = Default::default();
        Self { writer, reader, signals, duties, server: None }
    }

    /// Opens this PostgreSQL database and brings it up to date. Replicas that start at once take
    /// turns.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses, or a migration fails.
    pub async fn postgres<M: MigratorTrait>(database: Postgres) -> Result<Self, DbErr> {
        let pool = database.open::<M>().await?;
        let (signals, away) = Signals::shared();
        let _notices = notices::carry(&pool, &signals, away);
        let server = Some(Server { database, _notices });
        Ok(Self { writer: pool.clone(), reader: pool, signals, duties: Duties::default(), server })
    }

    /// As [`Database::postgres`], for the database `name` on the server at this URL; creates it
    /// unless it is there.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses, or a migration fails.
    pub async fn on_server<M: MigratorTrait>(server: &str, name: &str) -> Result<Self, DbErr> {
        Self::postgres::<M>(postgres::on_server(server, name)?).await
    }

    /// Waits until it is this replica's turn to do `duty`.
    ///
    /// # Errors
    /// When the database is out of reach.
    pub async fn lead(&self, duty: Duty) -> Result<Lease, DbErr> {
        match &self.server {
            Some(server) => Lease::wait(duty, self.duties.clone(), &server.database).await,
            None => Ok(Lease::alone(duty, self.duties.clone())),
        }
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

    /// What kind it is, as `db.system.name` has it.
    pub fn system(&self) -> &'static str {
        if self.is_sqlite() { "sqlite" } else { "postgresql" }
    }

    /// Its pools: their names, how many connections each has, and how many of them are idle.
    pub fn pools(&self) -> Vec<(&'static str, u32, usize)> {
        let sizes = |connection: &DatabaseConnection| {
            if self.is_sqlite() {
                let pool = connection.get_sqlite_connection_pool();
                (pool.size(), pool.num_idle())
            } else {
                let pool = connection.get_postgres_connection_pool();
                (pool.size(), pool.num_idle())
            }
        };
        let (size, idle) = sizes(&self.writer);
        let writer = ("writer", size, idle);
        if !self.is_sqlite() {
            // Queries and transactions share one.
            return vec![writer];
        }
        let (size, idle) = sizes(&self.reader);
        vec![writer, ("reader", size, idle)]
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
            .row_buffer_size(SQLITE_ROWS_AHEAD)
    });
    options
}

/// PostgreSQL's classes for connection, resource, conflict and shutdown trouble.
const TRANSIENT_CLASSES: [&str; 5] = ["08", "53", "55", "57", "40"];
/// SQLite's busy, locked, full and I/O errors (primary codes).
const TRANSIENT_CODES: [i64; 4] = [5, 6, 10, 13];

/// Whether the server turns us away: a wrong password or right, no such database, a URL that makes
/// no sense. At the start that is final; in mid-flight somebody may be mending it.
pub fn is_refused(error: &DbErr) -> bool {
    /// PostgreSQL's classes for authorization and for a database that is not there.
    const REFUSED_CLASSES: [&str; 2] = ["28", "3D"];
    let (DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    match &**error {
        sqlx::Error::Configuration(_) => true,
        sqlx::Error::Database(error) => error
            .code()
            .and_then(|code| code.get(..2).map(|class| REFUSED_CLASSES.contains(&class)))
            .unwrap_or(false),
        _ => false,
    }
}

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
