//! An order is placed and shown.

use serde_json::json;

use crate::testing::shop::{Shop, order_of, tea};

#[actix_web::test]
async fn a_placed_order_is_pending_and_shown_where_its_location_says() {
    let shop = Shop::open().await;
    let answer = shop.place("k", &order_of(&[("tea", 2), ("cake", 1)])).await;
    let location = answer.location.clone().unwrap();
    assert_eq!(answer.content_type, "application/json");
    let order = answer.with(201);
    assert_eq!(location, format!("/api/v1/orders/{}", order["id"].as_str().unwrap()));
    assert_eq!(shop.get(&location).await.with(200), order);
    let expected = json!({
        "id": order["id"],
        "customer_id": "c-1",
        "status": "PENDING",
        "lines": [
            { "sku": "tea", "name": "Fine tea", "quantity": 2,
              "unit_price": { "amount_minor": 499, "currency": "EUR" } },
            { "sku": "cake", "name": "Fine cake", "quantity": 1,
              "unit_price": { "amount_minor": 1_200, "currency": "EUR" } },
        ],
        "total": { "amount_minor": 2_198, "currency": "EUR" },
        "shipping_address": {
            "name": "Ada Lovelace", "line1": "Inselstr. 1", "city": "Berlin",
            "postal_code": "10179", "country": "DE",
        },
        "placed_at": "2026-11-21T08:00:00Z",
        "updated_at": "2026-11-21T08:00:00Z",
        "version": 1,
    });
    assert_eq!(order, expected);
}

#[actix_web::test]
async fn a_placed_order_leaves_its_event_and_its_deadline_in_the_same_transaction() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    assert_eq!(shop.said().await, ["OrderPlaced"]);
    let (_, record) = shop.outbox().await.remove(0);
    assert_eq!((record.topic.as_str(), &*record.key), ("shop.orders", id.as_bytes()));
    let tables = ["orders", "deadlines", "idempotency_keys", "timeline"];
    assert_eq!(shop.rows(tables).await, [1, 1, 1, 1]);
}

#[actix_web::test]
async fn what_is_optional_may_be_left_out_or_null() {
    let shop = Shop::open().await;
    let mut body = tea();
    body["email"] = json!(null);
    body.as_object_mut().unwrap().remove("session_id");
    shop.place("k", &body).await.with(201);
}

#[actix_web::test]
async fn the_newest_version_of_a_product_counts_however_its_events_arrive() {
    use crate::testing::events::{arrived, outgoing, product};
    let shop = Shop::open().await;
    let version = |version, price_minor| {
        let mut tea = product("tea", price_minor, "EUR");
        tea.version = version;
        arrived(outgoing(&*shop.clock, &tea.into(), None))
    };
    shop.deliver([version(3, 300), version(5, 500), version(4, 400)]).await;
    shop.deliver([version(2, 200), version(5, 999)]).await;
    let order = shop.place("k", &order_of(&[("tea", 1)])).await.with(201);
    assert_eq!(order["total"]["amount_minor"], 500);
}

#[actix_web::test]
async fn an_order_keeps_its_price_when_the_product_changes() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    let before = shop.show(&id).await;
    let mut tea = crate::testing::events::product("tea", 1, "USD");
    (tea.version, tea.active) = (2, false);
    shop.hear(tea, None).await;
    assert_eq!(shop.show(&id).await, before);
}

#[actix_web::test]
async fn an_order_that_does_not_exist_is_not_found() {
    let shop = Shop::open().await;
    for call in ["", "/timeline", "/stream"] {
        let path = format!("/api/v1/orders/0197c9a0-7c1e-7d4b-9f32-5f0c5f5d8a00{call}");
        shop.get(&path).await.is_problem(404, "not-found", "");
        let path = format!("/api/v1/orders/42{call}");
        shop.get(&path).await.is_problem(422, "validation", "id");
    }
}

#[actix_web::test]
async fn every_call_is_in_the_description() {
    let shop = Shop::open().await;
    let api = shop.get("/api/openapi.json").await.with(200);
    let calls = [
        ("/api/v1/orders", "post"),
        ("/api/v1/orders", "get"),
        ("/api/v1/orders/{id}", "get"),
        ("/api/v1/orders/{id}/cancel", "post"),
        ("/api/v1/orders/{id}/timeline", "get"),
        ("/api/v1/orders/{id}/stream", "get"),
    ];
    for (path, method) in calls {
        assert!(api["paths"][path][method].is_object(), "{method} {path}");
    }
}
