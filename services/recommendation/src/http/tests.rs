//! Requests that cannot be, and what they are told.

mod rubbish;

use serde_json::{Value, json};

use crate::testing::*;

/// A good entry with these fields set; null leaves one out.
fn with(fields: Value) -> Value {
    let (Value::Object(mut all), Value::Object(fields)) = (click("s", "tent", 0), fields) else {
        panic!()
    };
    for (name, value) in fields {
        if value.is_null() {
            all.remove(&name)
        } else {
            all.insert(name, value)
        };
    }
    Value::Object(all)
}

#[actix_web::test]
async fn one_bad_entry_refuses_all_and_is_named() {
    let world = World::new().await;
    let shop = world.serve().await;
    let long = "x".repeat(101);
    for (fields, named) in [
        (json!({"event_id": null}), "event_id"),
        (json!({"event_id": ""}), "event_id"),
        (json!({"event_id": 7}), "event_id"),
        (json!({"event_id": long}), "event_id"),
        (json!({"session_id": null}), "session_id"),
        (json!({"session_id": ""}), "session_id"),
        (json!({"session_id": long}), "session_id"),
        (json!({"session_id": "a\nb"}), "session_id"),
        (json!({"customer_id": ""}), "customer_id"),
        (json!({"type": null}), "type"),
        (json!({"type": "bought"}), "type"),
        (json!({"type": 1}), "type"),
        (json!({"sku": null}), "sku"),
        (json!({"sku": long}), "sku"),
        (json!({"sku": ["tent"]}), "sku"),
        (json!({"occurred_at": null}), "occurred_at"),
        (json!({"occurred_at": "yesterday"}), "occurred_at"),
        (json!({"occurred_at": 1_700_000_000}), "occurred_at"),
        (json!({"occurred_at": "1970-01-01T00:00:00Z"}), "occurred_at"),
        (json!({"occurred_at": "1999-12-31T23:59:59.999999Z"}), "occurred_at"),
        (json!({"occurred_at": "2026-11-21T08:05:00.000001Z"}), "occurred_at"),
        (json!({"occurred_at": "9999-12-31T23:59:59Z"}), "occurred_at"),
        (json!({"colour": "red"}), "colour"),
    ] {
        let report = json!([click("s", "tent", 0), click("s", "mat", 1), with(fields)]);
        shop.report(report).await.refused(422, &format!("[2].{named}"));
    }
    shop.settle().await;
    assert_eq!(shop.service.observe().await.unwrap().items, 0);
}

#[actix_web::test]
async fn what_is_no_list_of_entries_is_refused() {
    let world = World::new().await;
    let shop = world.serve().await;
    for body in [json!({}), json!("x"), json!(null), click("s", "tent", 0)] {
        shop.report(body).await.refused(422, "body");
    }
    shop.report(json!([1])).await.refused(422, "[0]");
    let many: Vec<_> = (0..501).map(|minute| click("s", "tent", minute % 60)).collect();
    shop.report(Value::Array(many)).await.refused(422, "body");
    let megabyte = json!([with(json!({"session_id": "x".repeat(1 << 20)}))]);
    shop.report(megabyte).await.refused(413, "");
    let empty = shop.report(json!([])).await;
    assert_eq!((empty.status, empty.body), (202, json!({"accepted": 0, "duplicates": 0})));
}

#[actix_web::test]
async fn five_hundred_entries_are_accepted_from_2000_until_five_minutes_from_now() {
    let world = World::new().await;
    let shop = world.serve().await;
    let first = with(json!({"occurred_at": "2000-01-01T00:00:00Z", "event_id": "first"}));
    let last = with(json!({"occurred_at": "2026-11-21T08:05:00Z", "event_id": "last"}));
    let others = (0..498).map(|n| with(json!({"event_id": n.to_string(), "customer_id": "ada"})));
    let report = [first, last].into_iter().chain(others).collect();
    let receipt = shop.report(report).await;
    assert_eq!((receipt.status, receipt.body), (202, json!({"accepted": 500, "duplicates": 0})));
    shop.settle().await;
}

#[actix_web::test]
async fn parameters_that_cannot_be_are_named() {
    let world = World::new().await;
    let shop = world.serve().await;
    let long = "x".repeat(101);
    let fifty_one = vec!["tent"; 51].join(",");
    for (path, named) in [
        ("recommendations?limit=0", "limit"),
        ("recommendations?limit=51", "limit"),
        ("recommendations?limit=many", "limit"),
        ("recommendations?limit=-1", "limit"),
        ("recommendations?page=2", "page"),
        ("recommendations?session_id=", "session_id"),
        (&format!("recommendations?session_id={long}"), "session_id"),
        (&format!("recommendations?sku={long}"), "sku"),
        (&format!("recommendations?customer_id={long}"), "customer_id"),
        (&format!("recommendations?recent={fifty_one}"), "recent"),
        (&format!("recommendations?recent=tent,{long}"), "recent[1]"),
        ("recommendations?sku=a%00b", "sku"),
        ("trending?window=2h", "window"),
        ("trending?window=", "window"),
        ("trending?limit=51", "limit"),
        ("trending?sku=tent", "sku"),
        ("products/tent/related?limit=51", "limit"),
        ("products/tent/related?sku=mat", "sku"),
        (&format!("products/{long}/related"), "sku"),
    ] {
        shop.get(&format!("/{path}")).await.refused(422, named);
    }
    let fifty = vec!["tent"; 50].join(",");
    assert_eq!(shop.get(&format!("/recommendations?recent={fifty}&limit=50")).await.status, 200);
}

#[actix_web::test]
async fn skus_may_have_any_letters() {
    let world = World::new().await;
    world
        .say(
            ["Tée/ 100%", "a,b"]
                .iter()
                .flat_map(|sku| [world.product(sku, true), world.stock(sku, 1)]),
        )
        .await;
    let shop = world.serve().await;
    let clicks = json!([click("s", "Tée/ 100%", 0), click("s", "a,b", 1)]);
    assert_eq!(shop.report(clicks).await.status, 202);
    shop.settle().await;
    assert_eq!(shop.skus("/products/T%C3%A9e%2F%20100%25/related").await, ["a,b"]);
    assert_eq!(shop.skus("/recommendations?recent=a%2Cb").await, ["Tée/ 100%"]);
}

#[actix_web::test]
async fn all_calls_are_described() {
    let world = World::new().await;
    let shop = world.serve().await;
    let url = shop.url.replace("/api/v1", "/api/openapi.json");
    let api: Value = shop.client.get(url).send().await.unwrap().json().await.unwrap();
    for (path, method) in [
        ("/api/v1/activity", "post"),
        ("/api/v1/recommendations", "get"),
        ("/api/v1/products/{sku}/related", "get"),
        ("/api/v1/trending", "get"),
    ] {
        assert_eq!(api["paths"][path][method]["tags"], json!(["recommendation"]), "{path}");
    }
    let schemas = api["components"]["schemas"].as_object().unwrap();
    for name in ["Activity", "ActivityReceipt", "Recommendations", "Recommendation"] {
        assert!(schemas.contains_key(name), "{name}");
    }
}
