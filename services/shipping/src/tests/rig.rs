//! The service on a database and a log of its own and a real port, and words to drive it with.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actix_web::{HttpServer, middleware::from_fn, web::Data};
use events::{
    Codec, Envelope, Event,
    codec::Decoded,
    contracts::{
        order_cancellation_requested::OrderCancellationRequested,
        order_cancelled::OrderCancelled,
        order_confirmed::OrderConfirmed,
        order_placed::{self, OrderPlaced},
        stock_reserved::StockReserved,
    },
    topics,
};
use kernel::{Clock as _, OrderId};
use messaging::{
    app::{App, Platform},
    embedded::EmbeddedLog,
    execute::{Batch, Outcome, transact},
    log::{AT_ONCE, Consumer, EventLog, LogEvent},
    pipeline,
    record::{NewRecord, Record},
    runtime::Running,
};
use platform::{OperatorToken, fallback, openapi, trace};
use reqwest::{Client, Method, StatusCode};
use testkit::{TempDatabases, VirtualClock, records};
use utoipa_actix_web::AppExt;

use crate::{Config, Shipping, build, http};

pub struct Rig {
    pub app: App<Shipping>,
    pub clock: Arc<VirtualClock>,
    pub log: Arc<dyn EventLog>,
    running: Option<Running<Shipping>>,
    url: String,
    client: Client,
    consumer: Box<dyn Consumer>,
    heard: VecDeque<(Envelope, Event)>,
    _databases: TempDatabases,
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: serde_json::Value,
}

impl Answer {
    pub fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default()
    }
}

/// The service at work.
pub async fn start() -> Rig {
    start_with(None).await
}

/// The service at work, behind an operators' token.
pub async fn start_with(token: Option<&'static str>) -> Rig {
    let clock = Arc::new(VirtualClock::new(1));
    let log: Arc<dyn EventLog> = Arc::new(EmbeddedLog::in_memory(clock.clone()));
    log.ensure_topics(topics::ALL).await.unwrap();
    let databases = TempDatabases::new();
    let platform = Platform {
        log: log.clone(),
        codec: Arc::new(Codec::fixed()),
        clock: clock.clone(),
        databases: databases.databases(),
        telemetry: Default::default(),
    };
    let app = build(Config::default(), &platform).await.unwrap();
    let first = log.first_positions(&[topics::SHIPPING.name]).await.unwrap();
    Rig {
        consumer: log.assign(&first, AT_ONCE).await.unwrap(),
        running: Some(app.start()),
        url: serve(&app, token),
        client: Client::new(),
        heard: VecDeque::new(),
        _databases: databases,
        app,
        clock,
        log,
    }
}

fn serve(app: &App<Shipping>, token: Option<&'static str>) -> String {
    let app = app.clone();
    let server = HttpServer::new(move || {
        let (listener, api) = actix_web::App::new()
            .into_utoipa_app()
            .configure(http::routes(app.clone()))
            .split_for_parts();
        listener
            .app_data(Data::new(OperatorToken::new(token).unwrap()))
            .configure(|config| openapi::complete(config, api))
            .wrap(from_fn(fallback::documents))
            .wrap(from_fn(trace::traced))
    });
    let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    actix_web::rt::spawn(server.run());
    url
}

impl Rig {
    pub async fn stop(mut self) {
        self.running.take().unwrap().stop().await;
    }

    pub fn new_order(&self) -> OrderId {
        OrderId(self.clock.new_id())
    }

    /// What `shop.shipping` is told next.
    pub async fn said(&mut self) -> (Envelope, Event) {
        while self.heard.is_empty() {
            let next = tokio::time::timeout(Duration::from_secs(20), self.consumer.next()).await;
            if let LogEvent::Records(_, records) = next.expect("an event within 20 s") {
                for record in records {
                    self.heard.push_back(self.read(&record).await);
                }
            }
        }
        self.heard.pop_front().unwrap()
    }

    async fn read(&self, record: &Record) -> (Envelope, Event) {
        let envelope = Envelope::from_headers(|name| record.header(name)).unwrap();
        let Decoded::Event(event) =
            self.app.ctx.codec.decode(record.value.as_ref().unwrap()).await.unwrap()
        else {
            panic!("not an event of ours")
        };
        (envelope, event)
    }

    /// A record that holds `event`.
    pub fn record(&self, event: impl Into<Event>) -> Arc<Record> {
        Arc::new(records::arrived(self.new_record(event)))
    }

    pub fn new_record(&self, event: impl Into<Event>) -> NewRecord {
        let ctx = &self.app.ctx;
        records::outgoing(&ctx.codec, &*ctx.clock, &event.into(), None)
    }

    /// Handles `records` as one batch, and tells what came of it.
    pub async fn hear_all(&self, records: &[Arc<Record>]) -> Outcome<Shipping> {
        let ctx = &self.app.ctx;
        let batch = Batch { items: pipeline::prepare(ctx, records).await, ..Batch::default() };
        let outcome = transact(ctx, &batch).await.unwrap();
        ctx.database.signals.outbox.notify_one();
        outcome
    }

    /// Handles one event, and tells how many it made the service say.
    pub async fn hear(&self, event: impl Into<Event>) -> usize {
        self.hear_all(&[self.record(event)]).await.said
    }

    /// Brings an order as far as SCHEDULED and gives the shipment's id.
    pub async fn schedule(&mut self, order: OrderId) -> String {
        self.hear(placed(order, "GB")).await;
        self.hear(reserved(order)).await;
        match self.said().await.1 {
            Event::ShipmentScheduled(e) => e.shipment_id,
            other => panic!("{other:?}"),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path).await
    }

    pub async fn post(&self, path: &str) -> Answer {
        self.ask(Method::POST, path).await
    }

    pub async fn ask(&self, method: Method, path: &str) -> Answer {
        self.send(self.request(method, path)).await
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        Answer { status, body: serde_json::from_str(&text).unwrap() }
    }
}

pub fn placed(order: OrderId, country: &str) -> OrderPlaced {
    OrderPlaced {
        order_id: order.to_string(),
        customer_id: "c-1".into(),
        email: None,
        session_id: None,
        currency: "EUR".into(),
        total_minor: 100,
        lines: vec![],
        shipping_address: order_placed::Address {
            name: "Ada".into(),
            line1: "1 Mill Lane".into(),
            line2: None,
            city: "Cambridge".into(),
            postal_code: "CB2 1RX".into(),
            country: country.into(),
        },
        deadline_at: 0,
        placed_at: 0,
    }
}

pub fn reserved(order: OrderId) -> StockReserved {
    StockReserved { order_id: order.to_string(), lines: vec![], reserved_at: 0 }
}

pub fn confirmed(order: OrderId) -> OrderConfirmed {
    OrderConfirmed {
        order_id: order.to_string(),
        customer_id: "c-1".into(),
        session_id: None,
        currency: "EUR".into(),
        total_minor: 100,
        lines: vec![],
        shipment_id: String::new(),
        confirmed_at: 0,
    }
}

pub fn cancellation_requested(order: OrderId) -> OrderCancellationRequested {
    OrderCancellationRequested {
        order_id: order.to_string(),
        customer_id: "c-1".into(),
        shipment_id: String::new(),
        reason: None,
        requested_at: 0,
    }
}

pub fn cancelled(order: OrderId) -> OrderCancelled {
    OrderCancelled {
        order_id: order.to_string(),
        customer_id: "c-1".into(),
        cause: "time-out".into(),
        reason: "nobody answered".into(),
        cancelled_at: 0,
    }
}
