//! The service as it is in production, on a port of its own, with a client: requests go over HTTP,
//! events come as records, and a test may look into the database.

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use events::{Codec, Event};
use futures::future::LocalBoxFuture;
use messaging::{
    app::{App, Databases, Platform},
    execute::Item,
    outbox,
    pipeline::prepare_one,
    record::{NewRecord, Record},
};
use platform::{
    OperatorToken,
    host::{self, Extra},
};
use reqwest::{Client, RequestBuilder};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use testkit::TempDatabases;
use uuid::Uuid;

use super::{HandClock, events as said, live::Live, log::OutOfReach};
use crate::{Config, OrderService, domain::Status, http::routes};

pub struct Shop {
    pub app: App<OrderService>,
    pub clock: Arc<HandClock>,
    url: String,
    client: Client,
    stop: Box<dyn FnOnce() -> LocalBoxFuture<'static, ()>>,
}

/// What a request was answered with.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub location: Option<String>,
    pub retry_after: Option<String>,
    pub body: Value,
}

/// On the PostgreSQL server of the tests, or else in memory.
pub fn databases() -> Databases {
    match TempDatabases::new() {
        server @ TempDatabases::Postgres(..) => server.databases(),
        TempDatabases::Sqlite(_) => Databases::InMemory,
    }
}

/// A platform whose log is out of reach.
pub fn platform(clock: &Arc<HandClock>) -> Platform {
    Platform {
        log: Arc::new(OutOfReach::default()),
        codec: Arc::new(Codec::fixed()),
        clock: clock.clone(),
        databases: databases(),
        telemetry: Default::default(),
    }
}

/// The body of an order of these SKUs.
pub fn order_of(lines: &[(&str, i64)]) -> Value {
    let line = |(sku, quantity): &(&str, i64)| json!({ "sku": sku, "quantity": quantity });
    json!({
        "customer_id": "c-1",
        "email": "ada@example.org",
        "lines": lines.iter().map(line).collect::<Vec<_>>(),
        "shipping_address": {
            "name": "Ada Lovelace", "line1": "Inselstr. 1", "city": "Berlin",
            "postal_code": "10179", "country": "DE",
        },
        "session_id": "s-1",
    })
}

/// The usual order: two packets of tea.
pub fn tea() -> Value {
    order_of(&[("tea", 2)])
}

impl Shop {
    /// A shop that knows the usual products.
    pub async fn open() -> Self {
        let clock = HandClock::new();
        let shop = Self::on(platform(&clock), clock).await;
        shop.stock_up().await;
        shop
    }

    /// A shop on this platform that knows no product yet.
    pub async fn on(platform: Platform, clock: Arc<HandClock>) -> Self {
        Self::with(platform, clock, Arc::new(|_: &mut _| {})).await
    }

    /// A shop that serves something more.
    pub async fn serving(extra: Extra) -> Self {
        let clock = HandClock::new();
        Self::with(platform(&clock), clock, extra).await
    }

    async fn with(platform: Platform, clock: Arc<HandClock>, extra: Extra) -> Self {
        let app = crate::build(Config::default(), &platform).await.unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let hosted = host::host(app.clone(), routes);
        let stop = hosted.start();
        let token = OperatorToken::new(None).unwrap();
        let server = host::serve(listener, &[hosted], &platform.log, token, extra).unwrap();
        actix_web::rt::spawn(server);
        Self { app, clock, url, client: Client::new(), stop }
    }

    /// Stops the service, as SIGTERM does.
    pub async fn close(self) {
        (self.stop)().await;
    }

    /// Tea and cake in EUR, a book in USD, gold at the price of all money, and ice, which is not
    /// sold at present.
    pub async fn stock_up(&self) {
        let usual = [("tea", 499, "EUR"), ("cake", 1_200, "EUR"), ("book", 2_000, "USD")];
        for (sku, price_minor, currency) in usual {
            self.hear(said::product(sku, price_minor, currency), None).await;
        }
        self.hear(said::product("gold", i64::MAX, "EUR"), None).await;
        let mut ice = said::product("ice", 100, "EUR");
        ice.active = false;
        self.hear(ice, None).await;
    }

