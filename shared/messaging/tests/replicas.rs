//! What several replicas of a service do on one PostgreSQL database. Needs `TEST_POSTGRES`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use futures::FutureExt as _;
use messaging::{
    database::{Chain, Database, Duty, Reads, Transaction},
    idempotency,
    signal::{AT_ANY_TIME, News, Watcher},
    writes::Writes,
};
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait as _, QueryOrder as _, Statement};
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

async fn keys(database: &impl Reads) -> Vec<String> {
    let all = idempotency::Entity::find().order_by_asc(idempotency::Column::Key);
    database.all(all).await.unwrap().into_iter().map(|row| row.key).collect()
}

async fn insert(database: &impl ConnectionTrait, key: &str) {
    let sql = format!("INSERT INTO idempotency_keys VALUES ('{key}', 'hash', 'reply', 0)");
    database.execute_unprepared(&sql).await.unwrap();
}

#[tokio::test]
async fn a_chain_of_transactions_commits_each_and_keeps_nothing_that_was_dropped() {
    let Some([one, other]) = two("a_chain_of_transactions").await else { return };
    let mut chain = Chain::new(one);
    for key in ["a", "b"] {
        let transaction = chain.begin().await.unwrap();
        insert(&transaction.connection(), key).await;
        chain.commit(transaction, Writes::default()).await.unwrap();
        assert!(chain.is_open() && keys(other.reader()).await.contains(&key.to_owned()));
    }
    let dropped = chain.begin().await.unwrap();
    insert(&dropped.connection(), "c").await;
    drop(dropped);
    assert!(!chain.is_open());
    chain.rest().await;
    let transaction = chain.begin().await.unwrap();
    insert(&transaction.connection(), "d").await;
    chain.commit(transaction, Writes::default()).await.unwrap();
    chain.rest().await;
    assert!(!chain.is_open());
    assert_eq!(keys(other.reader()).await, ["a", "b", "d"]);
}

/// A transaction on one of the connections that are made after all were cut.
async fn until_begun(chain: &mut Chain) -> Transaction {
    loop {
        if let Ok(transaction) = chain.begin().await
            && transaction.connection().execute_unprepared("SELECT 1").await.is_ok()
        {
            return transaction;
        }
    }
}

#[tokio::test]
async fn a_chain_goes_on_after_its_connection_was_cut() {
    let Some([one, other]) = two("a_chain_goes_on").await else { return };
    let mut chain = Chain::new(one);
    let transaction = chain.begin().await.unwrap();
    chain.commit(transaction, Writes::default()).await.unwrap();
    cut(&other, "shop").await;
    let transaction = chain.begin().await.unwrap();
    transaction.connection().execute_unprepared("SELECT 1").await.unwrap_err();
    drop(transaction);
    let transaction = watched(until_begun(&mut chain)).await;
    insert(&transaction.connection(), "a").await;
    chain.commit(transaction, Writes::default()).await.unwrap();
    let seen = watched(until_begun(&mut Chain::new(other))).await;
    assert_eq!(keys(&seen.reads()).await, ["a"]);
}

#[tokio::test]
async fn each_read_of_a_chain_sees_what_was_committed_before_it() {
    let Some([one, other]) = two("each_read_of_a_chain").await else { return };
    let sql = "ALTER DATABASE \"%\" SET default_transaction_isolation = 'repeatable read'";
    let name = "SELECT current_database()";
    let name = Statement::from_string(DbBackend::Postgres, name);
    let name = other.reader().query_one_raw(name).await.unwrap().unwrap();
    let name: String = name.try_get_by_index(0).unwrap();
    other.reader().execute_unprepared(&sql.replace('%', &name)).await.unwrap();
    // Connections that know of it.
    cut(&other, "shop").await;
    let mut chain = Chain::new(one);
    let transaction = watched(until_begun(&mut chain)).await;
    chain.commit(transaction, Writes::default()).await.unwrap();
    let mut others = Chain::new(other);
    for number in 0..3 {
        assert_eq!(keys(&chain.reader().await.unwrap()).await.len(), number);
        let transaction = watched(until_begun(&mut others)).await;
        insert(&transaction.connection(), &number.to_string()).await;
        others.commit(transaction, Writes::default()).await.unwrap();
    }
}

/// Tells again and again until the other's listener is there.
async fn until_heard(one: &Database, watcher: &mut Watcher) {
    let mut again = tokio::time::interval(Duration::from_millis(100));
    let heard = async {
        loop {
            one.signals.committed(News::new(false, None, ["a".to_owned()]));
            tokio::select! {
                () = watcher.changed() => return,
                _ = again.tick() => {}
            }
        }
    };
    watched(heard).await;
}

#[tokio::test]
async fn what_one_replica_commits_wakes_the_other() {
    let Some([one, other]) = two("what_one_replica_commits").await else { return };
    let mut watcher = other.signals.watch("a".to_owned());
    until_heard(&one, &mut watcher).await;
    one.signals.committed(News::new(true, Some(AT_ANY_TIME), ["a".to_owned()]));
    watched(watcher.changed()).await;
    watched(other.signals.outbox.notified()).await;
    watched(other.signals.deadlines.notified()).await;
}

#[tokio::test]
async fn after_a_time_without_news_anything_may_have_changed() {
    let Some([one, other]) = two("after_a_time_without_news").await else { return };
    let mut watcher = other.signals.watch("a".to_owned());
    until_heard(&one, &mut watcher).await;
    // Nobody ever changes this one.
    let mut unchanged = other.signals.watch("b".to_owned());
    cut(&one, "shop").await;
    watched(unchanged.changed()).await;
    until_heard(&one, &mut watcher).await;
}
