//! A service's own database: SQLite embedded, PostgreSQL distributed; SeaORM says what both are asked.

mod chain;
mod lease;
mod notices;
mod postgres;
mod reading;
mod sqlite;
mod transaction;

#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc};

use sea_orm::{Database as Orm, DatabaseConnection, DbErr, RuntimeErr, TransactionTrait, sqlx};
use sea_orm_migration::MigratorTrait;
use tokio::task::JoinSet;

pub use self::{
    chain::{Chain, REST_AFTER},
    lease::{Duties, Duty, Lease},
    postgres::{DEFAULT_CONNECTIONS, Postgres},
    reading::{Reading, Reads, Rows},
    transaction::Transaction,
};
use self::{
    sqlite::{Place, READERS, Sqlite},
    transaction::Kind,
};
use crate::signal::Signals;

/// One service's database, and the signals that its commits give.
#[derive(Clone)]
pub struct Database {
    /// SeaORM's; PostgreSQL's transactions come from it as well.
    pool: DatabaseConnection,
    /// What SQLite's transactions go through.
    sqlite: Option<Sqlite>,
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
    /// SQLite refuses, where it is read and written in place.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
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
            Self::Sqlite(error) => is_transient_in_sqlite(error),
            Self::Corrupt { .. } => false,
        }
    }
}

impl Database {
    /// Opens (or creates) the SQLite file of `service` in `dir` and brings it up to date. It has to be the
    /// only one that writes to it, which a lock on `dir` sees to.
    ///
    /// # Errors
    /// When the file cannot be opened or a migration fails.
    pub async fn sqlite<M: MigratorTrait>(dir: &Path, service: &str) -> Result<Self, DbErr> {
        let file = dir.join(format!("{service}.db")).display().to_string();
        Self::at::<M>(Place::file(file)).await
    }

    /// A database that lives in memory. For simulations.
    ///
    /// # Errors
    /// When a migration fails.
    pub async fn in_memory<M: MigratorTrait>() -> Result<Self, DbErr> {
        Self::at::<M>(Place::memory()).await
    }

    async fn at<M: MigratorTrait>(place: Place) -> Result<Self, DbErr> {
        let pool = Orm::connect(place.options(READERS)).await?;
        M::up(&pool, None).await?;
        let sqlite = Some(Sqlite::open(&place).await?);
        let (signals, duties) = Default::default();
        Ok(Self { pool, sqlite, signals, duties, server: None })
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
        Ok(Self { pool, sqlite: None, signals, duties: Duties::default(), server })
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
        &self.pool
    }

    /// For sets of rows outside a transaction, where SQLite is read in place.
    pub fn reads(&self) -> Reading<'_> {
        match &self.sqlite {
            Some(sqlite) => sqlite.reads(),
            None => Reading::Orm((&self.pool).into()),
        }
    }

    /// As [`reads`](Self::reads), for those who write as well, or do it on the same thread.
    fn chained_reads(&self) -> Reading<'_> {
        match &self.sqlite {
            Some(sqlite) => sqlite.chained_reads(),
            None => self.reads(),
        }
    }

    /// Begins a transaction that will write.
    ///
    /// # Errors
    /// When no connection is to be had.
    pub async fn begin(&self) -> Result<Transaction, DbErr> {
        Ok(Transaction(match &self.sqlite {
            Some(sqlite) => Kind::Sqlite(sqlite.turn().await),
            None => Kind::Postgres(self.pool.begin().await?),
        }))
    }

    /// Whether the database answers now.
    ///
    /// # Errors
    /// What keeps it from answering.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.pool.ping().await
    }

    /// Closes SeaORM's connections; SQLite folds its journal into the file.
    ///
    /// # Errors
    /// When a connection does not close cleanly.
    pub async fn close(&self) -> Result<(), DbErr> {
        self.pool.close_by_ref().await?;
        match &self.sqlite {
            Some(sqlite) => sqlite.close().await,
            None => Ok(()),
        }
    }

    /// What kind it is, as `db.system.name` has it.
    pub fn system(&self) -> &'static str {
        if self.blocks() { "sqlite" } else { "postgresql" }
    }

    /// Its pools: their names, how many connections each has, and how many of them are idle.
    pub fn pools(&self) -> Vec<(&'static str, u32, usize)> {
        let Some(sqlite) = &self.sqlite else {
            // Queries and transactions share one.
            let pool = self.pool.get_postgres_connection_pool();
            return vec![("writer", pool.size(), pool.num_idle())];
        };
        let readers = self.pool.get_sqlite_connection_pool();
        vec![
            ("writer", 1, usize::from(sqlite.is_idle())),
            ("reader", readers.size(), readers.num_idle()),
        ]
    }

    /// Whether its transactions wait for the disk in this process, on the thread that they are on.
    pub fn blocks(&self) -> bool {
        self.sqlite.is_some()
    }
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

fn is_transient_in_sqlite(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| is_transient_code(error.extended_code.into()))
}

/// Whether this is SQLite's extended code of such an error.
fn is_transient_code(code: i64) -> bool {
    TRANSIENT_CODES.contains(&(code & 0xff))
}

fn is_transient_in_sqlx(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            let is_sqlstate = code.len() == 5;
            (is_sqlstate && TRANSIENT_CLASSES.contains(&&code[..2]))
                || (!is_sqlstate && code.parse().is_ok_and(is_transient_code))
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
