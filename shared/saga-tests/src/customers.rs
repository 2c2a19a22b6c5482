//! People who order by HTTP, follow their orders, and ask again when they get no answer; what a
//! running shop is tested with while it is killed.

use std::collections::BTreeMap;

use async_trait::async_trait;
use messaging::retry::Backoff;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use testkit::Random;

/// Answers that say "later" before something is wrong.
const MAX_TRIES: usize = 100_000;
/// The most lines of an order.
const MAX_LINES: usize = 3;

/// Where the calls of a shop are answered.
#[async_trait]
pub trait Front: Clone + Send + Sync {
    /// Who answers calls of this path: a URL without a path.
    fn address(&self, path: &str) -> String;

    /// Whoever was asked last did not answer; returns when somebody else may.
    async fn look_elsewhere(&mut self);
}

/// The products of a shop, and how many pieces there are of each.
pub type Goods = BTreeMap<String, i64>;

/// What became of one order.
pub struct Outcome {
    /// Its idempotency key.
    pub key: String,
    /// Its id, as it was acknowledged.
    pub id: String,
    /// Its last status.
    pub status: String,
}

/// Somebody with a browser.
#[derive(Clone)]
pub struct Customer<F> {
    http: reqwest::Client,
    front: F,
    skus: Vec<String>,
}

