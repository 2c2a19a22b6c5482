//! The REST contract of shipments.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::rig::{
    Answer, Rig, cancellation_requested, cancelled, confirmed, placed, reserved, start, start_with,
};

const NONE: &str = "0197c9a0-7c1e-7d4b-9f32-5f0c5f5d8a11";

fn status_of(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["status"].as_str().unwrap()
}

#[track_caller]
fn refused(answer: &Answer, status: u16, kind: &str) {
    let found = (answer.status.as_u16(), answer.kind());
    assert_eq!(found, (status, format!("/problems/{kind}").as_str()), "{answer:?}");
}

#[actix_web::test]
async fn a_shipment_goes_from_scheduled_to_delivered() {
    let mut rig = start().await;
    let order = rig.new_order();
    let id = rig.schedule(order).await;
    let path = format!("/api/v1/shipments/{id}");
    let [dispatch, deliver] = ["dispatch", "deliver"].map(|verb| format!("{path}/{verb}"));

    let scheduled = rig.get(&path).await;
    assert_eq!(scheduled.body["carrier"].as_str().map(str::is_empty), Some(false));
    let tracking_number = scheduled.body["tracking_number"].clone();
    assert!(tracking_number.is_string());
    assert_eq!(scheduled.body["eta"], "2026-11-24T08:00:00Z");
    assert_eq!(status_of(&scheduled), "SCHEDULED");
    refused(&rig.post(&dispatch).await, 409, "not-released");
    refused(&rig.post(&deliver).await, 409, "not-dispatched");

    rig.hear(confirmed(order)).await;
    assert_eq!(status_of(&rig.get(&path).await), "RELEASED");
    refused(&rig.post(&deliver).await, 409, "not-dispatched");
    rig.clock.advance(Duration::from_secs(60));
    assert_eq!(status_of(&rig.post(&dispatch).await), "DISPATCHED");
    assert_eq!(rig.said().await.1.name(), "ShipmentDispatched");
    refused(&rig.post(&dispatch).await, 409, "already-dispatched");
    assert_eq!(rig.hear(cancellation_requested(order)).await, 0, "too late to cancel");
    rig.clock.advance(Duration::from_secs(60));
    assert_eq!(status_of(&rig.post(&deliver).await), "DELIVERED");
    assert_eq!(rig.said().await.1.name(), "ShipmentDelivered");
    refused(&rig.post(&deliver).await, 409, "already-delivered");
    refused(&rig.post(&dispatch).await, 409, "already-delivered");

    assert_eq!(
        rig.get(&path).await.body,
        json!({
            "id": id,
            "order_id": order,
            "status": "DELIVERED",
            "reason": null,
            "carrier": scheduled.body["carrier"],
            "tracking_number": tracking_number,
            "eta": "2026-11-24T08:00:00Z",
            "scheduled_at": "2026-11-21T08:00:00Z",
            "released_at": "2026-11-21T08:00:00Z",
            "dispatched_at": "2026-11-21T08:01:00Z",
            "delivered_at": "2026-11-21T08:02:00Z",
            "cancelled_at": null,
            "refused_at": null,
        })
    );
    rig.stop().await;
}

#[actix_web::test]
async fn a_refused_shipment_has_a_reason_and_no_carrier() {
    let mut rig = start().await;
    let order = rig.new_order();
    rig.hear(placed(order, "AQ")).await;
    rig.hear(reserved(order)).await;
    assert_eq!(rig.said().await.1.name(), "ShipmentRefused");
    let listed = rig.get("/api/v1/shipments?status=REFUSED").await;
    let shipment = &listed.body["items"][0];
    assert_eq!(shipment["order_id"], order.to_string());
    assert_eq!(shipment["reason"], "we do not ship to AQ");
    assert_eq!(shipment["refused_at"], "2026-11-21T08:00:00Z");
    for field in ["carrier", "tracking_number", "eta", "scheduled_at"] {
        assert_eq!(shipment.get(field), Some(&Value::Null), "{field}");
    }
    let path = format!("/api/v1/shipments/{}/dispatch", shipment["id"].as_str().unwrap());
    refused(&rig.post(&path).await, 409, "shipment-refused");
    rig.stop().await;
}

#[actix_web::test]
async fn a_cancelled_shipment_stays() {
    let mut rig = start().await;
    let order = rig.new_order();
    let id = rig.schedule(order).await;
    rig.hear(confirmed(order)).await;
    rig.hear(cancelled(order)).await;
    let found = rig.get(&format!("/api/v1/shipments/{id}")).await;
    assert_eq!(status_of(&found), "CANCELLED");
    assert_eq!(found.body["reason"], "the order was cancelled: time-out");
    for verb in ["dispatch", "deliver"] {
        let path = format!("/api/v1/shipments/{id}/{verb}");
        refused(&rig.post(&path).await, 409, "shipment-cancelled");
    }
    rig.stop().await;
}

