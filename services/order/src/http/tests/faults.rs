//! What a request changes is one transaction: whatever fails, nothing is stored and no key used up.

use std::{
    pin::{Pin, pin},
    sync::Arc,
};

use events::{Codec, trace::TraceContext};
use futures::poll;
use kernel::Clock as _;
use messaging::{app::Databases, executor::RequestError};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    domain::{Change, Command},
    testing::{HandClock, events::*, log::OutOfReach, shop::*},
};

const TABLES: [&str; 5] = ["orders", "outbox", "idempotency_keys", "deadlines", "timeline"];

#[actix_web::test]
async fn whichever_table_fails_nothing_is_stored() {
    let shop = Shop::open().await;
    for broken in TABLES.into_iter().chain(["products"]) {
        shop.sql(&format!("ALTER TABLE {broken} RENAME TO away")).await;
        let answer = shop.place(broken, &tea()).await;
        answer.is_problem(500, "internal-server-error", "");
        assert!(!answer.body.to_string().contains("table"), "{}", answer.body);
        shop.sql(&format!("ALTER TABLE away RENAME TO {broken}")).await;
        assert_eq!(shop.rows(TABLES).await, [0; 5], "{broken}");
    }
    shop.place("outbox", &tea()).await.with(201);
    assert_eq!(shop.rows(TABLES).await, [1; 5]);
}

#[actix_web::test]
async fn a_cancellation_that_fails_leaves_the_order_as_it_was() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    let before = shop.show(&id).await;
    shop.sql("ALTER TABLE outbox RENAME TO away").await;
    shop.cancel(&id).await.is_problem(500, "internal-server-error", "");
    shop.sql("ALTER TABLE away RENAME TO outbox").await;
    assert_eq!(shop.show(&id).await, before);
    assert_eq!(shop.rows(["deadlines"]).await, [1]);
    shop.cancel(&id).await.with(202);
}

#[actix_web::test]
async fn orders_are_not_taken_while_their_events_cannot_be_written() {
    let clock = HandClock::new();
    let mut platform = platform(&clock);
    // Nobody listens on port 1; the schemas of our events are never registered.
    let registry = schema_registry_converter::async_impl::schema_registry::SrSettings::new(
        "http://127.0.0.1:1".into(),
    );
    platform.codec = Arc::new(Codec::new(registry));
    let shop = Shop::on(platform, clock).await;
    shop.sql("INSERT INTO products VALUES ('tea', 1, 'Fine tea', 499, 'EUR', TRUE)").await;
    let answer = shop.place("k", &tea()).await;
    answer.is_problem(503, "service-unavailable", "");
    assert_eq!(answer.retry_after.as_deref(), Some("1"));
    assert_eq!(shop.rows(TABLES).await, [0; 5]);
}

#[actix_web::test]
async fn an_overloaded_service_says_when_to_come_back_and_still_answers_queries() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    shop.app.executor.load().set_overloaded(true);
    for answer in [shop.place("k", &tea()).await, shop.cancel(&id).await] {
        answer.is_problem(503, "service-unavailable", "");
        assert_eq!(answer.retry_after.as_deref(), Some("1"));
    }
    assert_eq!(shop.show(&id).await["status"], "PENDING");
    shop.app.executor.load().set_overloaded(false);
    shop.place("k", &tea()).await.with(201);
}

#[actix_web::test]
async fn orders_are_not_taken_while_the_log_is_too_slow() {
    let clock = HandClock::new();
    let mut platform = platform(&clock);
    let appends = Arc::new(Semaphore::new(0));
    platform.log = Arc::new(OutOfReach { appends: Some(appends.clone()) });
    let shop = Shop::on(platform, clock).await;
    shop.stock_up().await;
    shop.sql(
        "INSERT INTO outbox (id, aggregatetype, aggregateid, type, headers, created_at)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 105000)
         SELECT i, 'orders', 'o', 'OrderPlaced', '[]', 0 FROM n",
    )
    .await;
    let place = async || shop.place(&shop.clock.new_id().to_string(), &tea()).await;
    let refused = loop {
        // The log takes one append, and the relay sees what is left.
        appends.add_permits(1);
        let answer = place().await;
        if answer.status != 201 {
            break answer;
        }
    };
    refused.is_problem(503, "service-unavailable", "");
    appends.add_permits(1000);
    while place().await.status != 201 {
        tokio::task::yield_now().await;
    }
    shop.close().await;
}

