//! A PENDING order that nobody answers is cancelled; the clock is moved by hand.

use std::time::Duration;

use messaging::{deadline_loop::due_now, record::NewRecord};

use crate::{
    domain::Status,
    testing::{events::*, shop::*},
};

const PATIENCE: Duration = Duration::from_secs(15 * 60);

async fn due(shop: &Shop) -> Vec<String> {
    due_now(&shop.app.ctx).await.unwrap()
}

fn header<'r>(record: &'r NewRecord, name: &str) -> &'r str {
    let (_, value) = record.headers.iter().find(|(key, _)| key == name).unwrap();
    std::str::from_utf8(value).unwrap()
}

#[actix_web::test]
async fn an_order_that_waits_too_long_is_cancelled() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    shop.clock.advance(PATIENCE - Duration::from_micros(1));
    assert_eq!(due(&shop).await, [""; 0]);
    shop.clock.advance(Duration::from_micros(1));
    assert_eq!(due(&shop).await, [id.as_str()]);
    assert!(shop.app.executor.due(due(&shop).await).await);
    let order = shop.show(&id).await;
    assert_eq!(order["status"], "CANCELLED");
    let reason = "time-out: stock and shipping did not both answer within 900 s";
    assert_eq!(order["status_reason"], reason);
    assert_eq!(order["updated_at"], "2026-11-21T08:15:00Z");
    assert_eq!((due(&shop).await, shop.rows(["deadlines"]).await), (vec![], [0]));
}

#[actix_web::test]
async fn a_time_out_refers_to_the_order_s_latest_event_and_trace() {
    let shop = Shop::open().await;
    shop.placed().await;
    shop.clock.advance(PATIENCE);
    shop.app.executor.due(due(&shop).await).await;
    let outbox = shop.outbox().await;
    let [(_, placed), (kind, cancelled)] = &outbox[..] else { panic!("{outbox:?}") };
    assert_eq!(kind, "OrderCancelled");
    assert_eq!(header(cancelled, "ce_causationid"), header(placed, "ce_id"));
    let trace = |record| header(record, "traceparent").split('-').nth(1).unwrap().to_owned();
    assert_eq!(trace(cancelled), trace(placed));
}

#[actix_web::test]
async fn a_deadline_that_fires_twice_cancels_once() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    shop.clock.advance(PATIENCE);
    for _ in 0..2 {
        shop.app.executor.due(vec![id.clone(), id.clone()]).await;
    }
    assert_eq!(shop.said().await, ["OrderPlaced", "OrderCancelled"]);
    assert_eq!(shop.show(&id).await["version"], 2);
}

#[actix_web::test]
async fn an_answer_in_time_ends_the_wait() {
    let shop = Shop::open().await;
    for status in [Status::Confirmed, Status::Rejected, Status::Cancelled] {
        let id = shop.placed().await;
        shop.bring(&id, status).await;
    }
    assert_eq!(shop.rows(["deadlines"]).await, [0]);
    shop.clock.advance(PATIENCE);
    assert_eq!(due(&shop).await, [""; 0]);
}

#[actix_web::test]
async fn a_reservation_alone_does_not_end_the_wait() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    shop.hear(stock_reserved(&id), None).await;
    shop.clock.advance(PATIENCE);
    assert_eq!(due(&shop).await, [id.as_str()]);
}

#[actix_web::test]
async fn a_confirmation_at_the_same_moment_beats_the_deadline_and_stays() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    shop.clock.advance(PATIENCE);
    let due = due(&shop).await;
    shop.bring(&id, Status::Confirmed).await;
    shop.app.executor.due(due).await;
    assert_eq!(shop.show(&id).await["status"], "CONFIRMED");
}

#[actix_web::test]
async fn answers_after_the_deadline_change_nothing_but_are_in_the_timeline() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    shop.clock.advance(PATIENCE);
    shop.app.executor.due(due(&shop).await).await;
    let cancelled = shop.show(&id).await;
    shop.hear(stock_reserved(&id), None).await;
    shop.hear(shipment_scheduled(&id), None).await;
    shop.hear(stock_rejected(&id), None).await;
    assert_eq!(shop.show(&id).await, cancelled);
    assert_eq!(shop.timeline(&id).await["events"].as_array().unwrap().len(), 5);
    assert_eq!(shop.said().await, ["OrderPlaced", "OrderCancelled"]);
}

#[actix_web::test]
async fn deadlines_of_orders_that_are_gone_are_forgotten() {
    let shop = Shop::open().await;
    shop.sql("INSERT INTO deadlines VALUES ('no id', 1)").await;
    shop.sql("INSERT INTO deadlines VALUES ('0197c9a0-7c1e-7d4b-9f32-5f0c5f5d8a00', 2)").await;
    shop.app.executor.due(due(&shop).await).await;
    assert_eq!(shop.rows(["deadlines", "orders", "outbox"]).await, [0, 0, 0]);
}
