//! What the tests share: the service on a log of its own, over HTTP, and the events of the other services.

use std::{net::TcpListener, path::Path, sync::Arc};

use events::{
    Codec, Event,
    contracts::{
        order_confirmed::{OrderConfirmed, OrderLine},
        product_changed::ProductChanged,
        product_viewed::ProductViewed,
        stock_level_changed::StockLevelChanged,
    },
    topics,
};
use futures::future::LocalBoxFuture;
use kernel::{Clock, Timestamp};
use messaging::{
    app::{Databases, Platform},
    embedded::EmbeddedLog,
    kafka::{KafkaConfig, KafkaLog},
    log::EventLog,
    record::NewRecord,
};
use platform::{
    OperatorToken, SystemClock,
    host::{self, Hosted},
};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{VirtualClock, clock::START, records};

use crate::{
    app::{Recommendation, build},
    choreography::TOPICS,
    config::Config,
};

/// What outlives the service: the log, the clock, and the directory of its snapshots.
pub struct World {
    pub clock: Arc<VirtualClock>,
    pub log: Arc<dyn EventLog>,
    pub codec: Arc<Codec>,
    pub dir: TempDir,
    pub versions: std::sync::atomic::AtomicI64,
}

/// The service at work, on a port of its own.
pub struct Served {
    pub service: Recommendation,
    pub url: String,
    pub client: Client,
    pub log: Arc<dyn EventLog>,
    stop: Option<Box<dyn FnOnce() -> LocalBoxFuture<'static, ()>>>,
    server: actix_web::dev::ServerHandle,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl World {
    /// On the Kafka of the tests, or else in memory.
    #[expect(clippy::disallowed_methods, reason = "the environment says which servers to test on")]
    pub async fn new() -> Self {
        let clock = Arc::new(VirtualClock::new(1));
        let log: Arc<dyn EventLog> = match std::env::var("TEST_KAFKA") {
            Ok(servers) => {
                let prefix = format!("{}.", SystemClock.new_id().simple());
                let config = KafkaConfig { prefix, ..KafkaConfig::new(servers) };
                Arc::new(KafkaLog::connect(config).unwrap())
            }
            Err(_) => Arc::new(EmbeddedLog::in_memory(clock.clone())),
        };
        Self::on(log, clock).await
    }

    pub async fn on(log: Arc<dyn EventLog>, clock: Arc<VirtualClock>) -> Self {
        let all: Vec<_> = topics::ALL.iter().copied().chain(topics::DEAD_LETTERS).collect();
        log.ensure_topics(&all).await.unwrap();
        let (codec, versions) = (Arc::new(Codec::fixed()), Default::default());
        Self { clock, log, codec, dir: tempfile::tempdir().unwrap(), versions }
    }

    pub fn config(&self) -> Config {
        Config { shards: 2, ..Config::new(self.dir.path()) }
    }

    pub fn snapshots(&self) -> Vec<std::path::PathBuf> {
        snapshots(self.dir.path())
    }

    /// The service, ready to answer.
    pub async fn serve(&self) -> Served {
        self.serve_with(self.config()).await
    }

    pub async fn serve_with(&self, config: Config) -> Served {
        let platform = Platform {
            log: self.log.clone(),
            codec: self.codec.clone(),
            clock: self.clock.clone(),
            telemetry: Default::default(),
            databases: Databases::InMemory,
        };
        let service = build(config, &platform).unwrap();
        let served = Served::start(service, &self.log);
        served.settle().await;
        served
    }

    /// Appends events of other services.
    pub async fn say(&self, events: impl IntoIterator<Item = Event>) {
        let records = events.into_iter().map(|event| self.record(&event)).collect();
        self.append(records).await;
    }

    pub async fn append(&self, records: Vec<NewRecord>) {
        self.log.producer(None).await.unwrap().append(records).await.unwrap();
    }

    pub fn record(&self, event: &Event) -> NewRecord {
        records::outgoing(&self.codec, &*self.clock, event, None)
    }

    fn version(&self) -> i64 {
        self.versions.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1
    }

    pub fn product(&self, sku: &str, active: bool) -> Event {
        let version = self.version();
        ProductChanged {
            sku: sku.into(),
            version,
            name: sku.into(),
            description: None,
            category: None,
            image_url: None,
            price_minor: 100,
            currency: "EUR".into(),
            active,
            changed_at: self.clock.now().0,
        }
        .into()
    }

    pub fn stock(&self, sku: &str, available: i64) -> Event {
        let version = self.version();
        StockLevelChanged {
            sku: sku.into(),
            version,
            on_hand: available,
            reserved: 0,
            available,
            low: false,
            changed_at: self.clock.now().0,
        }
        .into()
    }

    /// Lists these products and puts some of each on the shelf.
    pub async fn sell(&self, skus: &str) {
        let events = skus.split(' ').flat_map(|sku| [self.product(sku, true), self.stock(sku, 5)]);
        self.say(events).await;
    }

    pub fn order(&self, order_id: &str, skus: &str) -> Event {
        let line = |sku: &str| OrderLine {
            sku: sku.into(),
            name: sku.into(),
            quantity: 1,
            unit_price_minor: 100,
        };
        OrderConfirmed {
            order_id: order_id.into(),
            customer_id: "ada".into(),
            session_id: None,
            currency: "EUR".into(),
            total_minor: 100,
            lines: skus.split(' ').map(line).collect(),
            shipment_id: "s".into(),
            confirmed_at: self.clock.now().0,
        }
        .into()
    }
}

/// The snapshots in a directory, oldest first.
pub fn snapshots(dir: &Path) -> Vec<std::path::PathBuf> {
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let is_snapshot = |path: &std::path::PathBuf| {
        path.file_name().unwrap().to_str().unwrap().starts_with("snapshot-")
    };
    let mut found: Vec<_> = paths.filter(is_snapshot).collect();
    found.sort();
    found
}

impl Served {
    pub fn start(service: Recommendation, log: &Arc<dyn EventLog>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
        let hosted: Arc<dyn Hosted> = Arc::new(service.clone());
        let token = OperatorToken::new(None).unwrap();
        let nothing: host::Extra = Arc::new(|_| ());
        let hosted = [hosted];
        let server = host::serve(listener, &hosted, log, token, nothing).unwrap();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        let client = Client::builder().no_proxy().build().unwrap();
        let stop = Some(hosted[0].start());
        Self { service, url, client, log: log.clone(), stop, server: handle }
    }

