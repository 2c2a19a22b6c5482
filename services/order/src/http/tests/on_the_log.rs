//! The whole service at work: records come from a log, events go to it, deadlines fire.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use events::{Codec, Envelope, Event, codec::Decoded, topics};
use messaging::{
    embedded::EmbeddedLog,
    log::{AT_ONCE, Consumer, EventLog, LogEvent},
    record::Record,
};

use crate::testing::{HandClock, events::*, shop::*};

async fn open() -> (Shop, EmbeddedLog) {
    let clock = HandClock::new();
    let log = EmbeddedLog::in_memory(clock.clone());
    log.ensure_topics(topics::ALL).await.unwrap();
    log.ensure_topics(&topics::DEAD_LETTERS.iter().collect::<Vec<_>>()).await.unwrap();
    let mut platform = platform(&clock);
    platform.log = Arc::new(log.clone());
    let shop = Shop::on(platform, clock).await;
    shop.hear(product("tea", 499, "EUR"), None).await;
    (shop, log)
}

/// What the log has on one topic, record by record.
struct Reader {
    consumer: Box<dyn Consumer>,
    waiting: VecDeque<Record>,
}

impl Reader {
    async fn of(log: &EmbeddedLog, topic: &str) -> Self {
        let first = log.first_positions(&[topic]).await.unwrap();
        Self { consumer: log.assign(&first, AT_ONCE).await.unwrap(), waiting: VecDeque::new() }
    }

    async fn record(&mut self) -> Record {
        loop {
            if let Some(record) = self.waiting.pop_front() {
                return record;
            }
            if let LogEvent::Records(_, records) = self.consumer.next().await {
                self.waiting.extend(records);
            }
        }
    }

    async fn event(&mut self) -> (Envelope, Event) {
        let record = self.record().await;
        let envelope = Envelope::from_headers(|name| record.header(name)).unwrap();
        match Codec::fixed().decode(&record.value.unwrap()).await.unwrap() {
            Decoded::Event(event) => (envelope, event),
            Decoded::Unknown(name) => panic!("{name}"),
        }
    }
}

async fn append(shop: &Shop, log: &EmbeddedLog, event: impl Into<Event>, cause: &Envelope) {
    let record = outgoing(&*shop.clock, &event.into(), Some(cause.id));
    log.producer(None).await.unwrap().append(vec![record]).await.unwrap();
}

#[actix_web::test]
async fn a_saga_runs_through_the_log() {
    let (shop, log) = open().await;
    let mut orders = Reader::of(&log, "shop.orders").await;
    let id = shop.placed().await;
    let mut live = shop.follow(&id, Some("1")).await;
    let (placed, event) = orders.event().await;
    assert_eq!((event.name(), event.key()), ("OrderPlaced", id.as_str()));
    assert_eq!((placed.kind.as_str(), placed.service.as_str()), ("OrderPlaced", "order"));
    append(&shop, &log, stock_reserved(&id), &placed).await;
    append(&shop, &log, shipment_scheduled(&id), &placed).await;
    assert_eq!(live.status_change().await, (2, "CONFIRMED".into()));
    let (confirmed, event) = orders.event().await;
    assert_eq!(event.name(), "OrderConfirmed");
    append(&shop, &log, shipment_dispatched(&id), &confirmed).await;
    append(&shop, &log, shipment_delivered(&id), &confirmed).await;
    assert_eq!(live.status_change().await, (3, "SHIPPED".into()));
    assert_eq!(live.status_change().await, (4, "DELIVERED".into()));
    let (_, event) = orders.event().await;
    assert_eq!(event.name(), "OrderCompleted");
    shop.close().await;
}

#[actix_web::test]
async fn what_was_sent_is_forgotten_though_nothing_else_happens_and_sent_once() {
    let (shop, log) = open().await;
    let mut orders = Reader::of(&log, "shop.orders").await;
    for _ in 0..2 {
        let id = shop.placed().await;
        assert_eq!(orders.event().await.1.key(), id);
        while !shop.outbox().await.is_empty() {
            tokio::task::yield_now().await;
        }
    }
    shop.close().await;
}

#[actix_web::test]
async fn a_deadline_fires_when_the_clock_reaches_it() {
    let (shop, log) = open().await;
    let mut orders = Reader::of(&log, "shop.orders").await;
    let id = shop.placed().await;
    let live = shop.follow(&id, Some("1")).await;
    shop.clock.advance(Duration::from_secs(15 * 60));
    shop.app.ctx.database.signals.deadlines.notify_one();
    let sent = live.rest().await;
    assert_eq!(sent[0].data["status"], "CANCELLED");
    assert_eq!(orders.event().await.1.name(), "OrderPlaced");
    let (_, Event::OrderCancelled(cancelled)) = orders.event().await else { panic!() };
    assert_eq!((cancelled.order_id.as_str(), cancelled.cause.as_str()), (&*id, "time-out"));
    shop.close().await;
}

#[actix_web::test]
async fn a_record_that_cannot_be_decoded_reaches_the_dead_letters_and_the_saga_goes_on() {
    let (shop, log) = open().await;
    let id = shop.placed().await;
    let live = shop.follow(&id, Some("1")).await;
    let mut letters = Reader::of(&log, "shop.order.dead-letters").await;
    let mut rubbish = outgoing(&*shop.clock, &stock_reserved(&id), None);
    rubbish.value = Some(vec![0, 0, 0, 0, 99].into());
    let good = outgoing(&*shop.clock, &stock_rejected(&id), None);
    let producer = log.producer(None).await.unwrap();
    producer.append(vec![rubbish.clone(), good]).await.unwrap();
    assert_eq!(live.rest().await[0].data["status"], "REJECTED");
    let letter = letters.record().await;
    assert_eq!((letter.key.as_ref(), &letter.value), (Some(&rubbish.key), &rubbish.value));
    assert!(rubbish.headers.iter().all(|header| letter.headers.contains(header)));
    shop.close().await;
}