    // Requests.

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let header = |name| Some(response.headers().get(name)?.to_str().unwrap().to_owned());
        let (content_type, location) = (header("content-type"), header("location"));
        let (status, retry_after) = (response.status().as_u16(), header("retry-after"));
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let content_type = content_type.unwrap_or_default();
        Answer { status, content_type, location, retry_after, body }
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    pub fn request(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(path)).await
    }

    pub async fn place(&self, key: &str, body: &Value) -> Answer {
        self.send(self.post("/api/v1/orders").header("Idempotency-Key", key).json(body)).await
    }

    /// The id of a new order.
    pub async fn placed(&self) -> String {
        self.place(&new_key(), &tea()).await.created()
    }

    pub async fn show(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/orders/{id}")).await.with(200)
    }

    pub async fn cancel(&self, id: &str) -> Answer {
        self.send(self.post(&format!("/api/v1/orders/{id}/cancel"))).await
    }

    pub async fn timeline(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/orders/{id}/timeline")).await.with(200)
    }

    /// The order's stream, behind the version `last` if one is given.
    pub async fn follow(&self, id: &str, last: Option<&str>) -> Live {
        let request = self.request(&format!("/api/v1/orders/{id}/stream"));
        let request = last.into_iter().fold(request, |r, last| r.header("Last-Event-ID", last));
        Live::new(request.send().await.unwrap())
    }

    // Events.

    /// Hears what another service says, caused by the event `cause`; returns the event's id.
    pub async fn hear(&self, event: impl Into<Event>, cause: Option<Uuid>) -> Uuid {
        let record = said::outgoing(&*self.clock, &event.into(), cause);
        let record = said::arrived(record);
        let id = record.header("ce_id").unwrap().parse().unwrap();
        self.deliver([record]).await;
        id
    }

    /// Hears these records in one batch.
    pub async fn deliver(&self, records: impl IntoIterator<Item = Record>) {
        let mut items: Vec<Item<OrderService>> = Vec::new();
        for record in records {
            items.extend(prepare_one(&self.app.ctx, &Arc::new(record)).await.unwrap());
        }
        assert!(self.app.executor.records(items).await);
    }

    /// Lets everything happen that brings a PENDING order to `status`.
    pub async fn bring(&self, id: &str, status: Status) {
        let events = match status {
            Status::Pending => vec![],
            Status::Rejected => vec![said::stock_rejected(id)],
            Status::Cancelled => vec![said::shipment_refused(id)],
            Status::Confirmed => vec![said::shipment_scheduled(id).into()],
            Status::Shipped => {
                vec![said::shipment_scheduled(id).into(), said::shipment_dispatched(id)]
            }
            Status::Delivered => {
                vec![said::shipment_scheduled(id).into(), said::shipment_delivered(id)]
            }
        };
        for event in events {
            self.hear(event, None).await;
        }
        assert_eq!(self.show(id).await["status"], status.as_str());
    }

    // The database.

    pub async fn sql(&self, sql: &str) {
        self.app.ctx.database.reader().execute_unprepared(sql).await.unwrap();
    }

    /// How many rows each of `tables` has.
    pub async fn rows<const N: usize>(&self, tables: [&str; N]) -> [i64; N] {
        let mut counts = [0; N];
        for (count, table) in counts.iter_mut().zip(tables) {
            let db = self.app.ctx.database.reader();
            let sql = format!("SELECT COUNT(*) FROM {table}");
            let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql));
            *count = row.await.unwrap().unwrap().try_get_by_index(0).unwrap();
        }
        counts
    }

    /// What waits in the outbox: the type of each row and the record it will be.
    pub async fn outbox(&self) -> Vec<(String, NewRecord)> {
        let rows = outbox::remaining(self.app.ctx.database.reader(), &[], 1_000).await.unwrap();
        rows.into_iter().map(|row| (row.r#type.clone(), row.into())).collect()
    }

    /// The types of what waits in the outbox, in its order.
    pub async fn said(&self) -> Vec<String> {
        self.outbox().await.into_iter().map(|(kind, _)| kind).collect()
    }
}

/// A key that no other order has.
fn new_key() -> String {
    static KEYS: AtomicU64 = AtomicU64::new(1);
    format!("key-{}", KEYS.fetch_add(1, Ordering::Relaxed))
}

impl Answer {
    /// The body, if the status is `status`.
    #[track_caller]
    pub fn with(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// The id of the order that was placed.
    #[track_caller]
    pub fn created(self) -> String {
        let body = self.with(201);
        body["id"].as_str().unwrap().to_owned()
    }

    /// Asserts that it is a problem document of this kind, which names `field` unless it is empty.
    #[track_caller]
    pub fn is_problem(&self, status: u16, kind: &str, field: &str) {
        let Self { body, content_type, .. } = self;
        assert_eq!((self.status, &body["status"]), (status, &json!(status)), "{body}");
        assert_eq!(content_type, "application/problem+json");
        assert_eq!(body["type"], format!("/problems/{kind}"), "{body}");
        assert!(!body["title"].as_str().unwrap().is_empty() && body["detail"].is_string());
        let no_errors = vec![];
        let errors = body["errors"].as_array().unwrap_or(&no_errors);
        let names_it = field.is_empty() || errors.iter().any(|error| error["field"] == field);
        assert!(names_it, "{field} is not named in {body}");
    }
}
