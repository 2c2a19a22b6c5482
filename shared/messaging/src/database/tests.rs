//! Transactions on SQLite.

use futures::FutureExt as _;
use kernel::Timestamp;
use sea_orm::{EntityTrait as _, Set};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

use super::*;
use crate::{deadlines, inbox, outbox, writes::Writes};

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(crate::migration::Messaging)]
    }
}

fn mark(id: &str) -> Writes {
    let mut writes = Writes::default();
    inbox::mark("shop", [id.to_owned()], Timestamp(1), &mut writes);
    writes
}

async fn marks(reads: &impl Reads) -> Vec<String> {
    let all = reads.all(inbox::Entity::find()).await.unwrap();
    all.into_iter().map(|mark| mark.event_id).collect()
}

#[tokio::test]
async fn who_begins_waits_for_his_turn_and_sees_what_was_committed_before() {
    let database = Database::in_memory::<Migrator>().await.unwrap();
    let first = database.begin().await.unwrap();
    assert!(database.begin().now_or_never().is_none());
    first.commit(mark("a")).await.unwrap();
    let second = database.begin().await.unwrap();
    assert_eq!(marks(&second.reads()).await, ["a"]);
    drop(second);
    let third = database.begin().await.unwrap();
    third.commit(mark("b")).await.unwrap();
    assert_eq!(marks(database.reader()).await, ["a", "b"]);
    assert_eq!(marks(&database.reads()).await, ["a", "b"]);
}

#[tokio::test]
async fn a_conflict_writes_nothing() {
    let database = Database::in_memory::<Migrator>().await.unwrap();
    database.begin().await.unwrap().commit(mark("a")).await.unwrap();
    let mut writes = Writes::default();
    deadlines::change(vec![("an order".into(), Some(Timestamp(5)))], &mut writes);
    inbox::mark("shop", ["b".into(), "a".into()], Timestamp(2), &mut writes);
    let refused = database.begin().await.unwrap().commit(writes).await;
    assert!(matches!(refused, Err(StoreError::Conflict("inbox"))), "{refused:?}");
    assert_eq!(marks(&database.reads()).await, ["a"]);
    assert_eq!(deadlines::next(&database.reads()).await.unwrap(), None);
}

#[tokio::test]
#[should_panic(expected = "rows of one table have the same columns")]
async fn rows_that_lack_a_column_are_no_rows_of_ours() {
    let row =
        |created_at| outbox::ActiveModel { id: Set("a".into()), created_at, ..Default::default() };
    let rows = vec![row(Set(1)), row(sea_orm::NotSet)];
    Writes::default().insert(rows, None);
}
