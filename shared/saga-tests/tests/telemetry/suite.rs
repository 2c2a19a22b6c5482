//! All services in this process behind one listener, as the `shop` binary has them. With
//! `TEST_KAFKA` their events go through that broker, with `TEST_REGISTRY` their schemas are in that
//! registry, with `TEST_POSTGRES` their rows are on that server.

use std::{net::TcpListener, path::Path, sync::Arc, time::Duration};

use actix_web::{HttpResponse, web};
use events::{Codec, topics};
use futures::future::LocalBoxFuture;
use kernel::Clock as _;
use messaging::{
    app::Platform,
    embedded::{EmbeddedLog, Settings},
    kafka::{KafkaConfig, KafkaLog},
    log::EventLog,
    telemetry::Telemetry,
};
use platform::{
    OperatorToken, SystemClock,
    host::{self, Hosted},
};
use reqwest::{Client, Response};
use schema_registry_converter::async_impl::schema_registry::SrSettings;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::TempDatabases;

/// How often a product may not be orderable yet, or a trace not be there.
pub const TRIES: usize = 5_000;

/// How long they may take to be ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// The services at work.
pub struct Suite {
    pub url: String,
    pub client: Client,
    pub log: Arc<dyn EventLog>,
    stops: Vec<Box<dyn FnOnce() -> LocalBoxFuture<'static, ()>>>,
    _files: (TempDir, TempDatabases),
}

/// The value of a variable that names a server of the tests.
pub fn variable(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}

fn log(dir: &TempDir) -> Arc<dyn EventLog> {
    let Some(broker) = variable("TEST_KAFKA") else {
        return Arc::new(
            EmbeddedLog::open(dir.path(), Settings::new(Arc::new(SystemClock))).unwrap(),
        );
    };
    let prefix = format!("test-{}-", SystemClock.new_id().simple());
    Arc::new(KafkaLog::connect(KafkaConfig { prefix, ..KafkaConfig::new(broker) }).unwrap())
}

fn codec() -> Codec {
    let Some(url) = variable("TEST_REGISTRY") else { return Codec::fixed() };
    Codec::new(SrSettings::new_builder(url).no_proxy().build().unwrap())
}

async fn services(platform: &Platform, dir: &Path) -> Vec<Arc<dyn Hosted>> {
    let order = order_service::build(Default::default(), platform).await.unwrap();
    let inventory = inventory_service::build(Default::default(), platform).await.unwrap();
    let shipping = shipping_service::build(Default::default(), platform).await.unwrap();
    let notification =
        notification_service::Config { allow_private_webhooks: true, ..Default::default() };
    let notification = notification_service::build(notification, platform).await.unwrap();
    let recommendation = recommendation_service::Config::new(dir.join("recommendation"));
    vec![
        host::host(order, order_service::http::routes),
        host::host(inventory, inventory_service::http::routes),
        host::host(shipping, shipping_service::http::routes),
        host::host(notification, notification_service::http::routes),
        Arc::new(recommendation_service::build(recommendation, platform).unwrap()),
    ]
}

impl Suite {
    /// Starts them, with tea to sell.
    pub async fn start(telemetry: Telemetry) -> Self {
        let files = (tempfile::tempdir().unwrap(), TempDatabases::new());
        let platform = Platform {
            log: log(&files.0),
            codec: Arc::new(codec()),
            clock: Arc::new(SystemClock),
            databases: files.1.databases(),
            telemetry,
        };
        let all: Vec<_> = topics::ALL.iter().copied().chain(topics::DEAD_LETTERS).collect();
        platform.log.ensure_topics(&all).await.unwrap();
        let services = services(&platform, files.0.path()).await;
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let token = OperatorToken::new(None).unwrap();
        let partner = Arc::new(|app: &mut web::ServiceConfig| {
            app.route("/partner", web::post().to(HttpResponse::NoContent));
        });
        let server = host::serve(listener, &services, &platform.log, token, partner).unwrap();
        actix_web::rt::spawn(server);
        let stops = services.iter().map(|service| service.start()).collect();
        let client = Client::builder().no_proxy().build().unwrap();
        let suite = Self { url, client, log: platform.log, stops, _files: files };
        suite.ready().await;
        suite.stock_up().await;
        suite.enlist_partner().await;
        suite
    }

