//! The same events in batches of any size, and one by one: the same rows, and the same events said. (Inventory has a
//! test of its own, because it says a product's level once a transaction.)

mod heard;

use std::sync::Arc;

use events::{Codec, Event};
use kernel::OrderId;
use messaging::{
    app::{App, Databases, Platform},
    embedded::EmbeddedLog,
    execute::{self, Batch, Item, Request},
    pipeline,
    record::Record,
    service::{Command, Service},
};
use saga_tests::checker::Camera;
use testkit::{Random, TempDatabases, VirtualClock, records};

use self::heard::{any_event, order, place};
use crate::scene::block_on;

const SEEDS: std::ops::Range<u64> = 0..12;
/// Some of them twice.
const EVENTS: usize = 60;
const ORDERS: usize = 8;
/// Records of one batch, at most.
const MOST: usize = 12;

fn platform(seed: u64) -> Platform {
    let clock = Arc::new(VirtualClock::new(seed));
    let databases = match TempDatabases::new() {
        server @ TempDatabases::Postgres(..) => server.databases(),
        TempDatabases::Sqlite(_) => Databases::InMemory,
    };
    Platform {
        log: Arc::new(EmbeddedLog::in_memory(clock.clone())),
        codec: Arc::new(Codec::fixed()),
        clock,
        databases,
        telemetry: Default::default(),
    }
}

/// What `service` may hear of, some of it repeated.
fn history(service: &impl Service, random: &mut Random) -> Vec<Arc<Record>> {
    let (codec, clock) = (Codec::fixed(), VirtualClock::new(1_000));
    let topics: Vec<_> = service.topics().iter().map(|topic| topic.name).collect();
    let mut records: Vec<Arc<Record>> = Vec::new();
    while records.len() < EVENTS {
        if random.chance(10) && !records.is_empty() {
            records.extend(random.pick(&records).cloned());
            continue;
        }
        let event: Event = any_event(random);
        if topics.contains(&event.topic().name) {
            let said = records::outgoing(&codec, &clock, &event, None);
            records.push(Arc::new(records::arrived(said)));
        }
    }
    records
}

async fn transact<S: Service>(app: &App<S>, batch: Batch<S>) {
    execute::transact(&app.ctx, &batch).await.unwrap();
}

/// Lets both services hear the same; `bookkeeping` are the columns that count transactions. Returns how
/// much they say.
async fn compare<S: Service>(
    [together, apart]: [App<S>; 2],
    asked: impl Fn() -> Vec<Command<S>>,
    bookkeeping: &[&str],
    seed: u64,
) -> usize {
    let random = &mut Random::new(seed);
    let records = history(&together.ctx.service, random);
    for app in [&together, &apart] {
        let trace = app.ctx.tracer.root(app.ctx.clock.new_id());
        let request = |command| Request { command, idempotency: None, trace: trace.clone() };
        let requests = asked().into_iter().map(request).collect();
        transact(app, Batch { requests, ..Batch::default() }).await;
    }
    let mut rest: Vec<Item<S>> = pipeline::prepare(&together.ctx, &records).await;
    while !rest.is_empty() {
        let later = rest.split_off(random.between(1, MOST).min(rest.len()));
        let items = std::mem::replace(&mut rest, later);
        transact(&together, Batch { items, ..Batch::default() }).await;
    }
    for item in pipeline::prepare(&apart.ctx, &records).await {
        transact(&apart, Batch { items: vec![item], ..Batch::default() }).await;
    }
    let mut taken = Vec::new();
    for app in [&together, &apart] {
        let camera = Camera::but_for(app.ctx.database.reader(), bookkeeping).await.unwrap();
        taken.push(camera.snapshot().await.unwrap());
    }
    let differences = taken[0].differences(&taken[1]);
    assert!(differences.is_empty(), "{} with seed {seed}:\n{}", S::NAME, differences.join("\n"));
    taken[0].rows().filter(|row| row.starts_with("outbox ")).count()
}

#[test]
fn orders_come_to_the_same_in_batches_and_one_by_one() {
    block_on(async {
        let mut said = 0;
        for seed in SEEDS {
            let build = async || order_service::build(Default::default(), &platform(seed)).await;
            let both = [build().await.unwrap(), build().await.unwrap()];
            for app in &both {
                let (codec, clock) = (&app.ctx.codec, &*app.ctx.clock);
                let tea = records::outgoing(codec, clock, &heard::product(), None);
                let items = pipeline::prepare(&app.ctx, &[Arc::new(records::arrived(tea))]).await;
                transact(app, Batch { items, ..Batch::default() }).await;
            }
            let asked = || (0..ORDERS).map(|n| place(OrderId(order(n)))).collect();
            said += compare(both, asked, &["base_version"], seed).await;
        }
        assert!(said > 0, "nothing is said");
    });
}

#[test]
fn shipments_come_to_the_same_in_batches_and_one_by_one() {
    block_on(async {
        let mut said = 0;
        for seed in SEEDS {
            let build = async || shipping_service::build(Default::default(), &platform(seed)).await;
            let both = [build().await.unwrap(), build().await.unwrap()];
            said += compare(both, Vec::new, &["base_version"], seed).await;
        }
        assert!(said > 0, "nothing is said");
    });
}

#[test]
fn notifications_come_to_the_same_in_batches_and_one_by_one() {
    block_on(async {
        let mut said = 0;
        for seed in SEEDS {
            let config = notification_service::Config::default;
            let build = async || notification_service::build(config(), &platform(seed)).await;
            let both = [build().await.unwrap(), build().await.unwrap()];
            // A file counts the transactions that changed it.
            said += compare(both, Vec::new, &["base_version", "version"], seed).await;
        }
        assert!(said > 0, "nothing is said");
    });
}
