//! Listing a product.

use super::*;

#[actix_web::test]
async fn a_product_is_created_then_replaced_and_a_repeat_changes_nothing() {
    let shop = serve().await;
    let full = json!({
        "name": "Tea", "description": "Green.\nFrom a hill.", "category": "drinks",
        "price": {"amount_minor": 450, "currency": "EUR"},
        "image_url": "https://example.org/tea.png", "active": false,
    });
    let stock = json!({"on_hand": 0, "reserved": 0, "available": 0});
    let expected = with(full.clone(), json!({"sku": "tea", "version": 1, "stock": stock}));
    let created = shop.put("tea", full.clone()).await;
    assert_eq!((created.status, &created.body), (201, &expected));
    let again = shop.put("tea", full).await;
    assert_eq!((again.status, &again.body), (200, &expected));
    assert_eq!(shop.get("/tea").await.body, expected);

    let replaced = shop.put("tea", tea()).await;
    let plain = json!({"sku": "tea", "version": 2, "stock": stock, "active": true});
    assert_eq!((replaced.status, replaced.body), (200, with(tea(), plain)));
}

#[actix_web::test]
async fn a_product_keeps_its_stock_when_it_is_replaced() {
    let shop = serve().await;
    shop.stock(&[("tea", 7)]).await;
    let renamed = shop.put("tea", with(tea(), json!({"name": "Green tea"}))).await;
    assert_eq!(renamed.body["stock"], json!({"on_hand": 7, "reserved": 0, "available": 7}));
    assert_eq!(renamed.body["version"], 2);
}

#[actix_web::test]
async fn of_many_who_list_a_product_at_once_one_creates_it() {
    let shop = serve().await;
    let puts = (0..50).map(|_| shop.put("tea", tea()));
    let answers = futures::future::join_all(puts).await;
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(created, 1);
    assert!(answers.iter().all(|answer| answer.body["version"] == 1));
}

#[actix_web::test]
async fn a_sku_may_have_any_letters() {
    let shop = serve().await;
    let created = shop.put("T%C3%A9e%2F%20100%25", tea()).await;
    assert_eq!((created.status, &created.body["sku"]), (201, &json!("Tée/ 100%")));
    assert_eq!(shop.get("/T%C3%A9e%2F%20100%25").await.body, created.body);
}

#[actix_web::test]
async fn a_product_that_cannot_be_is_refused_and_names_the_field() {
    let shop = serve().await;
    let price = |amount: Value, currency: &str| json!({"price": {"amount_minor": amount, "currency": currency}});
    for (fields, named) in [
        (json!({"name": ""}), "name"),
        (json!({"name": null}), "name"),
        (json!({"name": "x".repeat(201)}), "name"),
        (json!({"name": 5}), "name"),
        (json!({"description": "x".repeat(4001)}), "description"),
        (json!({"category": ""}), "category"),
        (json!({"image_url": "javascript:alert(1)"}), "image_url"),
        (json!({"active": "yes"}), "active"),
        (json!({"colour": "red"}), "colour"),
        (json!({"stock": {"on_hand": 5}}), "stock"),
        (json!({"price": null}), "price"),
        (price(json!(-1), "EUR"), "price.amount_minor"),
        (price(json!(4.5), "EUR"), "price.amount_minor"),
        (price(json!(9_223_372_036_854_775_808_u64), "EUR"), "price.amount_minor"),
        (price(json!(1), "euro"), "price.currency"),
    ] {
        shop.put("tea", with(tea(), fields)).await.refused(422, named);
    }
    shop.put(&"x".repeat(101), tea()).await.refused(422, "sku");
    shop.put("a%0Ab", tea()).await.refused(422, "sku");
    shop.get("/tea").await.refused(404, "");
    assert!(shop.bench.said().await.is_empty());
}

#[actix_web::test]
async fn only_operators_change_products_when_a_token_is_set() {
    let shop = serve_with(Some("open-sesame")).await;
    shop.put("tea", tea()).await.refused(401, "");
    shop.adjust("tea", "k", json!({"delta": 1, "reason": "delivery"})).await.refused(401, "");
    let put = || shop.call(Method::PUT, "/tea").json(&tea());
    send(put().bearer_auth("wrong")).await.refused(401, "");
    assert_eq!(send(put().bearer_auth("open-sesame")).await.status, 201);
    assert_eq!(shop.get("/tea").await.status, 200);
    assert_eq!(shop.get("").await.status, 200);
}

#[actix_web::test]
async fn what_a_request_causes_is_in_the_requests_trace() {
    let shop = serve().await;
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    let call = shop.call(Method::PUT, "/tea").json(&tea());
    send(call.header("traceparent", format!("00-{trace_id}-b7ad6b7169203331-01"))).await;
    let (envelope, event) = first_of(&shop.bench, "shop.products").await;
    assert_eq!(event.name(), "ProductChanged");
    assert_eq!((envelope.subject.as_str(), event.key()), ("tea", "tea"));
    assert_eq!(envelope.trace.unwrap().trace_id(), trace_id);
}

/// The first event that reaches `topic`.
async fn first_of(bench: &Bench, topic: &str) -> (events::Envelope, events::Event) {
    use messaging::log::{AT_ONCE, LogEvent};
    let from = bench.log.first_positions(&[topic]).await.unwrap();
    let mut consumer = bench.log.assign(&from, AT_ONCE).await.unwrap();
    loop {
        if let LogEvent::Records(_, records) = consumer.next().await {
            return bench.read(&records[0]).await;
        }
    }
}
