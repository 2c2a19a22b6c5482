//! The promise of durability, asked from SQLite itself.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is its job")]

use sea_orm::Statement;

use super::*;

async fn pragma(db: &DatabaseConnection, name: &str) -> String {
    let statement = Statement::from_string(db.get_database_backend(), format!("PRAGMA {name}"));
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    let number = row.try_get_by_index::<i64>(0).map(|it| it.to_string());
    number.or_else(|_| row.try_get_by_index::<String>(0)).unwrap()
}

#[tokio::test]
async fn a_file_is_written_through_to_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let db = open_file(&folder.path().join("registry.db")).await.unwrap();
    assert_eq!(pragma(&db, "journal_mode").await, "wal");
    assert_eq!(pragma(&db, "synchronous").await, "2", "FULL");
}
