//! What several replicas of a service do on one PostgreSQL database. Needs `TEST_POSTGRES`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use futures::FutureExt as _;
use messaging::{
    database::{Database, Duty},
    signal::{Changed, News},
};
use sea_orm::ConnectionTrait as _;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use uuid::Uuid;

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(messaging::migration::Messaging)]
    }
}

/// Two replicas on a database of their own, or nothing.
async fn two(test: &str) -> Option<[Database; 2]> {
    #[expect(clippy::disallowed_methods, reason = "the environment says where to test")]
    let Ok(server) = std::env::var("TEST_POSTGRES") else {
        println!("skipped {test}: TEST_POSTGRES is not set");
        return None;
    };
    #[expect(clippy::disallowed_methods, reason = "a name that nobody has")]
    let name = format!("test_{}", Uuid::now_v7().simple());
    // Both at once: one of them creates it, one of them migrates it.
    let open = || Database::on_server::<Migrator>(&server, &name);
    let (one, other) = tokio::join!(open(), open());
    Some([one.unwrap(), other.unwrap()])
}

async fn watched<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("it happens within a minute")
}

/// Ends the connections that were opened for this, as a network does: without a word.
async fn cut(database: &Database, application: &str) {
    let sql = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = '{application}' \
         AND query NOT LIKE '%pg_terminate%'"
    );
    database.reader().execute_unprepared(&sql).await.unwrap();
}

#[tokio::test]
async fn one_replica_does_a_duty_until_it_is_gone() {
    let Some([one, other]) = two("one_replica_does_a_duty_until_it_is_gone").await else { return };
    let lease = watched(one.lead(Duty::Relay)).await.unwrap();
    let mut waiting = Box::pin(other.lead(Duty::Relay));
    // Another duty is not held up by this one.
    let deadlines = watched(other.lead(Duty::Deadlines)).await.unwrap();
    assert!((&mut waiting).now_or_never().is_none());
    assert!(one.duties.has(Duty::Relay) && !other.duties.has(Duty::Relay));
    drop(lease);
    let _lease = watched(waiting).await.unwrap();
    assert!(!one.duties.has(Duty::Relay) && other.duties.has(Duty::Relay));
    drop(deadlines);
    assert!(!other.duties.has(Duty::Deadlines));
}

#[tokio::test]
async fn a_leader_whose_connection_was_cut_knows_it() {
    let Some([one, other]) = two("a_leader_whose_connection_was_cut").await else { return };
    let mut lease = watched(one.lead(Duty::Relay)).await.unwrap();
    cut(&other, "shop relay").await;
    let _lease = watched(other.lead(Duty::Relay)).await.unwrap();
    watched(lease.lost()).await;
    drop(lease);
    assert!(!one.duties.has(Duty::Relay));
}

#[tokio::test]
async fn a_leader_that_hangs_is_deposed() {
    let Some([one, other]) = two("a_leader_that_hangs_is_deposed").await else { return };
    // It never looks whether it still leads, as if its process were stopped.
    let mut hung = watched(one.lead(Duty::Relay)).await.unwrap();
    let _lease = watched(other.lead(Duty::Relay)).await.unwrap();
    watched(hung.lost()).await;
}

#[tokio::test]
async fn what_one_replica_commits_wakes_the_other() {
    let Some([one, other]) = two("what_one_replica_commits").await else { return };
    let mut changes = other.signals.watch();
    // Its listener begins with this.
    assert_eq!(watched(changes.recv()).await.unwrap(), Changed::Any);
    one.signals.committed(News::new(true, true, ["a".to_owned()]));
    assert_eq!(watched(changes.recv()).await.unwrap(), Changed::One("a".into()));
    watched(other.signals.outbox.notified()).await;
    watched(other.signals.deadlines.notified()).await;
}

#[tokio::test]
async fn after_a_time_without_news_anything_may_have_changed() {
    let Some([one, other]) = two("after_a_time_without_news").await else { return };
    let mut changes = other.signals.watch();
    assert_eq!(watched(changes.recv()).await.unwrap(), Changed::Any);
    cut(&one, "shop").await;
    assert_eq!(watched(changes.recv()).await.unwrap(), Changed::Any);
    one.signals.committed(News::new(true, false, ["b".to_owned()]));
    loop {
        if watched(changes.recv()).await.unwrap() == Changed::One("b".into()) {
            return;
        }
    }
}