async fn ids_of(rig: &Rig, path: &str) -> Vec<String> {
    let answer = rig.get(path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let items = answer.body["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn shipments_are_listed_newest_first_and_in_pages() {
    let mut rig = start().await;
    let mut newest_first = Vec::new();
    let mut orders = Vec::new();
    for _ in 0..5 {
        let order = rig.new_order();
        orders.push(order);
        newest_first.insert(0, rig.schedule(order).await);
    }
    let half_joined = rig.new_order();
    rig.hear(placed(half_joined, "GB")).await;
    rig.hear(confirmed(orders[0])).await;

    assert_eq!(ids_of(&rig, "/api/v1/shipments").await, newest_first);
    assert_eq!(ids_of(&rig, "/api/v1/shipments?status=SCHEDULED").await, newest_first[..4]);
    assert_eq!(ids_of(&rig, "/api/v1/shipments?status=RELEASED").await, newest_first[4..]);
    let of_order = format!("/api/v1/shipments?order_id={}", orders[1]);
    assert_eq!(ids_of(&rig, &of_order).await, newest_first[3..4]);
    assert_eq!(ids_of(&rig, &format!("{of_order}&status=RELEASED")).await, Vec::<String>::new());
    let unknown = format!("/api/v1/shipments?order_id={half_joined}");
    assert_eq!(ids_of(&rig, &unknown).await, Vec::<String>::new());

    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let page = rig.get(&format!("/api/v1/shipments?limit=2{after}")).await.body;
        let items = page["items"].as_array().unwrap().clone();
        paged.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        assert_eq!(items.len(), 2);
        after = format!("&after={next}");
    }
    assert_eq!(paged, newest_first);
    rig.stop().await;
}

#[actix_web::test]
async fn what_is_wrong_with_a_request_is_named() {
    let rig = start().await;
    for (path, field) in [
        ("/api/v1/shipments/42", "id"),
        ("/api/v1/shipments?order_id=42", "order_id"),
        ("/api/v1/shipments?status=LOST", "status"),
        ("/api/v1/shipments?status=scheduled", "status"),
        ("/api/v1/shipments?status=TOMBSTONE", "status"),
        ("/api/v1/shipments?limit=0", "limit"),
        ("/api/v1/shipments?limit=201", "limit"),
        ("/api/v1/shipments?after=nonsense", "after"),
        ("/api/v1/shipments?colour=red", "colour"),
        (&format!("/api/v1/shipments/{NONE}?colour=red"), "colour"),
    ] {
        let answer = rig.get(path).await;
        refused(&answer, 422, "validation");
        assert_eq!(answer.body["errors"][0]["field"], field, "{path}");
    }
    for verb in ["dispatch", "deliver"] {
        refused(&rig.post(&format!("/api/v1/shipments/42/{verb}")).await, 422, "validation");
        let unknown = format!("/api/v1/shipments/{NONE}/{verb}");
        refused(&rig.post(&unknown).await, 404, "not-found");
        refused(&rig.get(&unknown).await, 405, "method-not-allowed");
        let with_field = rig.request(Method::POST, &unknown).json(&json!({ "carrier": "me" }));
        refused(&rig.send(with_field).await, 422, "validation");
    }
    refused(&rig.get(&format!("/api/v1/shipments/{NONE}")).await, 404, "not-found");
    rig.stop().await;
}

#[actix_web::test]
async fn an_empty_body_or_object_is_as_good_as_none() {
    let mut rig = start().await;
    let order = rig.new_order();
    let path = format!("/api/v1/shipments/{}", rig.schedule(order).await);
    rig.hear(confirmed(order)).await;
    let empty = rig.request(Method::POST, &format!("{path}/dispatch")).body("");
    assert_eq!(status_of(&rig.send(empty).await), "DISPATCHED");
    let object = rig.request(Method::POST, &format!("{path}/deliver")).json(&json!({}));
    assert_eq!(status_of(&rig.send(object).await), "DELIVERED");
    rig.stop().await;
}

#[actix_web::test]
async fn only_operators_dispatch_and_deliver_when_a_token_is_configured() {
    let mut rig = start_with(Some("secret")).await;
    let order = rig.new_order();
    let path = format!("/api/v1/shipments/{}", rig.schedule(order).await);
    rig.hear(confirmed(order)).await;
    for (verb, done) in [("dispatch", "DISPATCHED"), ("deliver", "DELIVERED")] {
        let path = format!("{path}/{verb}");
        refused(&rig.post(&path).await, 401, "unauthorized");
        let wrong = rig.request(Method::POST, &path).bearer_auth("guess");
        refused(&rig.send(wrong).await, 401, "unauthorized");
        let right = rig.request(Method::POST, &path).bearer_auth("secret");
        assert_eq!(status_of(&rig.send(right).await), done);
    }
    assert_eq!(status_of(&rig.get(&path).await), "DELIVERED", "everybody may look");
    rig.stop().await;
}

#[actix_web::test]
async fn every_call_is_described() {
    let rig = start().await;
    let api = rig.get("/api/openapi.json").await.body;
    for (path, method) in [
        ("/api/v1/shipments", "get"),
        ("/api/v1/shipments/{id}", "get"),
        ("/api/v1/shipments/{id}/dispatch", "post"),
        ("/api/v1/shipments/{id}/deliver", "post"),
    ] {
        let call = &api["paths"][path][method];
        assert_eq!(call["tags"], json!(["shipping"]), "{path}");
        assert!(call["responses"]["200"].is_object(), "{path}");
    }
    let list = &api["paths"]["/api/v1/shipments"]["get"]["parameters"];
    let names: Vec<_> = list.as_array().unwrap().iter().map(|it| it["name"].as_str()).collect();
    assert_eq!(names, ["limit", "after", "order_id", "status"].map(Some));
    rig.stop().await;
}
