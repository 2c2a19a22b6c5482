//! What the tests of every ring share: the service on a database of its own, and events as the
//! other services say them.

pub mod heard;

use std::{collections::BTreeMap, sync::Arc};

use events::{Codec, Envelope, Event, codec::Decoded, topics, trace::TraceContext};
use kernel::{Clock, Sku};
use messaging::{
    app::{App, Databases, Platform},
    embedded::EmbeddedLog,
    execute::{Answer, Batch, ExecuteError, Outcome, Request, transact},
    idempotency::IdempotencyKey,
    log::EventLog,
    outbox, pipeline,
    record::{NewRecord, Record},
};
use sea_orm::{EntityTrait, QueryOrder};
use testkit::{TempDatabases, VirtualClock, records};

use crate::{
    app::{Config, Inventory, build},
    domain::{Command, Details, Stock},
    store::entity::{movement, reservation, stock},
};

pub fn sku(name: &str) -> Sku {
    name.parse().unwrap()
}

pub fn details(name: &str) -> Details {
    Details {
        name: name.into(),
        description: None,
        price: kernel::Money::new(450, "EUR".parse().unwrap()),
        category: None,
        image_url: None,
        active: true,
    }
}

/// The service without its actors: a test hands over what it is to do, a transaction at a time.
pub struct Bench {
    pub app: App<Inventory>,
    pub clock: Arc<VirtualClock>,
    pub log: EmbeddedLog,
}

impl Bench {
    pub async fn new(databases: Databases) -> Self {
        let clock = Arc::new(VirtualClock::new(1));
        let log = EmbeddedLog::in_memory(clock.clone());
        let all: Vec<_> = topics::ALL.iter().copied().chain(topics::DEAD_LETTERS).collect();
        log.ensure_topics(&all).await.unwrap();
        let codec = Arc::new(Codec::fixed());
        let platform = Platform {
            log: Arc::new(log.clone()),
            codec,
            clock: clock.clone(),
            databases,
            telemetry: Default::default(),
        };
        Self { app: build(Config::default(), &platform).await.unwrap(), clock, log }
    }

    /// On the PostgreSQL server of the tests, or else in memory.
    pub async fn temporary() -> Self {
        Self::new(match TempDatabases::new() {
            server @ TempDatabases::Postgres(..) => server.databases(),
            TempDatabases::Sqlite(_) => Databases::InMemory,
        })
        .await
    }

    /// One transaction.
    pub async fn execute(&self, batch: &Batch<Inventory>) -> Outcome<Inventory> {
        self.try_execute(batch).await.unwrap()
    }

    pub async fn try_execute(
        &self,
        batch: &Batch<Inventory>,
    ) -> Result<Outcome<Inventory>, ExecuteError> {
        transact(&self.app.ctx, batch).await
    }

    /// Hears all of `events` in one transaction.
    pub async fn hear(&self, events: impl IntoIterator<Item = Event>) -> Outcome<Inventory> {
        let records = events.into_iter().map(|event| Arc::new(self.arrived(&event)));
        self.hear_records(&records.collect::<Vec<_>>()).await
    }

    pub async fn hear_records(&self, records: &[Arc<Record>]) -> Outcome<Inventory> {
        let items = pipeline::prepare(&self.app.ctx, records).await;
        self.execute(&Batch { items, ..Batch::default() }).await
    }

    /// Does what a request asks for.
    pub async fn ask(&self, command: Command) -> Answer<Inventory> {
        self.ask_all(vec![command]).await.remove(0)
    }

    /// Does what several requests ask for, in one transaction.
    pub async fn ask_all(&self, commands: Vec<Command>) -> Vec<Answer<Inventory>> {
        let request = |command| self.request(command, None);
        let requests = commands.into_iter().map(request).collect();
        self.execute(&Batch { requests, ..Batch::default() }).await.answers
    }

