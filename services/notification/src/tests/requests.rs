//! The REST contract: pages, refusals, operators.

use reqwest::Method;
use serde_json::json;

use super::{
    receiver::Receiver,
    rig::{posting, start, start_with},
    words::placed,
};
use crate::Config;

#[actix_web::test]
async fn a_list_is_paged_newest_first() {
    let rig = start(posting()).await;
    for _ in 0..5 {
        rig.hear(placed(rig.new_order(), "ada", None)).await;
        rig.pass(std::time::Duration::from_secs(1));
    }
    let mut path = "/api/v1/notifications?customer_id=ada&limit=2".to_owned();
    let mut times = Vec::new();
    loop {
        let page = rig.get(&path).await;
        times.extend(page.items().iter().map(|item| item["created_at"].to_string()));
        let Some(next) = page.body["next"].as_str() else { break };
        path = format!("/api/v1/notifications?customer_id=ada&limit=2&after={next}");
    }
    assert_eq!(times.len(), 5);
    assert!(times.is_sorted_by(|a, b| a > b), "{times:?}");
    rig.stop().await;
}

#[actix_web::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let rig = start(posting()).await;
    for path in [
        "/api/v1/notifications?status=LOST",
        "/api/v1/notifications?order_id=1",
        "/api/v1/notifications?limit=0",
        "/api/v1/notifications?after=x",
        "/api/v1/notifications?color=red",
        "/api/v1/notifications/1",
        "/api/v1/webhooks?limit=500",
    ] {
        let answer = rig.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.kind()),
            (422, "/problems/validation"),
            "{path}"
        );
    }
    for wishes in [
        json!({"language": "german!", "channels": ["email"]}),
        json!({"language": "de", "channels": []}),
        json!({"language": "de", "channels": ["webhook"]}),
        json!({"language": "de", "channels": ["email"], "muted": ["nothing"]}),
        json!({"language": "de", "channels": ["email"], "colour": "red"}),
    ] {
        let answer = rig.put("/api/v1/customers/ada/preferences", wishes.clone()).await;
        assert_eq!(answer.status, 422, "{wishes}: {answer:?}");
    }
    for hook in [
        json!({"url": "example.org"}),
        json!({"url": "ftp://example.org"}),
        json!({"url": "https://ada:secret@example.org"}),
        json!({"url": format!("https://example.org/{}", "x".repeat(2_000))}),
        json!({"url": "https://example.org", "types": ["stock-low"]}),
        json!({"url": "https://example.org", "description": "x".repeat(501)}),
        json!({"url": "https://example.org", "secret": "mine"}),
    ] {
        let answer = rig.post("/api/v1/webhooks", hook.clone()).await;
        assert_eq!(answer.status, 422, "{hook}: {answer:?}");
    }
    rig.stop().await;
}

#[actix_web::test]
async fn preferences_are_kept() {
    let rig = start(posting()).await;
    let path = "/api/v1/customers/ada/preferences";
    let first = rig.get(path).await;
    let default =
        json!({"customer_id": "ada", "language": "en", "channels": ["email"], "muted": []});
    assert_eq!(first.body, default);
    let wishes =
        json!({"language": "de", "channels": ["log", "email"], "muted": ["order-confirmed"]});
    assert_eq!(rig.put(path, wishes.clone()).await.status, 200);
    assert_eq!(rig.put(path, wishes).await.status, 200, "a repeat is the same");
    assert_eq!(rig.get(path).await.body["muted"], json!(["order-confirmed"]));
    assert_eq!(rig.get("/api/v1/customers/bob/preferences").await.body["language"], "en");
    rig.stop().await;
}

#[actix_web::test]
async fn private_addresses_are_refused_unless_they_are_allowed() {
    let rig = start(Config::default()).await;
    for url in [
        "http://example.org",
        "https://127.0.0.1/hook",
        "https://10.1.2.3",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/",
        "https://0x7f.1/",
    ] {
        let answer = rig.post("/api/v1/webhooks", json!({ "url": url })).await;
        assert_eq!(answer.status, 422, "{url}: {answer:?}");
    }
    // A name is resolved when something is sent.
    let (id, _) = rig.webhook("https://localhost:1/hook").await;
    rig.post(&format!("/api/v1/webhooks/{id}/test"), json!({})).await;
    let path = format!("/api/v1/webhooks/{id}/deliveries");
    let tried = rig.until(&path, |items| items[0]["last_error"].is_string()).await;
    let error = tried[0]["last_error"].as_str().unwrap();
    assert!(error.contains("no public address"), "{error}");
    rig.stop().await;
}

