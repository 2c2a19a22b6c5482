//! Webhooks to receivers that work, fail, hang, hang up, redirect and flood.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    receiver::{Mood, Receiver},
    rig::{posting, start},
    words::{cancelled, confirmed, placed},
};
use crate::{channels::signature, domain::Secret};

const PENDING: &str = "/api/v1/notifications?status=PENDING";

fn postponed(items: &[Value]) -> bool {
    items.len() == 1 && items[0]["last_error"].is_string()
}

#[actix_web::test]
async fn a_message_is_signed_as_the_specification_says() {
    let receiver = Receiver::start();
    let rig = start(posting()).await;
    let (id, secret) = rig.webhook(&receiver.url).await;
    let order = rig.new_order();
    rig.hear(placed(order, "ada", Some("ada@example.org"))).await;
    let message = receiver.messages(1).await.remove(0);
    let timestamp: i64 = message.headers["webhook-timestamp"].parse().unwrap();
    let signature = signature::sign(&Secret(secret), message.id(), timestamp, &message.body);
    assert_eq!(Some(&message.headers["webhook-signature"]), signature.as_ref());
    let body: Value = serde_json::from_str(&message.body).unwrap();
    assert_eq!(body["type"], "order.received");
    assert_eq!(body["data"]["order_id"], order.to_string());
    assert_eq!(body["data"]["lines"][0]["sku"], "TEA");
    assert!(!message.body.contains("ada@example.org"), "an address is nobody's business");
    let delivered = rig.until_all(&format!("/api/v1/webhooks/{id}/deliveries"), "SENT").await;
    let number = delivered[0]["id"].as_str().unwrap().replace('-', "");
    assert_eq!(message.id(), format!("msg_{number}"));
    rig.stop().await;
}

#[actix_web::test]
async fn whatever_fails_is_repeated_under_the_same_id() {
    let receiver = Receiver::start();
    let rig = start(posting()).await;
    rig.webhook(&receiver.url).await;
    let moods = [
        Mood::Answers(500),
        Mood::Answers(429),
        Mood::Answers(404),
        Mood::HangsUp,
        Mood::Redirects,
    ];
    receiver.is(moods[0]);
    let mut wishes = json!({"language": "en", "channels": ["log"]});
    wishes["muted"] = json!([]);
    rig.put("/api/v1/customers/ada/preferences", wishes).await;
    rig.hear(placed(rig.new_order(), "ada", None)).await;
    for (n, mood) in moods.iter().enumerate().skip(1) {
        let tried = |items: &[Value]| postponed(items) && items[0]["attempts"] == n;
        rig.until(PENDING, tried).await;
        receiver.is(*mood);
        rig.pass(Duration::from_secs(6 * 60));
    }
    let last = rig.until(PENDING, |items| postponed(items) && items[0]["attempts"] == 5).await;
    assert!(last[0]["last_error"].as_str().unwrap().contains("redirects are not followed"));
    assert!(!last[0]["last_error"].as_str().unwrap().contains("hidden"), "the URL may be secret");
    receiver.is(Mood::Takes);
    rig.pass(Duration::from_secs(3600));
    let messages = receiver.messages(6).await;
    assert!(messages.iter().all(|message| message.id() == messages[0].id()));
    assert!(messages.iter().all(|message| message.path == "/hook"), "no redirect was followed");
    rig.until(PENDING, <[Value]>::is_empty).await;
    rig.stop().await;
}

#[actix_web::test]
async fn a_receiver_that_hangs_delays_nobody_else() {
    let (slow, quick) = (Receiver::start(), Receiver::start());
    slow.is(Mood::Hangs);
    let rig = start(posting()).await;
    rig.webhook(&slow.url).await;
    rig.webhook(&quick.url).await;
    for _ in 0..30 {
        rig.hear(placed(rig.new_order(), "ada", None)).await;
    }
    // Well before the first of the slow one's 15 s are over.
    let all = tokio::time::timeout(Duration::from_secs(10), quick.messages(30)).await;
    assert_eq!(all.expect("the quick one is not delayed").len(), 30);
    assert!(slow.messages(1).await.len() <= 8, "at most so many at once");
    rig.stop().await;
}

#[actix_web::test]
async fn an_answer_without_an_end_is_not_read() {
    let receiver = Receiver::start();
    receiver.is(Mood::Floods);
    let rig = start(posting()).await;
    let (id, _) = rig.webhook(&receiver.url).await;
    rig.post(&format!("/api/v1/webhooks/{id}/test"), json!({})).await;
    rig.until_all(&format!("/api/v1/webhooks/{id}/deliveries"), "SENT").await;
    rig.stop().await;
}

#[actix_web::test]
async fn an_endpoint_that_fails_for_days_is_disabled_and_what_waits_is_given_up() {
    let receiver = Receiver::start();
    receiver.is(Mood::Answers(503));
    let rig = start(posting()).await;
    let (id, _) = rig.webhook(&receiver.url).await;
    let deliveries = format!("/api/v1/webhooks/{id}/deliveries");
    let order = rig.new_order();
    rig.hear(placed(order, "ada", None)).await;
    rig.until(&deliveries, |items| items[0]["last_error"].is_string()).await;
    rig.pass(Duration::from_secs(4 * 24 * 3600));
    let staff = "/api/v1/notifications?status=SENT";
    let told = |items: &[Value]| items.iter().any(|item| item["type"] == "webhook-disabled");
    rig.until(staff, told).await;
    let shown = rig.get(&format!("/api/v1/webhooks/{id}")).await;
    assert_eq!(shown.body["enabled"], false);
    assert_eq!(shown.body["disabled_reason"], "answered 503 Service Unavailable");
    rig.hear(confirmed(order)).await;
    rig.pass(Duration::from_secs(3600));
    rig.until_all(&deliveries, "FAILED").await;
    let enabled = rig.post(&format!("/api/v1/webhooks/{id}/enable"), json!({})).await;
    assert_eq!(enabled.body["enabled"], true);
    receiver.is(Mood::Takes);
    rig.hear(cancelled(order, "customer")).await;
    rig.until(&deliveries, |items| items.iter().any(|item| item["status"] == "SENT")).await;
    rig.stop().await;
}

#[actix_web::test]
async fn an_endpoint_that_is_gone_is_disabled_at_once() {
    let receiver = Receiver::start();
    receiver.is(Mood::Answers(410));
    let rig = start(posting()).await;
    let (id, _) = rig.webhook(&receiver.url).await;
    rig.post(&format!("/api/v1/webhooks/{id}/test"), json!({})).await;
    rig.until_all(&format!("/api/v1/webhooks/{id}/deliveries"), "FAILED").await;
    assert_eq!(rig.get(&format!("/api/v1/webhooks/{id}")).await.body["enabled"], false);
    rig.stop().await;
}

#[actix_web::test]
async fn an_endpoint_is_told_only_what_it_asked_for() {
    let receiver = Receiver::start();
    let rig = start(posting()).await;
    let wanted = json!({"url": receiver.url, "types": ["order-cancelled"]});
    assert_eq!(rig.post("/api/v1/webhooks", wanted).await.status, 201);
    let order = rig.new_order();
    rig.hear(placed(order, "ada", None)).await;
    rig.hear(cancelled(order, "customer")).await;
    let body: Value = serde_json::from_str(&receiver.messages(1).await[0].body).unwrap();
    assert_eq!(body["type"], "order.cancelled");
    rig.stop().await;
}
