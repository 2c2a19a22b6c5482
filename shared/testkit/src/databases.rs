//! Databases that belong to one test and vanish with it.

use messaging::app::Databases;
use tempfile::TempDir;

/// SQLite files in a directory of their own.
pub struct TempDatabases {
    dir: TempDir,
}

impl TempDatabases {
    /// A new, empty directory.
    ///
    /// # Panics
    /// When the system has no place for temporary files.
    #[expect(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    /// What a platform takes.
    pub fn databases(&self) -> Databases {
        Databases::Sqlite(self.dir.path().to_owned())
    }
}
