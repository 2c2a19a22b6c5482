//! Duties that one replica does for all: whoever holds the duty's advisory lock in the database
//! does it, the others wait in the lock's queue.
//!
//! The lock belongs to a connection. It is free again the moment the connection is gone: at once
//! when its process dies, after [`KEEPALIVE`] when it hangs, or its machine or the network dies. A leader that
//! cannot reach the database any more stops after [`LOOK_EVERY`] plus [`ANSWER_LIMIT`]; for the
//! overlap in between, relays are fenced by the log and deadlines by the aggregates' versions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sea_orm::{
    DbErr,
    sqlx::{self, ConnectOptions as _, Connection as _, PgConnection},
};

use super::postgres::{Postgres, conn};

/// The first half of the locks' numbers: the word "shop".
const SPACE: i32 = 1_936_224_112;
/// How often a leader looks whether its connection lives.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long the database may take to say so.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// The server gives up a connection whose machine is silent for 5 s and does not answer 3 times in
/// 2 s; or whose process has hung for 10 s and does not look.
const KEEPALIVE: [(&str, &str); 6] = [
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
    ("idle_session_timeout", "10s"),
    // Waiting for the lock is one long statement, and whoever waits may be killed.
    ("statement_timeout", "0"),
    ("client_connection_check_interval", "1s"),
];

/// What one replica does for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Appending the outbox to the log.
    Relay = 1,
    /// Firing deadlines.
    Deadlines = 2,
}

impl Duty {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Relay, Self::Deadlines];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Deadlines => "deadlines",
        }
    }
}

/// Which duties are this replica's now.
#[derive(Clone, Debug, Default)]
pub struct Duties(Arc<[AtomicBool; Duty::ALL.len()]>);

impl Duties {
    /// Whether this replica does it.
    pub fn has(&self, duty: Duty) -> bool {
        self.of(duty).load(Ordering::Relaxed)
    }

    fn of(&self, duty: Duty) -> &AtomicBool {
        &self.0[duty as usize - 1]
    }
}

/// The right to do a duty, until it is dropped or lost.
pub struct Lease {
    duty: Duty,
    duties: Duties,
    /// `None` when there are no other replicas.
    connection: Option<PgConnection>,
}

impl Lease {
    /// The right of the only replica.
    pub(super) fn alone(duty: Duty, duties: Duties) -> Self {
        Self::held(duty, duties, None)
    }

    /// Waits for the right.
    pub(super) async fn wait(
        duty: Duty,
        duties: Duties,
        database: &Postgres,
    ) -> Result<Self, DbErr> {
        let options = database.connection(duty.name())?.options(KEEPALIVE);
        let mut connection = options.connect().await.map_err(conn)?;
        let lock = sqlx::query("SELECT pg_advisory_lock($1, $2)").bind(SPACE).bind(duty as i32);
        lock.execute(&mut connection).await.map_err(conn)?;
        Ok(Self::held(duty, duties, Some(connection)))
    }

    fn held(duty: Duty, duties: Duties, connection: Option<PgConnection>) -> Self {
        duties.of(duty).store(true, Ordering::Relaxed);
        Self { duty, duties, connection }
    }

    /// Returns when the right is lost, with the reason.
    pub async fn lost(&mut self) -> DbErr {
        let Some(connection) = &mut self.connection else { return std::future::pending().await };
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            match tokio::time::timeout(ANSWER_LIMIT, connection.ping()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return conn(error),
                Err(_) => return conn(sqlx::Error::PoolTimedOut),
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.duties.of(self.duty).store(false, Ordering::Relaxed);
    }
}