    /// Waits until all that is in the log now is learned.
    pub async fn settle(&self) {
        let topics: Vec<_> = TOPICS.iter().map(|topic| topic.name).collect();
        let ends = loop {
            match self.log.end_positions(&topics).await {
                Ok(ends) => break ends,
                // A broker that has just made the topics.
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
        };
        let mut progress = self.service.progress();
        let settled = progress.wait_for(|progress| {
            let offset =
                |at| progress.positions.iter().find(|read| &read.at == at).map(|at| at.offset);
            progress.is_ready && ends.iter().all(|end| offset(&end.at) >= Some(end.offset))
        });
        drop(settled.await.unwrap());
    }

    /// Stops in order, with a snapshot.
    pub async fn stop(mut self) {
        let stop = self.stop.take().unwrap();
        stop().await;
        self.ended().await;
    }

    /// Ends where it is, as a crash would.
    pub async fn kill(mut self) {
        drop(self.stop.take());
        self.ended().await;
    }

    /// Waits until nothing is left of it, so that another may have its directory.
    async fn ended(self) {
        let mut progress = self.service.progress();
        self.server.stop(false).await;
        drop(self.service);
        drop(progress.wait_for(|_| false).await);
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.client.get(format!("{}{path}", self.url))).await
    }

    pub async fn report(&self, entries: Value) -> Answer {
        send(self.client.post(format!("{}/activity", self.url)).json(&entries)).await
    }

    /// Reports whatever this is.
    pub async fn report_raw(&self, body: Vec<u8>) -> Answer {
        let call = self.client.post(format!("{}/activity", self.url));
        send(call.header("content-type", "application/json").body(body)).await
    }

    /// Reports clicks of one session, a minute apart, and waits until they are learned.
    pub async fn visit(&self, session: &str, skus: &str, from_minute: i64) {
        let click = |(minute, sku)| click(session, sku, minute);
        let entries: Vec<_> = (from_minute..).zip(skus.split(' ')).map(click).collect();
        let count = entries.len();
        let receipt = self.report(Value::Array(entries)).await;
        assert_eq!(
            (receipt.status, &receipt.body["accepted"]),
            (202, &json!(count)),
            "{receipt:?}"
        );
        self.settle().await;
    }

    /// The SKUs of an answer.
    pub async fn skus(&self, path: &str) -> Vec<String> {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let items = answer.body["items"].as_array().unwrap();
        items.iter().map(|item| item["sku"].as_str().unwrap().to_owned()).collect()
    }
}

async fn send(call: RequestBuilder) -> Answer {
    let response = call.send().await.unwrap();
    let status = response.status().as_u16();
    Answer { status, body: response.json().await.unwrap() }
}

impl Answer {
    /// Asserts a problem document of this status that names this field (`""`: none).
    #[track_caller]
    pub fn refused(&self, status: u16, field: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        let named = self.body["errors"][0]["field"].as_str().unwrap_or_default();
        assert_eq!(named, field, "{self:?}");
    }
}

/// The event that becomes of [`click`].
pub fn viewed(session: &str, sku: &str, minute: i64) -> Event {
    let event_id = format!("{session} {sku} {minute}");
    let occurred_at = minutes_after(minute).0;
    let (session_id, sku, customer_id) = (session.into(), sku.into(), None);
    ProductViewed { event_id, session_id, customer_id, sku, occurred_at }.into()
}

/// Minutes after an hour before the clock's start.
fn minutes_after(minute: i64) -> Timestamp {
    Timestamp(START.0 - 3_600_000_000 + minute * 60_000_000)
}

/// A click some minutes after an hour before the clock's start.
pub fn click(session: &str, sku: &str, minute: i64) -> Value {
    json!({
        "event_id": format!("{session} {sku} {minute}"),
        "session_id": session,
        "type": "viewed",
        "sku": sku,
        "occurred_at": minutes_after(minute),
    })
}
