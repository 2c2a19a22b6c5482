//! After a stop, a crash, or damage: the same answers.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use testkit::Random;

use crate::{config::Config, testing::*};

const SKUS: [&str; 8] = ["tent", "mat", "lamp", "stove", "pegs", "rope", "mug", "knife"];

/// Answers to questions of every kind.
async fn answers(shop: &Served) -> Vec<Value> {
    let mut all = Vec::new();
    for sku in SKUS {
        all.push(shop.get(&format!("/products/{sku}/related")).await.body);
    }
    for session in 0..5 {
        all.push(shop.get(&format!("/recommendations?session_id=s{session}")).await.body);
    }
    for path in ["/trending", "/trending?window=24h", "/recommendations"] {
        all.push(shop.get(path).await.body);
    }
    assert!(all.iter().all(|answer| answer["items"].is_array()), "{all:?}");
    all
}

fn some_clicks(random: &mut Random, count: usize) -> Value {
    let click = |_| {
        let session = format!("s{}", random.below(30));
        let sku = random.pick(&SKUS).unwrap();
        click(&session, sku, i64::try_from(random.below(60)).unwrap())
    };
    Value::Array((0..count).map(click).collect())
}

async fn world() -> World {
    let world = World::new().await;
    world.sell(&SKUS.join(" ")).await;
    world
}

/// A world in which something has happened, with a snapshot of it, and what is answered then.
async fn visited() -> (World, Vec<Value>) {
    let world = world().await;
    let shop = world.serve().await;
    assert_eq!(shop.report(some_clicks(&mut Random::new(5), 200)).await.status, 202);
    world.say([world.order("o-1", "tent pegs rope"), world.order("o-2", "mug knife")]).await;
    shop.settle().await;
    let before = answers(&shop).await;
    shop.stop().await;
    (world, before)
}

#[actix_web::test]
async fn a_stop_takes_a_snapshot_and_a_start_needs_nothing_else() {
    let (world, before) = visited().await;
    assert_eq!(world.snapshots().len(), 1);
    let shop = world.serve().await;
    assert_eq!(answers(&shop).await, before);
    let counters = shop.service.counters();
    assert_eq!(counters.learned.load(std::sync::atomic::Ordering::Relaxed), 0);
    shop.stop().await;
    assert_eq!(world.snapshots().len(), 1, "nothing happened, so nothing is written");
}

#[actix_web::test]
async fn whatever_dies_and_whenever_the_answers_are_the_same() {
    for seed in 0..6 {
        let (world, random) = (world().await, &mut Random::new(seed));
        let undisturbed_dir = tempfile::tempdir().unwrap();
        let undisturbed =
            world.serve_with(Config { shards: 1, ..Config::new(undisturbed_dir.path()) });
        let undisturbed = undisturbed.await;
        for round in 0..6 {
            // Snapshots as often as the learner looks: a crash finds them in every state.
            let snapshot_every = Duration::ZERO;
            let config = Config { shards: 1 + random.below(4), snapshot_every, ..world.config() };
            let shop = world.serve_with(config).await;
            let count = 1 + random.below(60);
            assert_eq!(shop.report(some_clicks(random, count)).await.status, 202);
            let order = world.order(&format!("o-{round}"), SKUS[random.below(8)]);
            world.say([order, world.stock(SKUS[random.below(8)], random.below(2) as i64)]).await;
            if random.chance(50) {
                shop.settle().await;
            }
            if random.chance(20) { shop.stop().await } else { shop.kill().await }
        }
        undisturbed.settle().await;
        let shop = world.serve().await;
        assert_eq!(answers(&shop).await, answers(&undisturbed).await, "seed {seed}");
    }
}

#[actix_web::test]
async fn what_was_accepted_is_there_after_a_crash_at_once() {
    let world = world().await;
    let shop = world.serve().await;
    let receipt = shop.report(json!([click("s", "tent", 0), click("s", "mat", 1)])).await;
    assert_eq!(receipt.status, 202);
    shop.kill().await;
    assert!(world.snapshots().is_empty());
    let shop = world.serve().await;
    assert_eq!(shop.skus("/products/tent/related").await, ["mat"]);
}

#[actix_web::test]
async fn another_number_of_shards_gives_the_same_answers() {
    let (world, before) = visited().await;
    for shards in [1, 5, 3] {
        let shop = world.serve_with(Config { shards, ..world.config() }).await;
        assert_eq!(answers(&shop).await, before, "{shards} shards");
        shop.stop().await;
    }
}

#[actix_web::test]
async fn a_broken_snapshot_falls_back_to_the_one_before_and_then_to_the_log() {
    let (world, _) = visited().await;
    let shop = world.serve().await;
    shop.visit("s1", "tent rope", 30).await;
    let before = answers(&shop).await;
    shop.stop().await;
    let found = world.snapshots();
    assert_eq!(found.len(), 2);
    for broken in found.iter().rev() {
        let mut bytes = fs::read(broken).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(broken, bytes).unwrap();
        let shop = world.serve().await;
        assert_eq!(answers(&shop).await, before);
        shop.kill().await;
    }
    assert!(world.snapshots().is_empty());
}

#[actix_web::test]
async fn a_rebuild_gives_the_same_answers_without_the_snapshot() {
    let (world, before) = visited().await;
    let shop = world.serve_with(Config { rebuild: true, ..world.config() }).await;
    assert_eq!(answers(&shop).await, before);
    let counters = shop.service.counters();
    assert!(counters.learned.load(std::sync::atomic::Ordering::Relaxed) > 100);
}

#[actix_web::test]
async fn a_snapshot_of_another_log_is_not_used() {
    let (old, _) = visited().await;
    let mut new = World::new().await;
    new.dir = old.dir;
    new.sell("tent").await;
    let shop = new.serve().await;
    assert!(shop.skus("/trending").await.is_empty());
    assert_eq!(new.snapshots().len(), 1, "it may be the right one for another start");
}

#[actix_web::test]
async fn two_replicas_do_not_share_a_directory() {
    let world = world().await;
    let _one = world.serve().await;
    let platform = messaging::app::Platform {
        log: world.log.clone(),
        codec: world.codec.clone(),
        clock: world.clock.clone(),
        telemetry: Default::default(),
        databases: messaging::app::Databases::InMemory,
    };
    let two = crate::build(world.config(), &platform);
    assert!(matches!(two, Err(crate::BuildError::InUse(_))));
}