#[actix_web::test]
async fn a_secret_is_shown_once() {
    let receiver = Receiver::start();
    let rig = start(posting()).await;
    let (id, secret) = rig.webhook(&receiver.url).await;
    assert!(secret.starts_with("whsec_") && secret.len() > 40);
    let (_, other) = rig.webhook(&receiver.url).await;
    assert_ne!(secret, other);
    for path in ["/api/v1/webhooks".to_owned(), format!("/api/v1/webhooks/{id}")] {
        assert!(!rig.get(&path).await.body.to_string().contains("whsec_"));
    }
    assert_eq!(rig.get("/api/v1/webhooks").await.items().len(), 2);
    let first = rig.get("/api/v1/webhooks?limit=1").await;
    let next = first.text("next");
    let second = rig.get(&format!("/api/v1/webhooks?limit=1&after={next}")).await;
    assert_ne!(first.items()[0]["id"], second.items()[0]["id"]);
    assert_eq!(second.body["next"], json!(null));
    rig.stop().await;
}

#[actix_web::test]
async fn a_disabled_webhook_takes_no_test() {
    let rig = start(posting()).await;
    let (id, _) = rig.webhook(&Receiver::start().url).await;
    let disabled = rig.post(&format!("/api/v1/webhooks/{id}/disable"), json!({})).await;
    assert_eq!(disabled.body["enabled"], false);
    let test = rig.post(&format!("/api/v1/webhooks/{id}/test"), json!({})).await;
    assert_eq!((test.status.as_u16(), test.kind()), (409, "/problems/webhook-disabled"));
    rig.stop().await;
}

#[actix_web::test]
async fn what_is_not_there_is_not_found() {
    let rig = start(posting()).await;
    let id = "0197c9a0-7c1e-7d4b-9f32-5f0c5f5d8a11";
    for (method, path) in [
        (Method::GET, format!("/api/v1/notifications/{id}")),
        (Method::POST, format!("/api/v1/notifications/{id}/resend")),
        (Method::GET, format!("/api/v1/webhooks/{id}")),
        (Method::GET, format!("/api/v1/webhooks/{id}/deliveries")),
        (Method::POST, format!("/api/v1/webhooks/{id}/test")),
        (Method::POST, format!("/api/v1/webhooks/{id}/disable")),
        (Method::POST, format!("/api/v1/webhooks/{id}/enable")),
    ] {
        let answer = rig.ask(method, &path).await;
        assert_eq!((answer.status.as_u16(), answer.kind()), (404, "/problems/not-found"), "{path}");
    }
    rig.stop().await;
}

#[actix_web::test]
async fn what_was_only_kept_cannot_be_sent_again() {
    let rig = start(posting()).await;
    rig.hear(placed(rig.new_order(), "ada", None)).await;
    let listed = rig.get("/api/v1/notifications").await;
    let id = listed.items()[0]["id"].as_str().unwrap();
    let again = rig.post(&format!("/api/v1/notifications/{id}/resend"), json!({})).await;
    assert_eq!((again.status.as_u16(), again.kind()), (409, "/problems/nothing-to-send"));
    rig.stop().await;
}

#[actix_web::test]
async fn operators_calls_need_the_token() {
    let rig = start_with(posting(), Some("secret")).await;
    let id = "0197c9a0-7c1e-7d4b-9f32-5f0c5f5d8a11";
    for (method, path) in [
        (Method::GET, format!("/api/v1/notifications/{id}")),
        (Method::POST, format!("/api/v1/notifications/{id}/resend")),
        (Method::GET, "/api/v1/webhooks".into()),
        (Method::POST, "/api/v1/webhooks".into()),
        (Method::GET, format!("/api/v1/webhooks/{id}")),
        (Method::GET, format!("/api/v1/webhooks/{id}/deliveries")),
        (Method::POST, format!("/api/v1/webhooks/{id}/test")),
        (Method::POST, format!("/api/v1/webhooks/{id}/disable")),
        (Method::POST, format!("/api/v1/webhooks/{id}/enable")),
    ] {
        assert_eq!(rig.ask(method.clone(), &path).await.status, 401, "{method} {path}");
        let shown = rig.request(method.clone(), &path).bearer_auth("secret");
        assert_ne!(rig.send(shown).await.status, 401, "{method} {path}");
    }
    assert_eq!(rig.get("/api/v1/notifications").await.status, 200);
    rig.stop().await;
}

#[actix_web::test]
async fn every_call_is_described() {
    let rig = start(posting()).await;
    let api = rig.get("/api/openapi.json").await.body;
    let paths: Vec<_> = api["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths.len(), 10, "{paths:?}");
    rig.stop().await;
}
