//! What is refused: the status, the kind of problem, the field, and nothing stored.

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::testing::shop::{Answer, Shop, order_of, tea};

/// The usual order with the value at `pointer` replaced.
fn with(pointer: &str, value: Value) -> Value {
    let mut body = tea();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = if parent.is_empty() { Some(&mut body) } else { body.pointer_mut(parent) };
    parent.unwrap()[name] = value;
    body
}

fn without(name: &str) -> Value {
    let mut body = tea();
    body.as_object_mut().unwrap().remove(name);
    body
}

fn quantity(quantity: Value) -> Value {
    let mut body = tea();
    body["lines"][0]["quantity"] = quantity;
    body
}

fn many_lines(count: usize) -> Value {
    let skus: Vec<_> = (0..count).map(|i| format!("sku-{i}")).collect();
    order_of(&skus.iter().map(|sku| (sku.as_str(), 1)).collect::<Vec<_>>())
}

async fn check_nothing_stored(shop: &Shop) {
    let tables = ["orders", "outbox", "idempotency_keys", "deadlines", "timeline"];
    assert_eq!(shop.rows(tables).await, [0; 5]);
}

/// Each body of `table` is a 422 that names the field beside it.
async fn check(table: impl IntoIterator<Item = (Value, &str)>) {
    let shop = Shop::open().await;
    for (body, field) in table {
        let answer = shop.place("k", &body).await;
        answer.is_problem(422, "validation", field);
    }
    check_nothing_stored(&shop).await;
    shop.place("k", &tea()).await.with(201);
}

#[actix_web::test]
async fn wrong_lines_are_refused() {
    check([
        (order_of(&[]), "lines"),
        (quantity(json!(0)), "lines[0].quantity"),
        (quantity(json!(-1)), "lines[0].quantity"),
        (quantity(json!(10_001)), "lines[0].quantity"),
        (quantity(json!(1_u64 << 31)), "lines[0].quantity"),
        (quantity(json!(1_u64 << 32)), "lines[0].quantity"),
        (quantity(json!(1.5)), "lines[0].quantity"),
        (quantity(json!("2")), "lines[0].quantity"),
        (quantity(json!(null)), "lines[0].quantity"),
        (order_of(&[("nothing", 1)]), "lines[0].sku"),
        (order_of(&[("ice", 1)]), "lines[0].sku"),
        (order_of(&[("", 1)]), "lines[0].sku"),
        (order_of(&[("a\nb", 1)]), "lines[0].sku"),
        (order_of(&[("tea", 1), ("book", 1)]), "lines[1].sku"),
        (order_of(&[("gold", 2)]), "lines[0].quantity"),
        (order_of(&[("gold", 1), ("tea", 1)]), "lines[1].quantity"),
        (order_of(&[("tea", 1), ("tea", 1)]), "lines[1].sku"),
        (many_lines(101), "lines"),
        (many_lines(1_000), "lines"),
    ])
    .await;
}

#[actix_web::test]
async fn wrong_recipients_are_refused() {
    let long = "x".repeat(16_385);
    check([
        (with("/shipping_address/country", json!("XX")), "shipping_address.country"),
        (with("/shipping_address/country", json!("de")), "shipping_address.country"),
        (with("/shipping_address/country", json!("DEU")), "shipping_address.country"),
        (with("/shipping_address/name", json!(" ")), "shipping_address.name"),
        (with("/shipping_address/name", json!("a\0b")), "shipping_address.name"),
        (with("/shipping_address/line1", json!("")), "shipping_address.line1"),
        (with("/shipping_address/line2", json!(long)), "shipping_address.line2"),
        (with("/shipping_address/city", json!(long)), "shipping_address.city"),
        (with("/shipping_address/postal_code", json!("\t")), "shipping_address.postal_code"),
        (with("/shipping_address/planet", json!("Mars")), "shipping_address.planet"),
        (with("/email", json!("nobody")), "email"),
        (with("/email", json!("a@c.de\r\nBcc: all@c.de")), "email"),
        (with("/email", json!("a@c.de,b@c.de")), "email"),
        (with("/customer_id", json!("")), "customer_id"),
        (with("/customer_id", json!("c".repeat(101))), "customer_id"),
        (with("/customer_id", json!("c\n")), "customer_id"),
        (with("/session_id", json!("s".repeat(101))), "session_id"),
    ])
    .await;
}

#[actix_web::test]
async fn missing_and_unknown_fields_are_refused() {
    check([
        (without("customer_id"), "customer_id"),
        (without("lines"), "lines"),
        (without("shipping_address"), "shipping_address"),
        (with("/coupon", json!("FREE")), "coupon"),
        (with("/total", json!({ "amount_minor": 1, "currency": "EUR" })), "total"),
        (with("/lines", json!([{ "sku": "tea" }])), "lines[0].quantity"),
        (with("/lines", json!([{ "sku": "tea", "quantity": 1, "price": 1 }])), "lines[0].price"),
        (with("/lines", json!("tea")), "lines"),
        (json!([]), "body"),
        (json!("order"), "body"),
    ])
    .await;
}

async fn place_raw(shop: &Shop, body: impl Into<reqwest::Body>) -> Answer {
    let request = shop.post("/api/v1/orders").header("Idempotency-Key", "k");
    shop.send(request.header(CONTENT_TYPE, "application/json").body(body)).await
}

#[actix_web::test]
async fn what_cannot_be_read_is_refused() {
    let shop = Shop::open().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in ["", "{", "order", "{\"lines\":[}", "[1,]", "{} {}", &deep] {
        place_raw(&shop, body.to_owned()).await.is_problem(400, "bad-request", "");
    }
    place_raw(&shop, b"{\"email\":\"\xff\"}".to_vec()).await.is_problem(400, "bad-request", "");
    let huge = with("/email", json!("x".repeat(256 * 1024)));
    place_raw(&shop, huge.to_string()).await.is_problem(413, "payload-too-large", "");
    let text = shop.post("/api/v1/orders").header("Idempotency-Key", "k");
    let answer = shop.send(text.header(CONTENT_TYPE, "text/plain").body(tea().to_string())).await;
    answer.is_problem(415, "unsupported-media-type", "");
    check_nothing_stored(&shop).await;
}

#[actix_web::test]
async fn a_key_that_is_missing_or_no_key_is_refused() {
    let shop = Shop::open().await;
    let missing = shop.send(shop.post("/api/v1/orders").json(&tea())).await;
    missing.is_problem(400, "bad-request", "Idempotency-Key");
    for key in ["", "two words", &"k".repeat(256), &"k".repeat(10_000)] {
        shop.place(key, &tea()).await.is_problem(400, "bad-request", "Idempotency-Key");
    }
    let twice = shop.post("/api/v1/orders").header("Idempotency-Key", "a");
    let twice = shop.send(twice.header("Idempotency-Key", "b").json(&tea())).await;
    twice.is_problem(400, "bad-request", "Idempotency-Key");
    check_nothing_stored(&shop).await;
    shop.place(&"k".repeat(255), &tea()).await.with(201);
}