#[actix_web::test]
async fn a_query_that_fails_is_a_problem_document() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    shop.sql("ALTER TABLE orders RENAME TO away").await;
    for path in ["", &format!("/{id}"), &format!("/{id}/timeline"), &format!("/{id}/stream")] {
        let answer = shop.get(&format!("/api/v1/orders{path}")).await;
        answer.is_problem(500, "internal-server-error", "");
    }
}

/// Lets `hearing` fail in several transactions; it must not be done with.
async fn fail_for_a_while(shop: &Shop, hearing: &mut Pin<&mut impl Future<Output = Uuid>>) {
    let looks = shop.clock.looks();
    while shop.clock.looks() < looks + 12 {
        assert!(poll!(hearing.as_mut()).is_pending(), "the event is lost");
        tokio::task::yield_now().await;
    }
}

#[actix_web::test]
async fn an_event_that_cannot_even_be_kept_is_not_lost() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    shop.sql("ALTER TABLE outbox RENAME TO away").await;
    let mut hearing = pin!(shop.hear(shipment_scheduled(&id), None));
    fail_for_a_while(&shop, &mut hearing).await;
    shop.sql("ALTER TABLE away RENAME TO outbox").await;
    hearing.await;
    let kept = shop.outbox().await;
    assert_eq!(kept.last().unwrap().1.topic, "shop.order.dead-letters");
}

#[actix_web::test]
async fn a_request_beside_an_event_that_cannot_be_handled_is_given_up_and_not_done_later() {
    let shop = Shop::open().await;
    let (stuck, beside, behind) = (shop.placed().await, shop.placed().await, shop.placed().await);
    shop.sql("ALTER TABLE outbox RENAME TO away").await;
    let mut hearing = pin!(shop.hear(shipment_scheduled(&stuck), None));
    let cancel = |id: &str| {
        let cancel = Command::Change(id.parse().unwrap(), Change::Cancel(None), shop.clock.now());
        let trace = TraceContext::root(shop.clock.new_id());
        shop.app.executor.request(cancel, None, trace)
    };
    let mut in_its_batch = pin!(cancel(&beside));
    assert!(poll!(&mut hearing).is_pending() && poll!(&mut in_its_batch).is_pending());
    fail_for_a_while(&shop, &mut hearing).await;
    // While nothing but a timer can go on, paused time leaps to it.
    tokio::time::pause();
    let answers = futures::join!(in_its_batch, cancel(&behind));
    tokio::time::resume();
    assert!(matches!(answers.0, Err(RequestError::Overloaded(_))), "{answers:?}");
    assert!(answers.1.is_err(), "{answers:?}");
    shop.sql("ALTER TABLE away RENAME TO outbox").await;
    hearing.await;
    // Behind all that waited: now the queue is empty.
    shop.hear(stock_reserved(&stuck), None).await;
    assert_eq!(shop.show(&beside).await["status"], "PENDING");
    assert_eq!(shop.show(&behind).await["status"], "PENDING");
}

#[actix_web::test]
async fn what_was_acknowledged_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let clock = HandClock::new();
    let mut platform = platform(&clock);
    platform.databases = Databases::Sqlite(dir.path().to_owned());
    let shop = Shop::on(platform.clone(), clock.clone()).await;
    shop.hear(product("tea", 499, "EUR"), None).await;
    let id = shop.placed().await;
    shop.hear(shipment_scheduled(&id), None).await;
    // Neither stopped nor closed: as after a crash.
    let next = Shop::on(platform, clock).await;
    assert_eq!(next.show(&id).await, shop.show(&id).await);
    assert_eq!(next.said().await, ["OrderPlaced", "OrderConfirmed"]);
    next.hear(shipment_delivered(&id), None).await;
    assert_eq!(next.show(&id).await["status"], "DELIVERED");
}
