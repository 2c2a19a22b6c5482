mod catalogue;
mod products;
mod stock;

use std::{net::TcpListener, sync::Arc};

use futures::future::LocalBoxFuture;
use messaging::log::EventLog;
use platform::{
    OperatorToken,
    host::{self, Hosted},
};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::routes;
use crate::testing::Bench;

/// The service on a port of its own, with all its actors.
struct Served {
    bench: Bench,
    url: String,
    client: Client,
    /// Stops the actors; dropping it would stop the writers.
    _stop: Box<dyn FnOnce() -> LocalBoxFuture<'static, ()>>,
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: Value,
}

async fn serve() -> Served {
    serve_with(None).await
}

async fn serve_with(token: Option<&str>) -> Served {
    let bench = Bench::temporary().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let inventory: Arc<dyn Hosted> = host::host(bench.app.clone(), routes);
    let log: Arc<dyn EventLog> = Arc::new(bench.log.clone());
    let token = OperatorToken::new(token).unwrap();
    let nothing: host::Extra = Arc::new(|_| ());
    let server =
        host::serve(listener, std::slice::from_ref(&inventory), &log, token, nothing).unwrap();
    actix_web::rt::spawn(server);
    let client = Client::builder().no_proxy().build().unwrap();
    Served { bench, url, client, _stop: inventory.start() }
}

impl Served {
    fn call(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}/api/v1/products{path}", self.url))
    }

    async fn get(&self, path: &str) -> Answer {
        send(self.call(Method::GET, path)).await
    }

    async fn put(&self, sku: &str, body: Value) -> Answer {
        send(self.call(Method::PUT, &format!("/{sku}")).json(&body)).await
    }

    async fn adjust(&self, sku: &str, key: &str, body: Value) -> Answer {
        let call = self.call(Method::POST, &format!("/{sku}/stock"));
        send(call.header("Idempotency-Key", key).json(&body)).await
    }

    /// Lists products with nothing special about them, and so many pieces.
    async fn stock(&self, pairs: &[(&str, i64)]) {
        for (sku, delta) in pairs {
            assert_eq!(self.put(sku, tea()).await.status, 201);
            let delivery = json!({"delta": delta, "reason": "delivery"});
            assert_eq!(self.adjust(sku, sku, delivery).await.status, 200);
        }
    }
}

async fn send(call: reqwest::RequestBuilder) -> Answer {
    let response = call.send().await.unwrap();
    let status = response.status().as_u16();
    Answer { status, body: response.json().await.unwrap() }
}

impl Answer {
    /// Asserts a problem document of this status that names this field (`""`: none).
    #[track_caller]
    fn refused(&self, status: u16, field: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        let named = self.body["errors"][0]["field"].as_str().unwrap_or_default();
        assert_eq!(named, field, "{self:?}");
    }
}

fn tea() -> Value {
    json!({"name": "Tea", "price": {"amount_minor": 450, "currency": "EUR"}})
}

/// `base` with these fields set; null leaves one out.
fn with(base: Value, fields: Value) -> Value {
    let (Value::Object(mut all), Value::Object(fields)) = (base, fields) else { panic!() };
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
async fn all_calls_are_described() {
    let shop = serve().await;
    let call = shop.client.get(format!("{}/api/openapi.json", shop.url));
    let api = send(call).await.body;
    for (path, method) in [
        ("/api/v1/products", "get"),
        ("/api/v1/products/{sku}", "get"),
        ("/api/v1/products/{sku}", "put"),
        ("/api/v1/products/{sku}/stock", "post"),
    ] {
        let described = &api["paths"][path][method];
        assert_eq!(described["tags"], json!(["inventory"]), "{method} {path}");
        let parameters = described["parameters"].as_array().unwrap();
        assert!(
            parameters.iter().all(|parameter| parameter["schema"].is_object()),
            "{parameters:?}"
        );
    }
    let schemas = api["components"]["schemas"].as_object().unwrap();
    for name in ["Product", "Stock", "PutProduct", "AdjustStock"] {
        assert!(schemas.contains_key(name), "{name}");
    }
}
