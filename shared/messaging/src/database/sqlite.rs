//! SQLite: one connection for transactions, which whoever has the turn reads and writes through
//! where he is, without another thread, and one for what single readers read. Only sets of rows go this
//! way; the rest goes through SeaORM, whose connections have threads of their own.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use sea_orm::{ConnectOptions, Database as Orm, DatabaseConnection, DbErr, RuntimeErr, sqlx};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::{Reading, StoreError};
use crate::writes::Writes;

/// How long a statement may wait for SQLite's write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// SeaORM's connections for queries.
pub const READERS: u32 = 4;
/// Rows that SQLite's thread reads ahead: it goes to sleep when there is no room for the next.
const ROWS_AHEAD: usize = 1024;
/// More statements than a service has.
const STATEMENTS: usize = 64;

/// WAL with synchronous=FULL: a commit that returned survives a power cut.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";

/// Where a database is.
pub struct Place {
    file: String,
    /// What SQLite calls the place that the file is in, unless it is the file system.
    vfs: Option<&'static str>,
}

impl Place {
    /// A file.
    pub fn file(file: String) -> Self {
        Self { file, vfs: None }
    }

    /// A new one in this process's memory.
    pub fn memory() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // The slash makes it one for all connections.
        Self { file: format!("/{}", COUNT.fetch_add(1, Ordering::Relaxed)), vfs: Some("memdb") }
    }

    /// How SeaORM makes so many connections; to what is in memory one, so that tests can hold it.
    pub fn options(&self, connections: u32) -> ConnectOptions {
        let connections = if self.vfs.is_none() { connections } else { 1 };
        let vfs = self.vfs.map(|vfs| format!("&vfs={vfs}")).unwrap_or_default();
        let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc{vfs}", self.file));
        options.max_connections(connections).min_connections(1).sqlx_logging(false);
        // A file in process cannot hang up: asking before each statement would double its cost.
        options.test_before_acquire(false);
        options.map_sqlx_sqlite_opts(|options| {
            options
                .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
                .synchronous(sqlx::sqlite::SqliteSynchronous::Full)
                .busy_timeout(BUSY_TIMEOUT)
                .row_buffer_size(ROWS_AHEAD)
        });
        options
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match self.vfs {
            Some(vfs) => Connection::open_with_flags_and_vfs(&self.file, flags, vfs)?,
            None => Connection::open_with_flags(&self.file, flags)?,
        };
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch(PRAGMAS)?;
        Ok(connection)
    }
}

/// Our connections to a database that only this process writes to.
#[derive(Clone)]
pub struct Sqlite {
    /// Of who has the turn.
    connection: Arc<Mutex<Connection>>,
    /// For reading at any time.
    reader: Arc<Mutex<Connection>>,
    /// One connection of SeaORM's, also of who has the turn: he waits for nobody's queries.
    spare: DatabaseConnection,
    turn: Arc<AsyncMutex<()>>,
}

/// The turn to write: nobody else does, so all reads see the same.
pub struct Turn {
    sqlite: Sqlite,
    _turn: OwnedMutexGuard<()>,
}

impl Sqlite {
    /// Opens a database that is there.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn open(place: &Place) -> Result<Self, DbErr> {
        let connect = || place.connect().map(|own| Arc::new(Mutex::new(own))).map_err(failed);
        let spare = Orm::connect(place.options(1)).await?;
        Ok(Self { connection: connect()?, reader: connect()?, spare, turn: Arc::default() })
    }

    /// Waits for the turn to write.
    pub async fn turn(&self) -> Turn {
        Turn { sqlite: self.clone(), _turn: self.turn.clone().lock_owned().await }
    }

    /// What single reads go through.
    pub fn reads(&self) -> Reading<'_> {
        Reading::InPlace(&self.reader)
    }

    /// What those read through who write as well, or on the same thread: it has the newest pages at hand.
    pub fn chained_reads(&self) -> Reading<'_> {
        Reading::InPlace(&self.connection)
    }

    /// Whether nobody has the turn.
    pub fn is_idle(&self) -> bool {
        self.turn.try_lock().is_ok()
    }

    /// Folds the journal into the file, unless somebody still reads: then the next one to open it does.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn close(&self) -> Result<(), DbErr> {
        self.spare.close_by_ref().await?;
        lock(&self.connection).execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").map_err(failed)
    }
}

impl Turn {
    /// What its reads go through.
    pub fn reads(&self) -> Reading<'_> {
        self.sqlite.chained_reads()
    }

    /// For statements of another kind.
    pub fn spare(&self) -> &DatabaseConnection {
        &self.sqlite.spare
    }

    /// Writes all of `writes` in a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another transaction was first; when SQLite refuses.
    pub fn commit(self, writes: Writes) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        let mut connection = lock(&self.sqlite.connection);
        // Dropped after an error it is rolled back.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        writes.into_sqlite(&transaction)?;
        Ok(transaction.commit()?)
    }
}

fn failed(error: rusqlite::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::Internal(error.to_string()))
}

/// The connection. What was begun on it when somebody panicked has been rolled back.
pub fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}