    /// Waits until the schemas are registered.
    async fn ready(&self) {
        let ready = async { while self.get("/health/ready").await.status() != 200 {} };
        tokio::time::timeout(PATIENCE, ready).await.expect("they are never ready");
    }

    /// Stops the services, as SIGTERM does.
    pub async fn stop(self) {
        for stop in self.stops {
            stop().await;
        }
    }

    async fn stock_up(&self) {
        let price = json!({"amount_minor": 499, "currency": "EUR"});
        let product = json!({"name": "Tea", "price": price});
        let put = self.client.put(format!("{}/api/v1/products/TEA", self.url)).json(&product);
        assert!(put.send().await.unwrap().status().is_success());
        let stock = json!({"delta": 1_000_000, "reason": "test"});
        let stocked = self.post("/api/v1/products/TEA/stock").json(&stock);
        assert!(stocked.send().await.unwrap().status().is_success());
    }

    /// Somebody who is told of every order.
    async fn enlist_partner(&self) {
        let webhook = json!({"url": format!("{}/partner", self.url)});
        let created = self.post("/api/v1/webhooks").json(&webhook).send().await.unwrap();
        assert_eq!(created.status(), 201, "{}", created.text().await.unwrap());
    }

    /// Waits until the partner was told so many things of an order.
    pub async fn told(&self, order: &str, count: usize) {
        let path = format!("/api/v1/notifications?order_id={order}&status=SENT");
        for _ in 0..TRIES {
            let sent: Value = self.get(&path).await.json().await.unwrap();
            let all = sent["items"].as_array().unwrap().iter();
            if all.filter(|one| one["channel"] == "webhook").count() >= count {
                return;
            }
        }
        panic!("the partner was never told {count} things");
    }

    pub fn post(&self, path: &str) -> reqwest::RequestBuilder {
        let key = SystemClock.new_id().to_string();
        self.client.post(format!("{}{path}", self.url)).header("Idempotency-Key", key)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    /// Orders a packet of tea, to be sent to `country`; returns the order's id.
    pub async fn order(&self, country: &str) -> String {
        let address = json!({
            "name": "Ada Lovelace", "line1": "Inselstr. 1", "city": "Berlin",
            "postal_code": "10179", "country": country,
        });
        let order = json!({
            "customer_id": "c-1", "lines": [{"sku": "TEA", "quantity": 1}],
            "shipping_address": address,
        });
        for _ in 0..TRIES {
            let answer = self.post("/api/v1/orders").json(&order).send().await.unwrap();
            if answer.status() == 201 {
                let order: Value = answer.json().await.unwrap();
                return order["id"].as_str().unwrap().to_owned();
            }
            // The order service may not have heard of the product yet.
            assert_eq!(answer.status(), 422, "{}", answer.text().await.unwrap());
        }
        panic!("the product never became orderable");
    }

    /// Waits until an order has this status.
    pub async fn wait_for(&self, order: &str, status: &str) {
        let mut live = self.get(&format!("/api/v1/orders/{order}/stream")).await;
        let mut text = String::new();
        while !text.contains(&format!("\"{status}\"")) {
            let chunk = live.chunk().await.unwrap().expect("the stream ended before");
            text += std::str::from_utf8(&chunk).unwrap();
        }
    }

    /// Hands its parcel over, or notes that it has arrived.
    pub async fn parcel(&self, order: &str, action: &str) {
        let order: Value = self.get(&format!("/api/v1/orders/{order}")).await.json().await.unwrap();
        let shipment = order["shipment"]["id"].as_str().unwrap();
        for _ in 0..TRIES {
            let path = format!("/api/v1/shipments/{shipment}/{action}");
            let answer = self.post(&path).send().await.unwrap();
            if answer.status().is_success() {
                return;
            }
            // Shipping may not have heard yet that it may.
            assert_eq!(answer.status(), 409, "{}", answer.text().await.unwrap());
        }
        panic!("never done: {action}");
    }

    /// What a scrape is answered with.
    pub async fn metrics(&self) -> String {
        let answer = self.get("/metrics").await;
        assert_eq!(answer.status(), 200);
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
        answer.text().await.unwrap()
    }
}
