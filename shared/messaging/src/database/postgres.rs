//! A service's database on PostgreSQL: how it is connected to, and made when it is missing.

use std::{str::FromStr as _, time::Duration};

use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database as Orm, DatabaseConnection, DbErr, RuntimeErr,
    sqlx::{self, ConnectOptions as _, Connection as _, postgres::PgConnectOptions},
};
use sea_orm_migration::MigratorTrait;

/// Connections of a replica's pool, unless it is told another number.
pub const DEFAULT_CONNECTIONS: u32 = 10;
/// The longest a statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest a transaction may hold its locks without saying anything: its replica may hang.
const IDLE_IN_TRANSACTION: &str = "10s";
/// The longest to wait for a connection of the pool, or for the server to take a new one.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was idle for this long is asked whether it still lives before it is used.
const ASK_AFTER: Duration = Duration::from_secs(1);
/// Held while a replica migrates; the number is the word "shop".
const MIGRATION_LOCK: &str = "SELECT pg_advisory_lock(1936224112)";

/// Each statement sees what was committed before it, whatever the server's default.
const ISOLATION: (&str, &str) = ("default_transaction_isolation", "read committed");

/// Plans that do not depend on how many rows there were when a statement came first: a table that was
/// empty then would be read from end to end until it is analysed, and each batch be planned anew. Such a
/// plan may look dear where it is not, and compiling it (`jit`) takes half a second.
const STEADY_PLANS: [(&str, &str); 3] =
    [("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off"), ("jit", "off")];

/// Texts sort by their bytes, as in SQLite, and are compared faster than by a language's rules.
const BY_BYTES: &str = "TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'";

/// Which database, and how many connections.
#[derive(Clone, Debug)]
pub struct Postgres {
    /// `postgres://user:password@host:port/database?sslmode=...`
    pub url: String,
    /// Connections of this replica's pool. Three more write, relay and listen, and one for each duty waits or leads.
    pub connections: u32,
}

impl Postgres {
    /// The database at this URL, with the usual number of connections.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), connections: DEFAULT_CONNECTIONS }
    }

    /// The options of a connection outside the pool, for `what`.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn connection(&self, what: &str) -> Result<PgConnectOptions, DbErr> {
        let options = PgConnectOptions::from_str(&self.url).map_err(conn)?;
        // Waiting for a duty is a slow statement, but nothing to complain about.
        Ok(options.application_name(&format!("shop {what}")).disable_statement_logging())
    }

    /// Connects, and brings the tables up to date; creates the database unless it is there, if the
    /// role may. Replicas that start at once take turns.
    pub(super) async fn open<M: MigratorTrait>(&self) -> Result<DatabaseConnection, DbErr> {
        let turn = match Orm::connect(options(&self.url, 1)).await {
            Err(error) if is_missing(&error) => {
                self.create().await?;
                Orm::connect(options(&self.url, 1)).await?
            }
            connected => connected?,
        };
        turn.execute_unprepared(MIGRATION_LOCK).await?;
        let pool = Orm::connect(options(&self.url, self.connections + 3)).await?;
        let migrated = M::up(&pool, None).await;
        // Closing the connection gives up the lock, also after an error.
        turn.close().await?;
        migrated?;
        Ok(pool)
    }

    /// Creates the database; another replica may be doing the same.
    async fn create(&self) -> Result<(), DbErr> {
        const DUPLICATE_DATABASE: &str = "42P04";
        // Two at once collide in the catalogue's own index before they see each other.
        const UNIQUE_VIOLATION: &str = "23505";
        let options = self.connection("setup")?;
        let name = options.get_database().unwrap_or_default().replace('"', "\"\"");
        let mut connection = options.database("postgres").connect().await.map_err(conn)?;
        let create = format!("CREATE DATABASE \"{name}\" {BY_BYTES}");
        let created = sqlx::query(sqlx::AssertSqlSafe(create)).execute(&mut connection).await;
        connection.close().await.map_err(conn)?;
        match created {
            Err(error) if !has_code(&error, &[DUPLICATE_DATABASE, UNIQUE_VIOLATION]) => {
                Err(conn(error))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// The database `name` on the server at `server`, a URL without a database.
pub(super) fn on_server(server: &str, name: &str) -> Result<Postgres, DbErr> {
    let options = PgConnectOptions::from_str(server).map_err(conn)?;
    Ok(Postgres::new(options.database(name).to_url_lossy()))
}

fn is_missing(error: &DbErr) -> bool {
    const NO_SUCH_DATABASE: &str = "3D000";
    let DbErr::Conn(RuntimeErr::SqlxError(error)) = error else { return false };
    has_code(error, &[NO_SUCH_DATABASE])
}

fn options(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).sqlx_logging(false).statement_timeout(STATEMENT_TIMEOUT);
    options.acquire_timeout(ACQUIRE_TIMEOUT).connect_timeout(ACQUIRE_TIMEOUT);
    options.test_before_acquire_if_idle_for(ASK_AFTER).set_application_name("shop");
    options.map_sqlx_postgres_opts(|options| {
        options.options(
            [("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION), ISOLATION]
                .into_iter()
                .chain(STEADY_PLANS),
        )
    });
    options
}

fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| codes.contains(&&*code))
}

/// An error of a connection that is not SeaORM's.
pub(super) fn conn(error: sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(error.into()))
}
