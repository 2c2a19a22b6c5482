//! As much of a shop as the driver and the checker call, with faults that the real one must not have.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// What it does wrong, and what it knows.
#[derive(Debug, Default)]
pub struct FakeShop {
    /// The first so many orders are told to come later.
    pub busy: usize,
    /// The order with this number is acknowledged and forgotten.
    pub forgets: Option<usize>,
    /// So many pieces are reserved without an order.
    pub invents: i64,
    /// Orders, and the keys they came with.
    pub orders: Vec<Value>,
    /// All keys that came.
    pub keys: Vec<String>,
    /// Orders that were acknowledged.
    pub taken: usize,
}

/// Pieces of each product.
pub const STOCK: i64 = 1000;

impl FakeShop {
    /// Opens it; returns where.
    pub async fn open(self) -> (String, Arc<Mutex<Self>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shop = Arc::new(Mutex::new(self));
        let shared = shop.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        (url, shop)
    }

    fn answer(&mut self, request: &str, key: &str, body: &[u8]) -> (&'static str, String) {
        let path = request.split(' ').nth(1).unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        if request.starts_with("POST") {
            return self.place(key, body);
        }
        if path.ends_with("/stream") {
            return ("200 OK", "id: 2\ndata: {\"status\":\"CONFIRMED\"}\n\n".to_owned());
        }
        if path.starts_with("/api/v1/orders/") {
            return ("200 OK", json!({"status": "CONFIRMED"}).to_string());
        }
        let items = match path {
            "/api/v1/products" => self.products(),
            _ => self.orders_of(query),
        };
        ("200 OK", json!({"items": items, "next": null}).to_string())
    }

    fn place(&mut self, key: &str, body: &[u8]) -> (&'static str, String) {
        self.keys.push(key.to_owned());
        if self.busy > 0 {
            self.busy -= 1;
            return ("503 Service Unavailable\r\nRetry-After: 0", "{}".to_owned());
        }
        let mut order: Value = serde_json::from_slice(body).unwrap();
        let number = self.taken;
        self.taken += 1;
        order["id"] = json!(format!("id-{number}"));
        order["status"] = json!("CONFIRMED");
        order["updated_at"] = json!("2026-11-21T08:00:00Z");
        if self.forgets != Some(number) {
            self.orders.push(order.clone());
        }
        ("201 Created", order.to_string())
    }

    fn orders_of(&self, query: &str) -> Vec<Value> {
        let customer = query.split('&').find_map(|part| part.strip_prefix("customer_id="));
        let theirs = |order: &&Value| order["customer_id"].as_str() == customer;
        self.orders.iter().filter(theirs).cloned().collect()
    }

    fn products(&self) -> Vec<Value> {
        let lines = || self.orders.iter().filter_map(|order| order["lines"].as_array()).flatten();
        let product = |number: usize| {
            let sku = format!("run-{number:05}");
            let held = lines().filter(|line| line["sku"] == json!(sku));
            let held: i64 = held.filter_map(|line| line["quantity"].as_i64()).sum();
            json!({"sku": sku, "stock": {"on_hand": STOCK, "reserved": held + self.invents}})
        };
        (0..2).map(product).collect()
    }
}

/// One connection, for as long as it lives.
async fn serve(stream: TcpStream, shop: Arc<Mutex<FakeShop>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut request, mut key, mut length) = (String::new(), String::new(), 0);
        if stream.read_line(&mut request).await.unwrap_or_default() == 0 {
            return;
        }
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            match &*name.to_lowercase() {
                "content-length" => length = value.parse().unwrap(),
                "idempotency-key" => value.clone_into(&mut key),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let (status, text) = shop.lock().unwrap().answer(&request, &key, &body);
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