    pub fn request(&self, command: Command, key: Option<&str>) -> Request<Inventory> {
        let idempotency = key.map(|key| {
            let request_hash = format!("{command:?}");
            IdempotencyKey { key: key.into(), request_hash }
        });
        Request { command, idempotency, trace: TraceContext::root(self.clock.new_id()) }
    }

    /// Lists products with so many pieces each.
    pub async fn stock(&self, pairs: &[(&str, i64)]) {
        let now = self.clock.now();
        let commands = pairs.iter().flat_map(|(name, delta)| {
            let put = Command::PutProduct { sku: sku(name), details: details(name) };
            let (sku, delta, reason) = (sku(name), *delta, "delivery".to_owned());
            [put, Command::AdjustStock { sku, delta, reason, now }]
        });
        for answer in self.ask_all(commands.collect()).await {
            answer.unwrap();
        }
    }

    /// Everything that was said so far, in its order.
    pub async fn said(&self) -> Vec<(Envelope, Event)> {
        let rows =
            outbox::remaining(self.app.ctx.database.reader(), &[], u64::MAX >> 1).await.unwrap();
        let mut said = Vec::new();
        for record in rows.into_iter().map(NewRecord::from) {
            said.push(self.read(&records::arrived(record)).await);
        }
        said
    }

    /// Only the names.
    pub async fn names_said(&self) -> Vec<String> {
        self.said().await.iter().map(|(_, event)| event.name().to_owned()).collect()
    }

    pub async fn read(&self, record: &Record) -> (Envelope, Event) {
        let envelope = Envelope::from_headers(|name| record.header(name)).unwrap();
        match self.app.ctx.codec.decode(record.value.as_ref().unwrap()).await.unwrap() {
            Decoded::Event(event) => (envelope, event),
            Decoded::Unknown(name) => panic!("{name} is unknown"),
        }
    }

    /// Forgets what was said.
    pub async fn relay(&self) {
        outbox::Entity::delete_many().exec(self.app.ctx.database.reader()).await.unwrap();
    }

    pub async fn stock_of(&self, name: &str) -> Stock {
        let db = self.app.ctx.database.reader();
        stock::Entity::find_by_id(name).one(db).await.unwrap().unwrap().into()
    }

    pub async fn reservations(&self) -> Vec<reservation::Model> {
        let by_order = reservation::Entity::find().order_by_asc(reservation::Column::OrderId);
        by_order.all(self.app.ctx.database.reader()).await.unwrap()
    }

    /// Asserts I5 over all that is stored.
    pub async fn assert_conserved(&self) {
        let db = self.app.ctx.database.reader();
        let mut held = BTreeMap::<String, i64>::new();
        for row in self.reservations().await {
            let lines = row.lines.unwrap_or_else(|| "{}".into());
            let lines: BTreeMap<String, i64> = serde_json::from_str(&lines).unwrap();
            lines.into_iter().for_each(|(sku, n)| *held.entry(sku).or_default() += n);
        }
        let mut counted = BTreeMap::<String, i64>::new();
        for row in movement::Entity::find().all(db).await.unwrap() {
            *counted.entry(row.sku).or_default() += row.delta;
        }
        for row in stock::Entity::find().all(db).await.unwrap() {
            assert!((0..=row.on_hand).contains(&row.reserved), "{row:?}");
            assert_eq!(row.reserved, held.remove(&row.sku).unwrap_or_default(), "{row:?}");
            assert_eq!(row.on_hand, counted.remove(&row.sku).unwrap_or_default(), "{row:?}");
        }
        assert!(held.is_empty() && counted.is_empty(), "held {held:?}, counted {counted:?}");
    }

    /// `event` as it comes from the log.
    pub fn arrived(&self, event: &Event) -> Record {
        records::arrived(self.outgoing(event))
    }

    /// `event` on its way to the log.
    pub fn outgoing(&self, event: &Event) -> NewRecord {
        records::outgoing(&self.app.ctx.codec, &*self.clock, event, None)
    }
}
