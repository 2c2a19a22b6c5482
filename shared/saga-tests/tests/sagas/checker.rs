//! The checker itself: every planted violation is found, and named by its rule.

use saga_tests::{Rule, wishes::Wish};
use sea_orm::{ConnectionTrait, DatabaseConnection};

use crate::scene::{Scene, block_on};

const CONFIRMED: &str = "(SELECT id FROM orders WHERE status = 'CONFIRMED')";

/// A shop in which orders have ended in every way.
async fn shop() -> Scene {
    let mut scene = Scene::with_mugs(3).await;
    for key in ["confirmed", "shipped", "delivered"] {
        scene.order_mug(key).await;
    }
    scene.settle(1).await.unwrap();
    scene.order_mug("rejected").await;
    scene.settle(1).await.unwrap();
    scene.wish(Wish::Restock("second".into(), "mug", 2));
    scene.settle(1).await.unwrap();
    scene.order_mug_to("refused", "AQ").await;
    scene.order_mug("cancelled").await;
    scene.settle(1).await.unwrap();
    scene.wish(Wish::Cancel("cancelled".into()));
    scene.wish(Wish::Dispatch("shipped".into()));
    scene.wish(Wish::Dispatch("delivered".into()));
    scene.settle(1).await.unwrap();
    scene.wish(Wish::Deliver("delivered".into()));
    scene.ends_well().await;
    scene
}

/// What the checker finds after `sql`, which is then taken back.
async fn plant(scene: &Scene, database: &DatabaseConnection, sql: &str) -> Vec<Rule> {
    database.execute_unprepared("PRAGMA ignore_check_constraints = ON").await.unwrap();
    database.execute_unprepared("BEGIN").await.unwrap();
    let rows = database.execute_unprepared(sql).await.unwrap().rows_affected();
    assert!(rows > 0, "{sql} changes nothing");
    let mut found: Vec<_> =
        scene.violations().await.unwrap().into_iter().map(|violation| violation.rule).collect();
    database.execute_unprepared("ROLLBACK").await.unwrap();
    found.dedup();
    found
}

async fn finds(scene: &Scene, database: &DatabaseConnection, planted: &[(&str, Rule)]) {
    for (sql, rule) in planted {
        let found = plant(scene, database, sql).await;
        assert!(found.contains(rule), "{sql}: {rule:?} is not in {found:?}");
    }
    scene.check().await.unwrap();
}

#[test]
fn what_is_wrong_with_the_stock_is_found() {
    block_on(async {
        let scene = shop().await;
        let planted = [
            ("UPDATE stock SET on_hand = on_hand + 1", Rule::StockConserved),
            ("UPDATE stock SET reserved = reserved + 1", Rule::StockConserved),
            ("UPDATE stock SET reserved = -1", Rule::StockConserved),
            ("UPDATE stock SET on_hand = 0, reserved = 1", Rule::StockConserved),
            ("DELETE FROM stock", Rule::StockConserved),
            ("DELETE FROM stock_movements WHERE delta < 0", Rule::StockConserved),
            ("UPDATE stock_movements SET delta = delta + 1", Rule::StockConserved),
            (
                "UPDATE reservations SET lines = '{\"mug\": 2}' WHERE status = 'LIVE'",
                Rule::StockConserved,
            ),
            (
                "UPDATE reservations SET status = 'RELEASED' WHERE status = 'LIVE'",
                Rule::StockConserved,
            ),
            (
                "UPDATE reservations SET status = 'COMMITTED' WHERE status = 'RELEASED'",
                Rule::StockConserved,
            ),
        ];
        finds(&scene, &scene.checker.inventory, &planted).await;
    });
}

#[test]
fn an_order_that_does_not_end_is_found() {
    block_on(async {
        let scene = shop().await;
        let pending = "UPDATE orders SET body = json_set(body, '$.status', 'PENDING')";
        let asked = "UPDATE orders SET body = json_set(body, '$.cancellation', json('{\"reason\":null,\"requested_at\":\"2026-11-21T08:00:00Z\"}')) WHERE status = 'CONFIRMED'";
        let cancelled = "UPDATE orders SET body = json_set(body, '$.status', 'CANCELLED') WHERE status = 'SHIPPED'";
        let planted = [
            (pending, Rule::EveryOrderEnds),
            (asked, Rule::EveryOrderEnds),
            (cancelled, Rule::EveryOrderEnds),
            ("DELETE FROM orders WHERE status = 'CONFIRMED'", Rule::NothingLostOrDoubled),
            (
                "INSERT INTO orders SELECT 'x', customer_id, status, version, base_version, json_set(body, '$.id', '01a1fd1e-9f2f-7000-8000-000000000000'), last_event_id, traceparent, tracestate FROM orders LIMIT 1",
                Rule::NothingLostOrDoubled,
            ),
        ];
        finds(&scene, &scene.checker.order, &planted).await;
        let planted = [
            (
                "UPDATE reservations SET status = 'LIVE', lines = '{\"mug\": 1}' WHERE status = 'RELEASED'",
                Rule::EveryOrderEnds,
            ),
            (
                "UPDATE reservations SET confirmed = FALSE WHERE status = 'LIVE'",
                Rule::EveryOrderEnds,
            ),
            (
                "UPDATE reservations SET status = 'DISPATCHED_UNRESERVED' WHERE status = 'RELEASED'",
                Rule::NoResidue,
            ),
            (
                "UPDATE reservations SET order_id = 'x' WHERE status = 'REJECTED'",
                Rule::NothingLostOrDoubled,
            ),
        ];
        finds(&scene, &scene.checker.inventory, &planted).await;
        let planted = [
            (
                "UPDATE shipments SET stage = 'SCHEDULED' WHERE stage = 'RELEASED'",
                Rule::EveryOrderEnds,
            ),
            (
                "UPDATE shipments SET stage = 'CANCELLED' WHERE stage = 'DISPATCHED'",
                Rule::EveryOrderEnds,
            ),
            (
                "UPDATE shipments SET stage = 'DISPATCHED' WHERE stage = 'CANCELLED'",
                Rule::EveryOrderEnds,
            ),
            (
                "UPDATE shipments SET stage = 'RELEASED' WHERE stage = 'CANCELLED'",
                Rule::EveryOrderEnds,
            ),
            ("DELETE FROM shipments WHERE stage = 'TOMBSTONE'", Rule::EveryOrderEnds),
            (
                "UPDATE shipments SET order_id = 'x' WHERE stage = 'REFUSED'",
                Rule::NothingLostOrDoubled,
            ),
        ];
        finds(&scene, &scene.checker.shipping, &planted).await;
    });
}

