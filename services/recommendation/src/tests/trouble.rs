//! Records that cannot be learned, a model that panics, a log that is away.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use events::{Event, contracts::product_viewed::ProductViewed, topics};
use messaging::{
    dead_letters::{DeadLetter, DeadLetters},
    record::NewRecord,
};
use serde_json::json;
use testkit::clock::START;

use crate::{config::Config, testing::*};

async fn dead_letters(world: &World) -> Vec<DeadLetter> {
    let letters = DeadLetters::of("recommendation", Arc::clone(&world.log)).unwrap();
    let kept = letters.list(0, 100).await.unwrap();
    kept.iter().map(DeadLetter::from).collect()
}

fn viewed(event_id: &str, session: &str, sku: &str) -> Event {
    ProductViewed {
        event_id: event_id.into(),
        session_id: session.into(),
        customer_id: None,
        sku: sku.into(),
        occurred_at: START.0,
    }
    .into()
}

fn rubbish(topic: &str) -> NewRecord {
    let value = Some(b"\x00\x00\x00\x00\x07no event"[..].into());
    NewRecord { topic: topic.to_owned(), key: b"s"[..].into(), value, headers: Vec::new() }
}

#[actix_web::test]
async fn what_is_no_event_goes_to_the_dead_letters_once() {
    let world = World::new().await;
    world.sell("tent mat").await;
    let shop = world.serve().await;
    let tombstone = NewRecord { value: None, ..rubbish(topics::ACTIVITY.name) };
    let year_9999 = ProductViewed {
        event_id: "e".into(),
        session_id: "s".into(),
        customer_id: None,
        sku: "tent".into(),
        occurred_at: 253_370_764_800_000_000,
    };
    world.append(vec![rubbish("shop.activity"), rubbish("shop.products"), tombstone]).await;
    world.say([year_9999.into()]).await;
    shop.visit("a", "tent mat", 0).await;
    assert_eq!(shop.skus("/products/tent/related").await, ["mat"]);
    let letters = dead_letters(&world).await;
    assert_eq!(letters.len(), 3, "{letters:?}");
    assert_eq!(shop.service.counters().unusable.load(Relaxed), 3);
    shop.kill().await;
    // All is read again, by this replica and by another.
    let (_one, dir) = (world.serve().await, tempfile::tempdir().unwrap());
    let _two = world.serve_with(Config::new(dir.path())).await;
    assert_eq!(dead_letters(&world).await.len(), 3);
}

#[actix_web::test]
async fn what_can_be_learned_after_a_redrive_is_learned() {
    let world = World::new().await;
    let shop = world.serve().await;
    world.append(vec![rubbish("shop.activity")]).await;
    shop.settle().await;
    let letters = DeadLetters::of("recommendation", Arc::clone(&world.log)).unwrap();
    letters.redrive(&letters.find(0).await.unwrap().unwrap()).await.unwrap();
    shop.settle().await;
    // It still cannot: it is kept a second time, and says so.
    assert_eq!(dead_letters(&world).await.last().unwrap().attempts, 2);
}

#[actix_web::test]
async fn a_panic_in_a_shard_loses_and_doubles_nothing() {
    let world = World::new().await;
    world.sell("tent mat lamp").await;
    let shop = world.serve().await;
    shop.visit("a", "tent mat", 0).await;
    shop.visit("b", "tent lamp", 0).await;
    let before = shop.skus("/products/tent/related").await;
    world.say([viewed("panics once", "c", "tent"), viewed("after it", "c", "mat")]).await;
    shop.settle().await;
    assert_eq!(shop.service.counters().rebuilt.load(Relaxed), 1);
    assert!(dead_letters(&world).await.is_empty());
    let after = shop.service.observe().await.unwrap();
    assert_eq!(after.shards.iter().map(|shard| shard.clicks).sum::<usize>(), 6);
    assert_eq!(shop.skus("/products/tent/related").await.len(), before.len());
    assert_eq!(shop.skus("/trending?window=24h").await[0], "tent");
}

#[actix_web::test]
async fn what_the_model_cannot_stand_goes_to_the_dead_letters() {
    let world = World::new().await;
    world.sell("tent mat").await;
    let shop = world.serve().await;
    world.say([viewed("panics always", "c", "tent"), viewed("after it", "c", "mat")]).await;
    shop.settle().await;
    shop.visit("a", "tent mat", 0).await;
    assert_eq!(shop.skus("/products/tent/related").await, ["mat"]);
    let letters = dead_letters(&world).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].reason, "the model panics on it");
}

#[actix_web::test]
async fn made_up_products_do_not_crowd_out_the_real_ones() {
    let world = World::new().await;
    let shop = world.serve_with(Config { max_items: 40, ..world.config() }).await;
    let made_up = (0..100).map(|n| click("rubbish", &format!("made up {n}"), 0)).collect();
    assert_eq!(shop.report(made_up).await.body, json!({"accepted": 100, "duplicates": 0}));
    // Otherwise the real ones may be learned first.
    shop.settle().await;
    world.sell("tent mat").await;
    shop.settle().await;
    shop.visit("a", "tent mat", 0).await;
    assert_eq!(shop.skus("/products/tent/related").await, ["mat"]);
    assert_eq!(shop.service.counters().no_room.load(Relaxed), 65);
}

#[actix_web::test]
async fn offsets_without_records_do_not_keep_it_from_being_ready() {
    let world = World::new().await;
    // As a relay appends to compacted topics: on Kafka in transactions, whose markers have offsets.
    let relay = world.log.producer(Some("relay")).await.unwrap();
    for sku in ["tent", "mat"] {
        let events = [world.product(sku, true), world.stock(sku, 1)];
        relay.append(events.iter().map(|event| world.record(event)).collect()).await.unwrap();
    }
    let shop = world.serve().await;
    shop.visit("a", "tent mat", 0).await;
    assert_eq!(shop.service.observe().await.unwrap().lag, 0);
    shop.stop().await;
    // From a snapshot that ends at a marker.
    let shop = world.serve().await;
    assert_eq!(shop.skus("/products/tent/related").await, ["mat"]);
}
