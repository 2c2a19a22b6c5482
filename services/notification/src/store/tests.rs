//! What is saved is what is loaded, nobody's work is overwritten, and a claim is one sender's.

use std::{sync::Arc, time::Duration};

use events::trace::TraceContext;
use kernel::{Decider as _, OrderId, Timestamp};
use messaging::database::{Database, Transaction};
use testkit::VirtualClock;

use super::{migration::Migrator, *};
use crate::domain::{Attempt, Outcome, Policy, Progress, Rate};

const NOW: Timestamp = Timestamp(5);

fn command(action: Action) -> Command {
    let policy = Policy {
        sends_mail: true,
        staff_mail: None,
        rate: Rate { mails: 10, window: Duration::from_secs(3600) },
        report_after: Duration::from_secs(1),
        disable_after: Duration::from_secs(1),
    };
    Command { now: NOW, policy: Arc::new(policy), action }
}

fn place(n: u128) -> Action {
    let order = Order {
        customer_id: format!("c-{n}"),
        email: Some("ada@example.org".into()),
        name: "Ada".into(),
        lines: vec![],
        currency: "EUR".into(),
        total_minor: 0,
    };
    Action::HearOrder(OrderId(Uuid::from_u128(n)), Uuid::from_u128(n), Fact::Placed(order))
}

/// Does `commands` in one transaction that is not committed yet.
async fn prepared(db: &Database, commands: &[Command]) -> (Transaction, Desk) {
    let tx = db.begin().await.unwrap();
    let mut desk = Desk::load(&tx.reads(), &commands.iter().collect::<Vec<_>>()).await.unwrap();
    let id = Uuid::from_u128(1);
    let cause = Cause { event_id: Some(id), trace: TraceContext::root(id) };
    for command in commands {
        let mut aggregate = desk.take(command);
        for event in Rules::decide(&aggregate.state, command.clone()).unwrap() {
            aggregate.state = Rules::evolve(aggregate.state, &event);
            aggregate.version += 1;
        }
        desk.put(aggregate, &cause);
    }
    (tx, desk)
}

async fn handle(db: &Database, commands: &[Command]) {
    let (tx, desk) = prepared(db, commands).await;
    save(tx, desk).await.unwrap();
}

async fn save(tx: Transaction, desk: Desk) -> Result<(), StoreError> {
    let mut writes = Writes::default();
    desk.save(&mut writes, &mut Voice::new(&VirtualClock::new(1), "notification"))?;
    tx.commit(writes).await
}

async fn database() -> Database {
    Database::in_memory::<Migrator>().await.unwrap()
}

async fn claim_all(db: &Database, at: i64, lease: u128) -> Vec<Model> {
    let (now, until) = (Timestamp(at), Timestamp(at + 100));
    claim::claim(db, "mail", (now, until), Uuid::from_u128(lease), 10).await.unwrap()
}

#[actix_web::test]
async fn what_is_saved_is_loaded() {
    let db = database().await;
    handle(&db, &[command(place(1)), command(place(2))]).await;
    let listed = query::list(db.reader(), query::Filter::default(), 10).await.unwrap();
    assert_eq!(listed.len(), 2);
    let one = query::find(db.reader(), listed[0].id).await.unwrap();
    assert_eq!(one.as_ref(), Some(&listed[0]));
    assert_eq!(one.unwrap().progress, Progress::Pending(NOW));
    let (_, mut desk) = prepared(&db, &[]).await;
    assert_eq!(desk.take(&command(place(3))).state.order, OrderFile::default());
}

#[actix_web::test]
async fn the_second_of_two_who_changed_the_same_order_is_told() {
    let db = Database::in_memory::<Migrator>().await.unwrap();
    let (tx, first) = prepared(&db, &[command(place(1))]).await;
    drop(tx);
    let (tx, second) = prepared(&db, &[command(place(1))]).await;
    save(tx, second).await.unwrap();
    let late = save(db.begin().await.unwrap(), first).await.unwrap_err();
    assert!(matches!(late, StoreError::Conflict(_)), "{late}");
}

