//! Adjusting stock.

use super::*;
use crate::testing::heard::placed;

fn delivery(delta: impl Into<Value>) -> Value {
    json!({"delta": delta.into(), "reason": "delivery"})
}

fn counted(on_hand: i64, reserved: i64) -> Value {
    json!({"on_hand": on_hand, "reserved": reserved, "available": on_hand - reserved})
}

#[actix_web::test]
async fn pieces_come_and_go() {
    let shop = serve().await;
    shop.put("tea", tea()).await;
    let came = shop.adjust("tea", "a", delivery(10)).await;
    assert_eq!((came.status, came.body), (200, counted(10, 0)));
    let gone = shop.adjust("tea", "b", delivery(-4)).await;
    assert_eq!((gone.status, gone.body), (200, counted(6, 0)));
    assert_eq!(shop.get("/tea").await.body["stock"], counted(6, 0));
    shop.bench.assert_conserved().await;
}

#[actix_web::test]
async fn a_repeat_with_the_same_key_gets_the_same_answer_and_is_done_once() {
    let shop = serve().await;
    shop.put("tea", tea()).await;
    let calls = (0..20).map(|_| shop.adjust("tea", "a", delivery(10)));
    for answer in futures::future::join_all(calls).await {
        assert_eq!((answer.status, answer.body), (200, counted(10, 0)));
    }
    shop.adjust("tea", "b", delivery(5)).await;
    assert_eq!(shop.adjust("tea", "a", delivery(10)).await.body, counted(10, 0));
    assert_eq!(shop.get("/tea").await.body["stock"], counted(15, 0));
    let other = shop.adjust("tea", "a", delivery(11)).await;
    other.refused(422, "");
    assert_eq!(other.body["type"], "/problems/idempotency-key-reused");
}

#[actix_web::test]
async fn a_refused_change_does_not_use_up_its_key() {
    let shop = serve().await;
    shop.adjust("tea", "a", delivery(1)).await.refused(404, "");
    shop.put("tea", tea()).await;
    assert_eq!(shop.adjust("tea", "a", delivery(1)).await.status, 200);
}

#[actix_web::test]
async fn what_orders_hold_cannot_be_taken_away() {
    let shop = serve().await;
    shop.stock(&[("tea", 10)]).await;
    shop.bench.hear([placed(1, &[("tea", 7)]).into()]).await;
    let refused = shop.adjust("tea", "a", delivery(-4)).await;
    refused.refused(409, "");
    assert_eq!(refused.body["type"], "/problems/below-reserved");
    let detail = "10 are on hand and 7 of them reserved: 4 can't be taken away";
    assert_eq!(refused.body["detail"], detail);
    assert_eq!(shop.adjust("tea", "b", delivery(-3)).await.body, counted(7, 7));
    shop.adjust("tea", "c", delivery(i64::MIN)).await.refused(409, "");
    shop.bench.assert_conserved().await;
}

#[actix_web::test]
async fn a_change_that_cannot_be_names_its_field() {
    let shop = serve().await;
    shop.stock(&[("tea", 1)]).await;
    for (body, named) in [
        (delivery(0), "delta"),
        (delivery(i64::MAX), "delta"),
        (delivery(9_223_372_036_854_775_808_u64), "delta"),
        (delivery(1.5), "delta"),
        (json!({"reason": "delivery"}), "delta"),
        (json!({"delta": 1}), "reason"),
        (json!({"delta": 1, "reason": ""}), "reason"),
        (json!({"delta": 1, "reason": "a\tb"}), "reason"),
        (json!({"delta": 1, "reason": "x".repeat(501)}), "reason"),
        (json!({"delta": 1, "reason": "delivery", "by": "me"}), "by"),
    ] {
        shop.adjust("tea", "wrong", body).await.refused(422, named);
    }
    let call = shop.call(Method::POST, "/tea/stock").json(&delivery(1));
    send(call).await.refused(400, "Idempotency-Key");
    shop.adjust("tea", &"k".repeat(10_000), delivery(1)).await.refused(400, "Idempotency-Key");
    assert_eq!(shop.get("/tea").await.body["stock"], counted(1, 0));
}