impl<F: Front> Customer<F> {
    /// Somebody who knows where the shop is and what it has.
    ///
    /// # Panics
    /// When this machine has no TLS.
    pub fn new(front: F, goods: &Goods) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        Self { http, front, skus: goods.keys().cloned().collect() }
    }

    /// Lists the products and brings their pieces.
    ///
    /// # Panics
    /// When the shop refuses.
    pub async fn fill_shop(&mut self, goods: &Goods) {
        for (sku, pieces) in goods {
            let product = json!({"name": sku, "price": {"amount_minor": 500, "currency": "EUR"}});
            let path = format!("/api/v1/products/{sku}");
            let (status, answer) = self.call(Method::PUT, &path, |r| r.json(&product)).await;
            // An unanswered try may have done it.
            assert!([200, 201].contains(&status), "{answer}");
            let delivery = json!({"delta": pieces, "reason": "a delivery"});
            let send = |r: RequestBuilder| r.header("Idempotency-Key", sku).json(&delivery);
            let (status, answer) = self.call(Method::POST, &format!("{path}/stock"), send).await;
            assert_eq!(status, 200, "{answer}");
        }
    }

    /// Places an order and follows it to its end; `placed` hears when it is accepted. The number
    /// decides what else is done with it.
    ///
    /// # Panics
    /// When the shop breaks its contract.
    pub async fn order(
        &mut self,
        number: usize,
        random: &mut Random,
        placed: impl FnOnce(),
    ) -> Outcome {
        let key = format!("order-{number}");
        let id = self.place(&key, random).await;
        placed();
        if number % 10 == 5 {
            self.cancel(&id).await;
        }
        let mut status = self.follow(&id, &["CONFIRMED"]).await;
        if status == "CONFIRMED" {
            status = self.go_on(&id, number).await;
        }
        Outcome { key, id, status }
    }

    /// What some do with a confirmed order.
    async fn go_on(&mut self, id: &str, number: usize) -> String {
        match number % 5 {
            0 => {
                self.cancel(id).await;
                self.follow(id, &["SHIPPED"]).await
            }
            1 => {
                self.hand_over(id, "dispatch").await;
                self.follow(id, &["SHIPPED"]).await
            }
            2 => {
                self.hand_over(id, "dispatch").await;
                self.hand_over(id, "deliver").await;
                self.follow(id, &[]).await
            }
            3 => {
                let mut operator = self.clone();
                tokio::join!(self.cancel(id), operator.hand_over(id, "dispatch"));
                self.follow(id, &["SHIPPED"]).await
            }
            _ => "CONFIRMED".to_owned(),
        }
    }

    /// Places an order of one to three products, and returns its id.
    ///
    /// # Panics
    /// When the shop breaks its contract.
    pub async fn place(&mut self, key: &str, random: &mut Random) -> String {
        let mut skus: Vec<_> = (0..random.between(1, MAX_LINES))
            .filter_map(|_| random.pick(&self.skus).cloned())
            .collect();
        skus.sort_unstable();
        skus.dedup();
        let line = |sku| json!({"sku": sku, "quantity": random.between(1, 2)});
        let lines: Vec<_> = skus.into_iter().map(line).collect();
        let country = if random.chance(8) { "AQ" } else { "DE" };
        let address = json!({"name": "Ada", "line1": "Inselstr. 1", "city": "Berlin",
            "postal_code": "10179", "country": country});
        let order = json!({"customer_id": "ada", "lines": lines, "shipping_address": address});
        let mut backoff = Backoff::default();
        for _ in 0..MAX_TRIES {
            let send = |r: RequestBuilder| r.header("Idempotency-Key", key).json(&order);
            let (status, answer) = self.call(Method::POST, "/api/v1/orders", send).await;
            match status {
                201 => return text(&answer["id"]),
                // The products may be on their way; or our first try is still in work.
                422 | 409 => backoff.wait().await,
                _ => panic!("{status} {answer}"),
            }
        }
        panic!("{key} is never accepted");
    }

    async fn cancel(&mut self, id: &str) {
        let path = format!("/api/v1/orders/{id}/cancel");
        let (status, answer) = self.call(Method::POST, &path, |request| request).await;
        // It may have ended by itself, or left.
        assert!([202, 409].contains(&status), "{status} {answer}");
    }

    /// Dispatches or delivers, as soon as the shipment is released.
    async fn hand_over(&mut self, id: &str, what: &str) {
        let mut backoff = Backoff::default();
        for _ in 0..MAX_TRIES {
            let list = format!("/api/v1/shipments?order_id={id}");
            let (status, shipments) = self.call(Method::GET, &list, |request| request).await;
            assert_eq!(status, 200, "{shipments}");
            let Some(shipment) = shipments["items"][0]["id"].as_str() else {
                backoff.wait().await;
                continue;
            };
            let path = format!("/api/v1/shipments/{shipment}/{what}");
            let (status, answer) = self.call(Method::POST, &path, |request| request).await;
            let not_yet = answer["type"].as_str().is_some_and(|kind| kind.contains("not-released"));
            if !not_yet {
                // After an unanswered try it is done already; or it was cancelled.
                assert!([200, 409].contains(&status), "{status} {answer}");
                return;
            }
            backoff.wait().await;
        }
        panic!("{id} is never released");
    }

    /// Follows an order's stream until it ends or has one of these statuses.
    async fn follow(&mut self, id: &str, enough: &[&str]) -> String {
        let (mut last, mut backoff) = ("0".to_owned(), Backoff::default());
        loop {
            let path = format!("/api/v1/orders/{id}/stream");
            let mut stream =
                self.send(Method::GET, &path, |r| r.header("Last-Event-ID", last.as_str())).await;
            match stream.status().as_u16() {
                200 => {}
                408 | 429 | 503 => {
                    backoff.wait().await;
                    continue;
                }
                status => panic!("{status} for {path}"),
            }
            let mut text = String::new();
            while let Ok(Some(bytes)) = stream.chunk().await {
                text.push_str(&String::from_utf8_lossy(&bytes));
                while let Some((event, rest)) = text.split_once("\n\n") {
                    let status = read_event(event, &mut last);
                    text = rest.to_owned();
                    if let Some(status) = status
                        && (enough.contains(&&*status) || is_final(&status))
                    {
                        return status;
                    }
                }
            }
            // The shop died, or closed the stream: again, behind what was received.
        }
    }

    /// A call that is repeated until it is answered with more than "later".
    async fn call(
        &mut self,
        method: Method,
        path: &str,
        build: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> (u16, Value) {
        let mut backoff = Backoff::default();
        for _ in 0..MAX_TRIES {
            let response = self.send(method.clone(), path, &build).await;
            let status = response.status().as_u16();
            // An answer that breaks off is none.
            let Ok(body) = response.bytes().await else { continue };
            if ![408, 429, 503].contains(&status) {
                return (status, serde_json::from_slice(&body).unwrap_or_default());
            }
            backoff.wait().await;
        }
        panic!("{method} {path} is never answered");
    }

    /// Sends until somebody answers; after a failure it waits for the next shop.
    async fn send(
        &mut self,
        method: Method,
        path: &str,
        build: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Response {
        loop {
            let url = format!("{}{path}", self.front.address(path));
            match build(self.http.request(method.clone(), url)).send().await {
                Ok(response) => return response,
                Err(_) => self.front.look_elsewhere().await,
            }
        }
    }
}

fn is_final(status: &str) -> bool {
    ["DELIVERED", "REJECTED", "CANCELLED"].contains(&status)
}

/// The status that an event tells of; remembers the event's id.
fn read_event(event: &str, last: &mut String) -> Option<String> {
    let field = |name| event.lines().find_map(|line| line.strip_prefix(name));
    if let Some(id) = field("id: ") {
        *last = id.to_owned();
    }
    let data: Value = serde_json::from_str(field("data: ")?).ok()?;
    Some(text(&data["status"]))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
