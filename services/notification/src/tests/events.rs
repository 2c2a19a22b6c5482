//! What becomes of events: rows, once, in the transaction that marks them as heard.

use std::time::Duration;

use events::Event;
use serde_json::json;

use super::{
    rig::{mailing, posting, start},
    smtp::Smtp,
    words::{cancelled, confirmed, dispatched, level, placed},
};

#[actix_web::test]
async fn an_order_is_told_in_the_log_when_nothing_else_is_configured() {
    let rig = start(posting()).await;
    let order = rig.new_order();
    rig.hear(placed(order, "ada", Some("ada@example.org"))).await;
    rig.hear(confirmed(order)).await;
    rig.hear(dispatched(order)).await;
    for query in [format!("order_id={order}"), "customer_id=ada".into(), "status=SENT".into()] {
        let listed = rig.get(&format!("/api/v1/notifications?{query}")).await;
        let types: Vec<_> = listed.items().iter().map(|item| item["type"].clone()).collect();
        assert_eq!(types.len(), 3, "{listed:?}");
        for kind in ["order-received", "order-confirmed", "order-shipped"] {
            assert!(types.contains(&json!(kind)), "{types:?}");
        }
        assert!(listed.items().iter().all(|item| item["channel"] == "log"));
    }
    let nobody = rig.get("/api/v1/notifications?customer_id=bob").await;
    assert_eq!(nobody.items().len(), 0);
    rig.stop().await;
}

#[actix_web::test]
async fn an_event_that_is_heard_again_tells_nothing_new() {
    let rig = start(posting()).await;
    let order = rig.new_order();
    let record = rig.record(placed(order, "ada", None));
    assert_eq!(rig.hear_all(&[record.clone(), record.clone()]).await, 1);
    assert_eq!(rig.hear_all(&[record]).await, 0);
    assert_eq!(rig.hear(placed(order, "ada", None)).await, 0, "also under another id");
    rig.stop().await;
}

#[actix_web::test]
async fn what_is_heard_before_its_order_is_told_after_it() {
    let rig = start(posting()).await;
    let order = rig.new_order();
    assert_eq!(rig.hear(dispatched(order)).await, 0);
    assert_eq!(rig.hear(placed(order, "ada", None)).await, 2);
    let listed = rig.get(&format!("/api/v1/notifications?order_id={order}")).await;
    assert_eq!(listed.items().len(), 2);
    rig.stop().await;
}

#[actix_web::test]
async fn many_events_of_the_same_order_share_a_transaction() {
    let rig = start(posting()).await;
    let order = rig.new_order();
    let records = [
        rig.record(placed(order, "ada", None)),
        rig.record(confirmed(order)),
        rig.record(level(1, true)),
        rig.record(dispatched(order)),
    ];
    assert_eq!(rig.hear_all(&records).await, 4);
    rig.stop().await;
}

#[actix_web::test]
async fn what_was_told_is_said_and_caused_by_its_event() {
    let rig = start(posting()).await;
    let order = rig.new_order();
    let record = rig.record(placed(order, "ada", None));
    rig.hear_all(std::slice::from_ref(&record)).await;
    let said = rig.said(1).await;
    let (envelope, Event::NotificationSent(sent)) = &said[0] else { panic!("{said:?}") };
    assert_eq!(envelope.subject, order.to_string());
    assert_eq!(envelope.causation_id.map(|id| id.to_string()).as_deref(), record.header("ce_id"));
    let trace = record.header("traceparent").unwrap();
    let ours = envelope.trace.as_ref().unwrap().traceparent();
    assert_eq!(ours[..35], trace[..35], "the order's trace goes on");
    assert_eq!((sent.customer_id.as_str(), sent.kind.as_str()), ("ada", "order-received"));
    assert_eq!((sent.channel.as_str(), sent.audience.as_str()), ("log", "customer"));
    rig.stop().await;
}

#[actix_web::test]
async fn the_staff_is_told_of_low_stock_late_orders_and_timed_out_ones() {
    let smtp = Smtp::start().await;
    let rig = start(mailing(smtp.port)).await;
    rig.hear(level(1, true)).await;
    rig.hear(level(2, true)).await;
    let order = rig.new_order();
    rig.hear(placed(order, "ada", None)).await;
    rig.pass(Duration::from_secs(301));
    // The low stock and the order that still waits.
    smtp.mails(2).await;
    rig.hear(cancelled(order, "time-out")).await;
    let mails = smtp.mails(3).await;
    for subject in ["Subject: TEA is low: 2 left", "still waits", "timed out"] {
        assert!(mails.iter().any(|mail| mail.contains(subject)), "{subject}: {mails:#?}");
    }
    assert!(mails.iter().all(|mail| mail.contains("\nTo: ops@example.org")));
    rig.stop().await;
}

#[actix_web::test]
async fn a_dead_letter_of_any_service_is_told_to_the_staff_once() {
    use messaging::{dead_letters, record::NewRecord};
    let rig = start(posting()).await;
    let record = rig.record(level(1, true));
    let dead = dead_letters::outgoing("shipping", &record, "cannot decode", Default::default());
    let NewRecord { topic, key, value, headers } = dead.record;
    let producer = rig.log.producer(None).await.unwrap();
    producer.append(vec![NewRecord { topic, key, value, headers }]).await.unwrap();
    let letters =
        crate::sender::Letters::new(rig.app.ctx.clone(), rig.app.executor.clone(), rig.log.clone());
    letters.look("shipping").await.unwrap();
    assert_eq!(letters.look("shipping").await, Ok(0));
    let listed = rig.get("/api/v1/notifications").await;
    assert_eq!(listed.items().len(), 1, "{listed:?}");
    assert_eq!(listed.items()[0]["type"], "dead-letter");
    let id = listed.items()[0]["id"].as_str().unwrap();
    let shown = rig.get(&format!("/api/v1/notifications/{id}")).await;
    assert!(shown.text("text").contains("cannot decode"), "{shown:?}");
    rig.stop().await;
}
