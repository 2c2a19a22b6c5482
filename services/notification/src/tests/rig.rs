//! The service on a database and a log of its own and a real port, and words to drive it with.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpServer, middleware::from_fn, web::Data};
use events::{Codec, Envelope, Event, topics};
use kernel::{Clock as _, OrderId};
use messaging::{
    app::{App, Platform},
    embedded::EmbeddedLog,
    execute::{Batch, transact},
    log::{AT_ONCE, Consumer, EventLog, LogEvent},
    pipeline,
    record::Record,
    runtime::Running,
    service::Context,
    signal::News,
};
use platform::{OperatorToken, fallback, openapi, trace};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use testkit::{TempDatabases, VirtualClock, records};
use utoipa_actix_web::AppExt;

use crate::{Config, Notifications, build, channels::mail::Smtp, http};

/// How long anything may take that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(30);

const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub struct Rig {
    pub app: App<Notifications>,
    pub clock: Arc<VirtualClock>,
    pub log: Arc<dyn EventLog>,
    running: Vec<Running<Notifications>>,
    url: String,
    client: Client,
    databases: TempDatabases,
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Answer {
    pub fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default()
    }

    /// A text of the body.
    pub fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_default().to_owned()
    }

    /// The items of a list.
    pub fn items(&self) -> &[Value] {
        self.body["items"].as_array().map(Vec::as_slice).unwrap_or_default()
    }
}

/// With this mail server, and the staff's mail.
pub fn mailing(port: u16) -> Config {
    let smtp =
        Smtp::new(&format!("smtp://127.0.0.1:{port}"), "Shop <shop@example.org>", None).unwrap();
    let staff_mail = Some("ops@example.org".into());
    Config { smtp: Some(smtp), staff_mail, ..posting() }
}

/// With receivers on this machine.
pub fn posting() -> Config {
    Config { allow_private_webhooks: true, ..Config::default() }
}

pub async fn start(config: Config) -> Rig {
    start_with(config, None).await
}

/// The service at work, behind an operators' token.
pub async fn start_with(config: Config, token: Option<&'static str>) -> Rig {
    let clock = Arc::new(VirtualClock::new(1));
    let log: Arc<dyn EventLog> = Arc::new(EmbeddedLog::in_memory(clock.clone()));
    let all: Vec<_> = topics::ALL.iter().copied().chain(topics::DEAD_LETTERS).collect();
    log.ensure_topics(&all).await.unwrap();
    let databases = TempDatabases::new();
    let app = build(config, &platform(&log, &clock, &databases)).await.unwrap();
    Rig {
        running: vec![app.start()],
        url: serve(&app, token),
        client: Client::new(),
        databases,
        app,
        clock,
        log,
    }
}

fn platform(
    log: &Arc<dyn EventLog>,
    clock: &Arc<VirtualClock>,
    databases: &TempDatabases,
) -> Platform {
    Platform {
        log: log.clone(),
        codec: Arc::new(Codec::fixed()),
        clock: clock.clone(),
        databases: databases.databases(),
        telemetry: Default::default(),
    }
}

fn serve(app: &App<Notifications>, token: Option<&'static str>) -> String {
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

/// A record that holds `event`.
pub fn record(ctx: &Context<Notifications>, event: impl Into<Event>) -> Arc<Record> {
    let said = records::outgoing(&ctx.codec, &*ctx.clock, &event.into(), None);
    Arc::new(records::arrived(said))
}

impl Rig {
    pub async fn stop(self) {
        for running in self.running {
            running.stop().await;
        }
    }

    /// One more replica on the same database.
    pub async fn another(&mut self, config: Config) -> App<Notifications> {
        let platform = platform(&self.log, &self.clock, &self.databases);
        let app = build(config, &platform).await.unwrap();
        self.running.push(app.start());
        app
    }

    pub fn new_order(&self) -> OrderId {
        OrderId(self.clock.new_id())
    }

    /// Handles these as one batch, and tells how many events they made the service say.
    pub async fn hear_all(&self, records: &[Arc<Record>]) -> usize {
        let ctx = &self.app.ctx;
        let batch = Batch { items: pipeline::prepare(ctx, records).await, ..Batch::default() };
        let outcome = transact(ctx, &batch).await.unwrap();
        ctx.database.signals.committed(News::anything());
        outcome.said
    }

    /// Handles one event.
    pub async fn hear(&self, event: impl Into<Event>) -> usize {
        self.hear_all(&[self.record(event)]).await
    }

    /// A record that holds `event`.
    pub fn record(&self, event: impl Into<Event>) -> Arc<Record> {
        record(&self.app.ctx, event)
    }

    /// Lets time pass, and whoever waits for it look.
    pub fn pass(&self, span: Duration) {
        self.clock.advance(span);
        self.app.ctx.database.signals.committed(News::anything());
    }

    /// Waits until the list at `path` is as it should be.
    pub async fn until(&self, path: &str, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let mut changes = self.app.ctx.database.signals.changes.subscribe();
        let mut last = Vec::new();
        let wait = async {
            loop {
                let answer = self.get(path).await;
                last = answer.items().to_vec();
                if is_so(&last) {
                    return;
                }
                // Another replica's commits are not told here on SQLite: then look again.
                tokio::time::timeout(LOOK_AGAIN, changes.changed()).await.ok();
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        assert!(waited.is_ok(), "{path} stays {last:#?}");
        last
    }

    /// Waits until all at `path` have this status, at least one.
    pub async fn until_all(&self, path: &str, status: &str) -> Vec<Value> {
        let all = |items: &[Value]| {
            !items.is_empty() && items.iter().all(|item| item["status"] == status)
        };
        self.until(path, all).await
    }

    /// A webhook to `url`: its id and its secret.
    pub async fn webhook(&self, url: &str) -> (String, String) {
        let created = self.post("/api/v1/webhooks", json!({ "url": url })).await;
        assert_eq!(created.status, 201, "{created:?}");
        (created.text("id"), created.text("secret"))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(&body)).await
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
        Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }

    /// What `shop.notifications` has been told, once there are `count`.
    pub async fn said(&self, count: usize) -> Vec<(Envelope, Event)> {
        let first = self.log.first_positions(&[topics::NOTIFICATIONS.name]).await.unwrap();
        let mut consumer: Box<dyn Consumer> = self.log.assign(&first, AT_ONCE).await.unwrap();
        let mut said = Vec::new();
        while said.len() < count {
            let next = tokio::time::timeout(PATIENCE, consumer.next()).await;
            if let LogEvent::Records(_, records) = next.expect("an event in time") {
                for record in records {
                    said.push(self.read(&record).await);
                }
            }
        }
        said
    }

    async fn read(&self, record: &Record) -> (Envelope, Event) {
        let envelope = Envelope::from_headers(|name| record.header(name)).unwrap();
        let decoded = self.app.ctx.codec.decode(record.value.as_ref().unwrap()).await.unwrap();
        let events::codec::Decoded::Event(event) = decoded else { panic!("not ours") };
        (envelope, event)
    }
}