#[actix_web::test]
async fn a_claim_is_one_senders_until_its_lease_is_over() {
    let db = database().await;
    handle(&db, &[command(place(1)), command(place(2))]).await;
    assert_eq!(claim::receivers_due(db.reader(), Timestamp(4), 10).await.unwrap(), [""; 0]);
    assert_eq!(claim::receivers_due(db.reader(), NOW, 10).await.unwrap(), ["mail"]);
    let first = claim_all(&db, 5, 1).await;
    assert_eq!(first.len(), 2);
    assert!(first.iter().all(|row| row.attempts == 1));
    assert_eq!(claim_all(&db, 6, 2).await, []);
    assert_eq!(claim::next_due(db.reader(), NOW).await.unwrap(), Some(Timestamp(105)));
    let second = claim_all(&db, 105, 2).await;
    assert_eq!(second.len(), 2);
    assert!(second.iter().all(|row| row.attempts == 2));
}

#[actix_web::test]
async fn an_outcome_that_meets_a_new_claim_is_decided_anew() {
    let db = database().await;
    handle(&db, &[command(place(1))]).await;
    let row = claim_all(&db, 5, 1).await.remove(0);
    let came = |lease, outcome| {
        let (notification, lease) = (row.id.parse().unwrap(), Uuid::from_u128(lease));
        command(Action::Record(Attempt { notification, endpoint: None, lease, outcome }))
    };
    let failed = [came(1, Outcome::Failed("late".into()))];
    let (tx, stale) = prepared(&db, &failed).await;
    drop(tx);
    claim_all(&db, 105, 2).await;
    let conflict = save(db.begin().await.unwrap(), stale).await.unwrap_err();
    assert!(matches!(conflict, StoreError::Conflict("notifications")), "{conflict}");
    handle(&db, &failed).await;
    let status = || async {
        query::find(db.reader(), row.id.parse().unwrap()).await.unwrap().unwrap().progress.status()
    };
    assert_eq!(status().await, crate::domain::Status::Sending, "the second sender has it");
    handle(&db, &[came(2, Outcome::Sent)]).await;
    assert_eq!(status().await, crate::domain::Status::Sent);
}

#[actix_web::test]
async fn what_a_command_is_not_about_is_left_alone() {
    let db = database().await;
    handle(&db, &[command(place(1))]).await;
    let row = claim_all(&db, 5, 1).await.remove(0);
    let (notification, lease) = (row.id.parse().unwrap(), Uuid::from_u128(1));
    let sent = Attempt { notification, endpoint: None, lease, outcome: Outcome::Sent };
    // Both are about the same order; the second must not wipe what the first has noted.
    let order = OrderId(Uuid::from_u128(1));
    let confirm = Action::HearOrder(order, Uuid::from_u128(9), Fact::Confirmed);
    handle(&db, &[command(confirm.clone()), command(Action::Record(sent))]).await;
    let (_, mut desk) = prepared(&db, &[command(confirm.clone())]).await;
    assert_eq!(desk.take(&command(confirm)).state.order.told.len(), 2);
}

#[actix_web::test]
async fn thousands_share_a_transaction() {
    let db = database().await;
    let commands: Vec<_> = (0..3_000).map(|n| command(place(n))).collect();
    handle(&db, &commands).await;
    let listed = query::list(db.reader(), query::Filter::default(), 5_000).await.unwrap();
    assert_eq!(listed.len(), 3_000);
}

#[actix_web::test]
async fn only_what_is_done_is_forgotten() {
    let db = database().await;
    handle(&db, &[1, 2, 3, 4].map(|n| command(place(n)))).await;
    let rows = Entity::find().all(db.reader()).await.unwrap();
    let [sent, failed, digest, grouped] = &rows[..] else { panic!("{rows:?}") };
    let set = async |row: &Model, status: &str, digest: Option<&Model>| {
        let digest = Expr::value(digest.map(|digest| digest.id.clone()));
        let update = Entity::update_many().col_expr(Column::Status, Expr::value(status));
        let update = update.col_expr(Column::DigestId, digest).filter(Column::Id.eq(&*row.id));
        update.exec(db.reader()).await.unwrap();
    };
    set(sent, "SENT", None).await;
    set(failed, "FAILED", None).await;
    set(grouped, "GROUPED", Some(digest)).await;
    let left = async |before: Timestamp, limit: u64| {
        let has_more = retention::forget(db.reader(), before, limit).await.unwrap();
        (has_more, Entity::find().count(db.reader()).await.unwrap())
    };
    assert_eq!(left(NOW, 10).await, (false, 4), "younger than that");
    let later = NOW.plus(Duration::from_secs(1));
    assert_eq!(left(later, 1).await, (true, 2), "one of each status");
    assert_eq!(left(later, 10).await, (false, 2), "the digest has to tell what it groups");
    set(digest, "SENT", None).await;
    left(later, 10).await;
    assert_eq!(left(later, 10).await, (false, 0));
}