#[test]
fn residue_is_found() {
    block_on(async {
        let scene = shop().await;
        let outbox = "INSERT INTO outbox (id, aggregatetype, aggregateid, type, headers, created_at) VALUES ('i', 'orders', 'k', 'OrderPlaced', '[]', 0)";
        let deadline = "INSERT INTO deadlines (aggregate_id, due_at) VALUES ('k', 0)";
        let planted = [(outbox, Rule::NoResidue), (deadline, Rule::NoResidue)];
        for database in [&scene.checker.order, &scene.checker.inventory, &scene.checker.shipping] {
            finds(&scene, database, &planted).await;
        }
        let planted = [
            (
                "UPDATE shipments SET stage = 'STOCK_KNOWN' WHERE stage = 'TOMBSTONE'",
                Rule::NoResidue,
            ),
            (
                "UPDATE shipments SET stage = 'ADDRESS_KNOWN' WHERE stage = 'TOMBSTONE'",
                Rule::NoResidue,
            ),
            ("UPDATE shipments SET stage = 'SCHEDULED' WHERE stage = 'RELEASED'", Rule::NoResidue),
        ];
        finds(&scene, &scene.checker.shipping, &planted).await;
    });
}

#[test]
fn what_is_wrong_with_a_timeline_is_found() {
    block_on(async {
        let scene = shop().await;
        let without = |kind: &str| {
            format!("DELETE FROM timeline WHERE type = '{kind}' AND order_id = {CONFIRMED}")
        };
        let (reserved, confirmed) = (without("StockReserved"), without("OrderConfirmed"));
        let insert = |kind: &str, id: &str| {
            format!(
                "INSERT INTO timeline (order_id, event_id, type, service, occurred_at, causation_id, trace_id, summary) \
                 SELECT order_id, '{id}', '{kind}', service, occurred_at, event_id, trace_id, '' FROM timeline WHERE type = 'OrderConfirmed'"
            )
        };
        let (doubled, both) = (insert("OrderConfirmed", "x"), insert("ShipmentCancelled", "y"));
        let planted = [
            (reserved.as_str(), Rule::Timeline),
            (&confirmed, Rule::Timeline),
            (&doubled, Rule::Timeline),
            (&both, Rule::Timeline),
            (
                "UPDATE timeline SET causation_id = NULL WHERE type = 'StockReserved'",
                Rule::Timeline,
            ),
            ("UPDATE timeline SET causation_id = 'x' WHERE type = 'OrderPlaced'", Rule::Timeline),
            (
                "UPDATE timeline SET causation_id = 'nobody' WHERE type = 'OrderConfirmed'",
                Rule::Timeline,
            ),
            (
                "UPDATE timeline SET trace_id = 'another' WHERE type = 'OrderConfirmed'",
                Rule::Timeline,
            ),
            ("UPDATE timeline SET trace_id = NULL WHERE type = 'OrderConfirmed'", Rule::Timeline),
            (
                "UPDATE timeline SET event_id = 'another' WHERE type = 'OrderCompleted'",
                Rule::Timeline,
            ),
        ];
        finds(&scene, &scene.checker.order, &planted).await;
    });
}

#[test]
fn a_lost_order_and_a_doubled_one_are_found() {
    block_on(async {
        let mut scene = shop().await;
        let order = scene.order_of("confirmed").unwrap();
        scene.expected.accepted.insert("again".into(), order);
        let found = scene.violations().await.unwrap();
        assert_eq!(found[0].rule, Rule::NothingLostOrDoubled);
        scene.expected.accepted.remove("again");
        scene.expected.accepted.insert("lost".into(), kernel::OrderId(uuid::Uuid::from_u128(1)));
        let found = scene.violations().await.unwrap();
        assert_eq!(found[0].rule, Rule::NothingLostOrDoubled);
    });
}
