//! Who may cancel: the order service alone while PENDING, shipping once CONFIRMED, nobody later.

use serde_json::{Value, json};

use crate::{
    domain::Status,
    testing::{events::*, shop::*},
};

async fn cancel_because(shop: &Shop, id: &str, body: &Value) -> Answer {
    shop.send(shop.post(&format!("/api/v1/orders/{id}/cancel")).json(body)).await
}

#[actix_web::test]
async fn a_pending_order_is_cancelled_at_once() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    let order = cancel_because(&shop, &id, &json!({ "reason": "too slow" })).await.with(202);
    assert_eq!((&order["status"], &order["version"]), (&json!("CANCELLED"), &json!(2)));
    assert_eq!(order["status_reason"], "customer: too slow");
    assert_eq!(shop.show(&id).await, order);
    assert_eq!(shop.said().await, ["OrderPlaced", "OrderCancelled"]);
    assert_eq!(shop.rows(["deadlines"]).await, [0]);
}

#[actix_web::test]
async fn a_reason_is_optional_and_so_is_the_body() {
    let shop = Shop::open().await;
    for body in [json!({}), json!({ "reason": null }), json!({ "reason": " " })] {
        let id = shop.placed().await;
        let order = cancel_because(&shop, &id, &body).await.with(202);
        assert_eq!(order["status_reason"], "customer: no reason given", "{body}");
    }
    let id = shop.placed().await;
    assert_eq!(shop.cancel(&id).await.with(202)["status"], "CANCELLED");
}

#[actix_web::test]
async fn a_confirmed_order_is_cancelled_when_shipping_agrees() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    shop.bring(&id, Status::Confirmed).await;
    let asked = cancel_because(&shop, &id, &json!({ "reason": "too slow" })).await.with(202);
    assert_eq!((&asked["status"], &asked["version"]), (&json!("CONFIRMED"), &json!(3)));
    // Asked again, nothing more happens.
    assert_eq!(shop.cancel(&id).await.with(202), asked);
    shop.hear(shipment_cancelled(&id), None).await;
    let order = shop.show(&id).await;
    assert_eq!(order["status"], "CANCELLED");
    assert_eq!(order["status_reason"], "customer: too slow");
    let said = ["OrderPlaced", "OrderConfirmed", "OrderCancellationRequested", "OrderCancelled"];
    assert_eq!(shop.said().await, said);
}

#[actix_web::test]
async fn a_dispatch_at_the_same_moment_wins() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    shop.bring(&id, Status::Confirmed).await;
    shop.cancel(&id).await.with(202);
    shop.hear(shipment_dispatched(&id), None).await;
    assert_eq!(shop.show(&id).await["status"], "SHIPPED");
    shop.cancel(&id).await.is_problem(409, "too-late-to-cancel", "");
}

#[actix_web::test]
async fn it_can_be_too_late() {
    let shop = Shop::open().await;
    for status in [Status::Shipped, Status::Delivered, Status::Rejected, Status::Cancelled] {
        let id = shop.placed().await;
        shop.bring(&id, status).await;
        let before = (shop.show(&id).await, shop.said().await);
        let answer = shop.cancel(&id).await;
        answer.is_problem(409, "too-late-to-cancel", "");
        assert!(answer.body["detail"].as_str().unwrap().contains(status.as_str()));
        assert_eq!((shop.show(&id).await, shop.said().await), before);
    }
}

#[actix_web::test]
async fn a_wrong_wish_changes_nothing() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    let wrong = [(json!({ "reason": 7 }), "reason"), (json!({ "why": "so" }), "why")];
    for (body, field) in wrong {
        cancel_because(&shop, &id, &body).await.is_problem(422, "validation", field);
    }
    let unknown = "0197c9a0-7c1e-7d4b-9f32-5f0c5f5d8a00";
    shop.cancel(unknown).await.is_problem(404, "not-found", "");
    shop.cancel("42").await.is_problem(422, "validation", "id");
    assert_eq!(shop.show(&id).await["status"], "PENDING");
}

#[actix_web::test]
async fn a_refused_destination_and_too_little_stock_end_an_order() {
    let shop = Shop::open().await;
    let (refused, rejected) = (shop.placed().await, shop.placed().await);
    shop.hear(shipment_refused(&refused), None).await;
    shop.hear(stock_rejected(&rejected), None).await;
    let order = shop.show(&refused).await;
    assert_eq!(order["status"], "CANCELLED");
    assert_eq!(order["status_reason"], "refused destination: nobody goes to AQ");
    let order = shop.show(&rejected).await;
    assert_eq!(order["status"], "REJECTED");
    assert_eq!(order["status_reason"], "too little stock: tea (2 wanted, 1 there)");
    assert_eq!(shop.rows(["deadlines"]).await, [0]);
}
