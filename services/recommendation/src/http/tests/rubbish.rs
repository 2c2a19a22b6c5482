//! Ten thousand reports that are wrong in many ways: each is told what is wrong, and nothing changes.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::{Value, json};
use testkit::Random;

use super::with;
use crate::testing::*;

const REPORTS: usize = 10_000;

/// Something that is no good entry.
fn entry(random: &mut Random) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("\u{1}"),
        json!([]),
        json!({}),
        json!("x".repeat(101)),
        json!("1970-01-01T00:00:00Z"),
        json!({"$ne": 1}),
        json!("9999-12-31T23:59:59Z"),
        json!("x".repeat(20_000)),
        json!([[[[1]]]]),
    ];
    // No value of these is good for these fields.
    let fields = ["event_id", "session_id", "sku", "type", "occurred_at"];
    let bad = [&values[1..9], &values[10..11], &values[12..]].concat();
    match random.below(4) {
        0 => random.pick(&values).unwrap().clone(),
        1 => {
            let field = *random.pick(&["type", "unknown"]).unwrap();
            with(json!({ field: random.pick(&values[1..]).unwrap() }))
        }
        2 => with(json!({ (*random.pick(&fields).unwrap()): random.pick(&bad).unwrap() })),
        _ => {
            let times = ["\u{1}", "", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"];
            with(json!({ "occurred_at": random.pick(&times).unwrap() }))
        }
    }
}

/// Good entries with one among them that is not.
fn report(random: &mut Random) -> Vec<u8> {
    let good = 0..random.below(4);
    let mut report: Vec<_> = good.map(|n| click("b", "mat", n as i64)).collect();
    report.insert(random.below(report.len() + 1), entry(random));
    serde_json::to_vec(&report).unwrap()
}

fn broken(random: &mut Random) -> Vec<u8> {
    let mut body = serde_json::to_vec(&[click("b", "mat", 0)]).unwrap();
    body.truncate(random.between(1, body.len() - 1));
    body
}

fn deep(random: &mut Random) -> Vec<u8> {
    let depth = random.between(200, 30_000);
    let (open, close) = *random.pick(&[("[", "]"), ("{\"a\":", "}")]).unwrap();
    format!("{}1{}", open.repeat(depth), close.repeat(depth)).into_bytes()
}

fn noise(random: &mut Random) -> Vec<u8> {
    // The first byte begins no JSON.
    let length = random.between(1, 300);
    std::iter::once(0xff).chain((0..length).map(|_| random.bits().to_le_bytes()[0])).collect()
}

fn megabyte() -> Vec<u8> {
    let session = json!({ "session_id": "x".repeat(1 << 20) });
    serde_json::to_vec(&[with(session)]).unwrap()
}

/// A body, and the status of its refusal.
fn rubbish(random: &mut Random) -> (Vec<u8>, u16) {
    match random.below(500) {
        0 => (megabyte(), 413),
        1..50 => (deep(random), 400),
        50..100 => (broken(random), 400),
        100..150 => (noise(random), 400),
        _ => (report(random), 422),
    }
}

/// What the metrics `shop_recommendation_*` are made of.
async fn numbers(shop: &Served) -> (usize, usize, [u64; 5]) {
    let observed = shop.service.observe().await.unwrap();
    let counters = shop.service.counters();
    let count = |counter: &AtomicU64| counter.load(Relaxed);
    let events = [
        &counters.learned,
        &counters.repeated,
        &counters.too_old,
        &counters.no_room,
        &counters.unusable,
    ];
    let clicks = observed.shards.iter().map(|shard| shard.clicks).sum();
    (observed.items, clicks, events.map(count))
}

#[actix_web::test]
async fn random_rubbish_gets_clear_errors_and_changes_nothing() {
    let world = World::new().await;
    world.sell("tent mat").await;
    let shop = world.serve().await;
    shop.visit("a", "tent mat", 0).await;
    let before = (shop.get("/recommendations?sku=tent").await.body, numbers(&shop).await);
    let ends = world.log.end_positions(&["shop.activity"]).await.unwrap();
    let random = &mut Random::new(10_000);
    for round in 0..REPORTS {
        let (body, status) = rubbish(random);
        let answer = shop.report_raw(body).await;
        assert_eq!(answer.status, status, "round {round}: {answer:?}");
        assert_eq!(answer.body["status"], status, "round {round}: {answer:?}");
        assert!(answer.body["type"].is_string(), "round {round}: {answer:?}");
        let field = answer.body["errors"][0]["field"].as_str().unwrap_or_default();
        assert_eq!(field.starts_with('['), status == 422, "round {round}: {answer:?}");
    }
    assert_eq!(world.log.end_positions(&["shop.activity"]).await.unwrap(), ends);
    let after = (shop.get("/recommendations?sku=tent").await.body, numbers(&shop).await);
    assert_eq!(after, before);
}
