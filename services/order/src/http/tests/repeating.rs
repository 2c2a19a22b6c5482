//! One key, one order: the same request gets the same answer, another one is refused.

use futures::future::join_all;
use messaging::app::Databases;
use tempfile::TempDir;

use crate::{
    domain::Status,
    testing::{HandClock, events::product, shop::*},
};

#[actix_web::test]
async fn a_repeat_gets_the_same_answer_whatever_has_happened_since() {
    let shop = Shop::open().await;
    let first = shop.place("k", &tea()).await;
    let id = first.clone().created();
    assert_eq!(shop.place("k", &tea()).await, first);

    let mut dearer = product("tea", 9_999, "EUR");
    dearer.version = 2;
    shop.hear(dearer.clone(), None).await;
    assert_eq!(shop.place("k", &tea()).await, first);

    (dearer.version, dearer.active) = (3, false);
    shop.hear(dearer, None).await;
    assert_eq!(shop.place("k", &tea()).await, first);

    shop.bring(&id, Status::Delivered).await;
    assert_eq!(shop.place("k", &tea()).await, first);
    assert_eq!(shop.rows(["orders", "idempotency_keys"]).await, [1, 1]);
}

#[actix_web::test]
async fn a_repeat_in_another_spelling_is_the_same_request() {
    let shop = Shop::open().await;
    let first = shop.place("k", &tea()).await;
    let pretty = serde_json::to_string_pretty(&tea()).unwrap();
    let request = shop.post("/api/v1/orders").header("Idempotency-Key", "k");
    let request = request.header("Content-Type", "application/json; charset=utf-8").body(pretty);
    assert_eq!(shop.send(request).await, first);
}

#[actix_web::test]
async fn another_request_with_a_used_key_is_refused() {
    let shop = Shop::open().await;
    shop.place("k", &tea()).await.with(201);
    for other in [order_of(&[("tea", 3)]), order_of(&[("cake", 2)]), order_of(&[("nothing", 1)])] {
        let answer = shop.place("k", &other).await;
        answer.is_problem(422, "idempotency-key-reused", "");
    }
    assert_eq!(shop.rows(["orders", "outbox"]).await, [1, 1]);
}

#[actix_web::test]
async fn a_refused_request_does_not_use_its_key_up() {
    let shop = Shop::open().await;
    shop.place("k", &order_of(&[("tea", 0)])).await.is_problem(
        422,
        "validation",
        "lines[0].quantity",
    );
    shop.place("k", &order_of(&[("soap", 1)])).await.is_problem(422, "validation", "lines[0].sku");
    shop.hear(product("soap", 250, "EUR"), None).await;
    shop.place("k", &order_of(&[("soap", 1)])).await.with(201);
}

/// A shop whose database is a file, read on other connections than it is written on.
async fn open_on_disk(dir: &TempDir) -> Shop {
    let clock = HandClock::new();
    let mut platform = platform(&clock);
    platform.databases = Databases::Sqlite(dir.path().to_owned());
    let shop = Shop::on(platform, clock).await;
    shop.hear(product("tea", 499, "EUR"), None).await;
    shop
}

#[actix_web::test]
async fn concurrent_repeats_place_one_order() {
    let dir = tempfile::tempdir().unwrap();
    let shop = open_on_disk(&dir).await;
    let body = tea();
    let answers = join_all((0..32).map(|_| shop.place("k", &body))).await;
    assert_eq!(answers[0].status, 201);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(shop.rows(["orders", "outbox", "idempotency_keys"]).await, [1, 1, 1]);
}

#[actix_web::test]
async fn concurrent_orders_with_keys_of_their_own_are_all_placed() {
    let dir = tempfile::tempdir().unwrap();
    let shop = open_on_disk(&dir).await;
    let bodies: Vec<_> = (1..=32).map(|quantity| order_of(&[("tea", quantity)])).collect();
    let keys: Vec<_> = (1..=32).map(|key| format!("k-{key}")).collect();
    let answers = join_all(keys.iter().zip(&bodies).map(|(key, body)| shop.place(key, body))).await;
    for (quantity, answer) in (1..).zip(answers) {
        assert_eq!(answer.with(201)["lines"][0]["quantity"], quantity);
    }
    assert_eq!(shop.rows(["orders", "outbox", "idempotency_keys"]).await, [32, 32, 32]);
}

#[actix_web::test]
async fn a_repeat_after_a_restart_gets_the_same_answer() {
    let dir = tempfile::tempdir().unwrap();
    let first = open_on_disk(&dir).await.place("k", &tea()).await;
    let after = open_on_disk(&dir).await;
    assert_eq!(after.place("k", &tea()).await, first);
    let id = first.created();
    assert_eq!(after.show(&id).await["status"], "PENDING");
    assert_eq!(after.said().await, ["OrderPlaced"]);
}
