//! Paths, queries and headers.

use platform::Cursor;
use serde_json::json;

use crate::{answered, app, client::Call, refused};

fn place() -> Call {
    Call::new("POST", "/orders").json(r#"{"customer_id": "c", "lines": []}"#)
}

#[actix_web::test]
async fn a_path_with_a_wrong_id_names_the_parameter() {
    let to = app::start(None);
    for id in ["42", "%20", "0197c9a0-7c1e-7d4b-9f32", "%FF", "%00", "%"] {
        refused(to, Call::new("POST", &format!("/orders/{id}/cancel")), 422, "id").await;
    }
    for sku in ["a%0Ab", "%00", "%FF", "a%FFb", "%E2%82", &"s".repeat(101)] {
        refused(to, Call::get(&format!("/products/{sku}")), 422, "sku").await;
    }
}

#[actix_web::test]
async fn a_sku_is_percent_decoded_once() {
    let to = app::start(None);
    for (path, sku) in [
        ("plain", "plain"),
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("a%2Bb", "a+b"),
        ("a%2Fb", "a/b"),
        ("a%2fb", "a/b"),
        ("100%25", "100%"),
        ("%252F", "%2F"),
        ("caf%C3%A9", "café"),
        ("%EF%BF%BD", "\u{FFFD}"),
        (&"%C3%A9".repeat(100), &"é".repeat(100)),
    ] {
        let answer = json!({ "sku": sku, "recent": null, "days": null });
        answered(to, Call::get(&format!("/products/{path}")), answer).await;
    }
}

#[actix_web::test]
async fn a_query_is_read_into_its_types() {
    let to = app::start(None);
    for (query, recent, days) in [
        ("", json!(null), json!(null)),
        ("recent=a,b%2Cc,d+e&days=-7", json!(["a", "b,c", "d e"]), json!(-7)),
        ("&&recent=&days=%35&", json!([]), json!(5)),
    ] {
        let answer = json!({ "sku": "s", "recent": recent, "days": days });
        answered(to, Call::get(&format!("/products/s?{query}")), answer).await;
    }
}

#[actix_web::test]
async fn a_query_with_a_wrong_parameter_names_it() {
    let to = app::start(None);
    for (query, field) in [
        ("days=seven", "days"),
        ("days=", "days"),
        ("days", "days"),
        ("days=128", "days"),
        ("days=1&days=2", "days"),
        ("days=%FF", "days"),
        ("recent=a,,b", "recent[1]"),
        ("recent=a%00b", "recent[0]"),
        ("colour=red", "colour"),
        ("d%61ys=1&limit=1", "limit"),
    ] {
        refused(to, Call::get(&format!("/products/s?{query}")), 422, field).await;
    }
}

#[actix_web::test]
async fn a_list_knows_its_page_and_its_filters() {
    let to = app::start(None);
    let Ok(cursor) = Cursor::encode(&("order-7", 3)) else { panic!("a pair can be written") };
    let cursor = serde_json::to_value(cursor).unwrap();
    let after = cursor.as_str().unwrap();
    assert!(after.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    let query = format!("limit=200&after={after}&customer_id=c&status=PENDING&urgent=true");
    answered(
        to,
        Call::get(&format!("/orders?{query}")),
        json!({ "limit": 200, "after": ["order-7", 3], "customer_id": "c", "pending": true, "urgent": true }),
    )
    .await;
    answered(
        to,
        Call::get("/orders"),
        json!({ "limit": 50, "after": null, "customer_id": null, "pending": null, "urgent": null }),
    )
    .await;
}

#[actix_web::test]
async fn a_list_refuses_a_wrong_page_or_filter() {
    let to = app::start(None);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=1e1", "limit"),
        ("limit=4294967296", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("after=", "after"),
        ("after=nonsense!", "after"),
        ("after=bm9uc2Vuc2U", "after"),
        ("after=WzEsMl0", "after"),
        ("after=%00", "after"),
        ("customer_id=", "customer_id"),
        ("status=pending", "status"),
        ("urgent=yes", "urgent"),
        ("page=2", "page"),
    ] {
        refused(to, Call::get(&format!("/orders?{query}")), 422, field).await;
    }
}

#[actix_web::test]
async fn an_idempotency_key_is_needed_and_visible_ascii() {
    let to = app::start(None);
    refused(to, place(), 400, "Idempotency-Key").await;
    for key in ["", "two words", "schlüssel", &"k".repeat(256), &"k".repeat(10_000)] {
        refused(to, place().header("Idempotency-Key", key), 400, "Idempotency-Key").await;
    }
    refused(to, place().header("Idempotency-Key", b"\xff"), 400, "Idempotency-Key").await;
    let twice = place().header("Idempotency-Key", "a").header("Idempotency-Key", "b");
    refused(to, twice, 400, "Idempotency-Key").await;
    let key = "k".repeat(255);
    let answer = place().header("idempotency-key", &key).send(to).await;
    assert_eq!((answer.status, answer.body["key"].as_str()), (201, Some(key.as_str())));
}

#[actix_web::test]
async fn the_same_request_in_another_spelling_has_the_same_hash_and_another_has_not() {
    let to = app::start(None);
    let mut hashes = Vec::new();
    for body in [
        r#"{"customer_id": "c", "lines": []}"#,
        r#"{"lines":[],"customer_id":"\u0063"}"#,
        r#"{"lines":[],"customer_id":"d"}"#,
    ] {
        let call = Call::new("POST", "/orders").header("Idempotency-Key", "k").json(body);
        hashes.push(call.send(to).await.body["hash"].clone());
    }
    assert_eq!(hashes[0], hashes[1]);
    assert_ne!(hashes[0], hashes[2]);
}
