//! Databases that belong to one test: SQLite files that vanish with it, or, with `TEST_POSTGRES`,
//! databases of its own on that server.

use messaging::app::Databases;
use tempfile::TempDir;
use uuid::Uuid;

/// The databases of one test.
pub enum TempDatabases {
    /// SQLite files in a directory of their own.
    Sqlite(TempDir),
    /// On the server at this URL, with a prefix of their own.
    Postgres(String, String),
}

impl TempDatabases {
    /// New, empty databases.
    ///
    /// # Panics
    /// When the system has no place for temporary files.
    #[expect(clippy::new_without_default, reason = "it makes a directory")]
    #[expect(clippy::disallowed_methods, reason = "the environment says which servers to test on")]
    pub fn new() -> Self {
        match std::env::var("TEST_POSTGRES") {
            Ok(server) => Self::Postgres(server, format!("test_{}_", Uuid::now_v7().simple())),
            Err(_) => Self::Sqlite(tempfile::tempdir().expect("a temporary directory")),
        }
    }

    /// What a platform takes.
    pub fn databases(&self) -> Databases {
        match self {
            Self::Sqlite(dir) => Databases::Sqlite(dir.path().to_owned()),
            Self::Postgres(server, prefix) => {
                Databases::Postgres { server: server.clone(), prefix: prefix.clone() }
            }
        }
    }
}
