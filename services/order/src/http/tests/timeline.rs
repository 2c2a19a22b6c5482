//! An order's story: every event of its saga, what caused it, and what the order waits for.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::testing::{events::*, shop::*};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const DEADLINE: &str = "2026-11-21T08:15:00Z";

fn types(timeline: &Value) -> Vec<&str> {
    let events = timeline["events"].as_array().unwrap();
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

/// The id of the latest event of this type.
fn event_id(timeline: &Value, kind: &str) -> Uuid {
    let mut events = timeline["events"].as_array().unwrap().iter().rev();
    let event = events.find(|event| event["type"] == kind).unwrap();
    event["event_id"].as_str().unwrap().parse().unwrap()
}

/// Only the first event has no cause; every cause stands before its effect.
fn check_causes(timeline: &Value) {
    let mut seen = vec![];
    for event in timeline["events"].as_array().unwrap() {
        let cause = event["causation_id"].as_str();
        assert_eq!(cause.is_none(), event["type"] == "OrderPlaced", "{event}");
        assert!(cause.is_none_or(|cause| seen.contains(&cause)), "{event}");
        seen.push(event["event_id"].as_str().unwrap());
    }
}

/// Places an order in the trace, and returns its id and its first event's.
async fn place(shop: &Shop) -> (String, Uuid) {
    let request = shop.post("/api/v1/orders").header("Idempotency-Key", "k").json(&tea());
    let request = request.header("traceparent", format!("00-{TRACE}-b7ad6b7169203331-01"));
    let id = shop.send(request).await.created();
    let placed = event_id(&shop.timeline(&id).await, "OrderPlaced");
    (id, placed)
}

#[actix_web::test]
async fn an_order_is_in_its_timeline_with_its_own_transaction() {
    let shop = Shop::open().await;
    let (id, placed) = place(&shop).await;
    let timeline = shop.timeline(&id).await;
    let expected = json!({
        "order_id": id,
        "status": "PENDING",
        "events": [{
            "event_id": placed,
            "type": "OrderPlaced",
            "service": "order",
            "occurred_at": "2026-11-21T08:00:00Z",
            "causation_id": null,
            "trace_id": TRACE,
            "summary": "1 line for 9.98 EUR",
        }],
        "waiting_for": {
            "service": "inventory",
            "events": ["StockReserved", "StockRejected"],
            "until": DEADLINE,
        },
    });
    assert_eq!(timeline, expected);
}

#[actix_web::test]
async fn causes_come_before_effects_however_events_arrive() {
    let shop = Shop::open().await;
    let (id, placed) = place(&shop).await;
    let clock = &*shop.clock;
    // Inventory's clock is ahead, and shipping's event overtakes inventory's.
    clock.advance(Duration::from_secs(60));
    let reserved = arrived(outgoing(clock, &stock_reserved(&id), Some(placed)));
    clock.advance(Duration::from_secs(1));
    let cause = reserved.header("ce_id").unwrap().parse().unwrap();
    shop.hear(shipment_scheduled(&id), Some(cause)).await;
    shop.deliver([reserved.clone()]).await;
    shop.deliver([reserved]).await;
    let timeline = shop.timeline(&id).await;
    let expected = ["OrderPlaced", "StockReserved", "ShipmentScheduled", "OrderConfirmed"];
    assert_eq!(types(&timeline), expected);
    check_causes(&timeline);
    assert_eq!(timeline["status"], "CONFIRMED");
}

#[actix_web::test]
async fn requests_and_events_continue_the_order_s_story() {
    let shop = Shop::open().await;
    let (id, placed) = place(&shop).await;
    let reserved = shop.hear(stock_reserved(&id), Some(placed)).await;
    shop.hear(shipment_scheduled(&id), Some(reserved)).await;
    shop.cancel(&id).await.with(202);
    let asked = event_id(&shop.timeline(&id).await, "OrderCancellationRequested");
    shop.hear(shipment_cancelled(&id), Some(asked)).await;
    let cancelled = event_id(&shop.timeline(&id).await, "OrderCancelled");
    shop.hear(stock_released(&id), Some(cancelled)).await;
    let timeline = shop.timeline(&id).await;
    check_causes(&timeline);
    let expected = [
        "OrderPlaced",
        "StockReserved",
        "ShipmentScheduled",
        "OrderConfirmed",
        "OrderCancellationRequested",
        "ShipmentCancelled",
        "OrderCancelled",
        "StockReleased",
    ];
    assert_eq!(types(&timeline), expected);
    let confirmed = event_id(&timeline, "OrderConfirmed").to_string();
    assert_eq!(timeline["events"][4]["causation_id"], confirmed);
    let scheduled = timeline["events"][2]["trace_id"].clone();
    assert_eq!(timeline["events"][3]["trace_id"], scheduled);
}

#[actix_web::test]
async fn a_request_continues_the_trace_of_its_order() {
    let shop = Shop::open().await;
    let (id, placed) = place(&shop).await;
    let other = "00-11111111111111111111111111111111-b7ad6b7169203331-01";
    let cancel = shop.post(&format!("/api/v1/orders/{id}/cancel")).header("traceparent", other);
    shop.send(cancel).await.with(202);
    let timeline = shop.timeline(&id).await;
    assert_eq!(types(&timeline), ["OrderPlaced", "OrderCancelled"]);
    assert_eq!(timeline["events"][1]["causation_id"], placed.to_string());
    assert_eq!(timeline["events"][1]["trace_id"], TRACE);
}

#[actix_web::test]
async fn an_order_says_what_it_waits_for() {
    let shop = Shop::open().await;
    let (id, _) = place(&shop).await;
    let waits = async |service: &str, events: &[&str], until: Option<&str>| {
        let expected = json!({ "service": service, "events": events, "until": until });
        assert_eq!(shop.timeline(&id).await["waiting_for"], expected);
    };
    waits("inventory", &["StockReserved", "StockRejected"], Some(DEADLINE)).await;
    shop.hear(stock_reserved(&id), None).await;
    waits("shipping", &["ShipmentScheduled", "ShipmentRefused"], Some(DEADLINE)).await;
    shop.hear(shipment_scheduled(&id), None).await;
    waits("shipping", &["ShipmentDispatched"], None).await;
    shop.cancel(&id).await.with(202);
    waits("shipping", &["ShipmentCancelled", "ShipmentDispatched"], None).await;
    shop.hear(shipment_dispatched(&id), None).await;
    waits("shipping", &["ShipmentDelivered"], None).await;
    shop.hear(shipment_delivered(&id), None).await;
    assert_eq!(shop.timeline(&id).await["waiting_for"], json!(null));
}

#[actix_web::test]
async fn a_finished_order_waits_for_nothing() {
    let shop = Shop::open().await;
    let (rejected, refused) = (shop.placed().await, shop.placed().await);
    shop.hear(stock_rejected(&rejected), None).await;
    shop.hear(shipment_refused(&refused), None).await;
    for id in [rejected, refused] {
        assert_eq!(shop.timeline(&id).await["waiting_for"], json!(null));
    }
}

#[actix_web::test]
async fn an_event_is_in_the_timeline_of_the_order_it_is_keyed_by() {
    let shop = Shop::open().await;
    let (id, placed) = place(&shop).await;
    let mut record = arrived(outgoing(&*shop.clock, &stock_reserved(&id), Some(placed)));
    // A foreign producer may correlate by something of its own, or by nothing.
    record.headers.retain(|(name, _)| name != "ce_correlationid" && name != "ce_subject");
    shop.deliver([record]).await;
    assert_eq!(types(&shop.timeline(&id).await), ["OrderPlaced", "StockReserved"]);
}
