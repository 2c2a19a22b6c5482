//! SQLite's one writer: a thread with a connection of its own, because it waits for the disk. A
//! transaction is handed to it whole, so it costs one way there and one back, however many
//! statements it has.

use std::{
    io,
    sync::{Arc, atomic::AtomicU64, atomic::Ordering, mpsc},
    thread,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use sea_orm::{ConnectOptions, DbErr, RuntimeErr, sqlx};
use tokio::sync::{Mutex, oneshot};

use super::{StoreError, transaction::Turn};
use crate::writes::Writes;

/// How long a statement may wait for SQLite's write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that only read, beside the one that writes.
const READERS: u32 = 4;
/// Rows that SQLite's thread reads ahead: it goes to sleep when there is no room for the next.
const ROWS_AHEAD: usize = 1024;
/// More statements than a service has.
const STATEMENTS: usize = 64;

/// WAL with synchronous=FULL: a commit that returned survives a power cut.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";

/// Where a database is.
pub struct Place {
    file: String,
    /// SQLite's name of what it is in, unless that is the file system.
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
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // The slash is what makes it one for all connections.
        Self { file: format!("/{number}"), vfs: Some("memdb") }
    }

    /// How to connect readers.
    pub fn readers(&self) -> ConnectOptions {
        let vfs = self.vfs.map(|vfs| format!("&vfs={vfs}")).unwrap_or_default();
        let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc{vfs}", self.file));
        let readers = if self.vfs.is_none() { READERS } else { 1 };
        options.max_connections(readers).min_connections(1).sqlx_logging(false);
        if self.vfs.is_some() {
            options.idle_timeout(None).max_lifetime(None);
        }
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

/// The thread, as long as it has an owner.
#[derive(Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
    turn: Arc<Mutex<()>>,
}

enum Job {
    Write(Writes, oneshot::Sender<Result<(), StoreError>>),
    Close(oneshot::Sender<()>),
}

impl Writer {
    /// Opens a database that is there.
    ///
    /// # Errors
    /// When it cannot be opened, or there can be no further thread.
    pub fn open(place: &Place) -> Result<Self, DbErr> {
        let failed = |error: String| DbErr::Conn(RuntimeErr::Internal(error));
        let connection =
            place.connect().map_err(|error| failed(format!("{}: {error}", place.file)))?;
        let (jobs, todo) = mpsc::channel();
        start(connection, todo).map_err(|error| failed(error.to_string()))?;
        Ok(Self { jobs, turn: Arc::default() })
    }

    /// Waits for the turn to write.
    pub async fn turn(&self, reader: sea_orm::DatabaseConnection) -> Turn {
        let _turn = self.turn.clone().lock_owned().await;
        Turn { reader, writer: self.clone(), _turn }
    }

    /// Whether nobody has the turn.
    pub fn is_idle(&self) -> bool {
        self.turn.try_lock().is_ok()
    }

    /// All of `writes` in a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another transaction was first; when SQLite refuses.
    pub async fn write(&self, writes: Writes) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job::Write(writes, answer)).map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// Ends the thread; later writes are refused.
    pub async fn close(&self) {
        let (answer, answered) = oneshot::channel();
        if self.jobs.send(Job::Close(answer)).is_ok() {
            answered.await.ok();
        }
    }
}

fn closed() -> DbErr {
    DbErr::Conn(RuntimeErr::Internal("the database is closed".to_owned()))
}

fn start(mut connection: Connection, todo: mpsc::Receiver<Job>) -> io::Result<()> {
    let run = move || {
        for job in todo {
            match job {
                // Whoever asked may be gone; it is done all the same.
                Job::Write(writes, answer) => drop(answer.send(write(&mut connection, writes))),
                Job::Close(answer) => {
                    drop(connection);
                    answer.send(()).ok();
                    return;
                }
            }
        }
    };
    thread::Builder::new().name("sqlite-writer".to_owned()).spawn(run).map(drop)
}

fn write(connection: &mut Connection, writes: Writes) -> Result<(), StoreError> {
    // Dropped after an error it is rolled back.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    writes.to_sqlite(&transaction)?;
    Ok(transaction.commit()?)
}
