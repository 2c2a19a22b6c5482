//! Timelines of orders that ended long ago are forgotten; those of others never are.

use std::time::Duration;

use kernel::Clock as _;
use messaging::runtime::keep_house;
use serde_json::{Value, json};

use crate::{
    domain::Status,
    store::retention::Sweep,
    testing::{events::*, shop::*},
};

const DAY: Duration = Duration::from_hours(24);

/// How many events the timelines of these orders have.
async fn events(shop: &Shop, orders: &[String]) -> Vec<usize> {
    let mut counts = Vec::new();
    for id in orders {
        counts.push(shop.timeline(id).await["events"].as_array().unwrap().len());
    }
    counts
}

#[actix_web::test]
async fn the_timeline_of_an_order_that_ended_long_ago_is_forgotten() {
    let shop = Shop::open().await;
    let mut orders = Vec::new();
    for status in [Status::Delivered, Status::Rejected, Status::Cancelled] {
        let id = shop.placed().await;
        shop.bring(&id, status).await;
        orders.push(id);
    }
    let before = events(&shop, &orders).await;
    shop.clock.advance(89 * DAY);
    keep_house(&shop.app.ctx).await.unwrap();
    assert_eq!(events(&shop, &orders).await, before);
    shop.clock.advance(2 * DAY);
    keep_house(&shop.app.ctx).await.unwrap();
    assert_eq!(events(&shop, &orders).await, [0, 0, 0]);
    let timeline = shop.timeline(&orders[0]).await;
    let expected = json!({
        "order_id": orders[0], "status": "DELIVERED", "events": [], "waiting_for": Value::Null,
    });
    assert_eq!(timeline, expected);
}

#[actix_web::test]
async fn an_order_that_has_not_ended_keeps_its_timeline() {
    let shop = Shop::open().await;
    let mut orders = Vec::new();
    for status in [Status::Pending, Status::Confirmed, Status::Shipped] {
        let id = shop.placed().await;
        shop.bring(&id, status).await;
        orders.push(id);
    }
    let before = events(&shop, &orders).await;
    shop.clock.advance(400 * DAY);
    keep_house(&shop.app.ctx).await.unwrap();
    assert_eq!(events(&shop, &orders).await, before);
}

#[actix_web::test]
async fn retention_counts_from_the_end_not_from_the_beginning() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    shop.bring(&id, Status::Confirmed).await;
    shop.clock.advance(100 * DAY);
    shop.hear(shipment_dispatched(&id), None).await;
    shop.hear(shipment_delivered(&id), None).await;
    keep_house(&shop.app.ctx).await.unwrap();
    assert_ne!(events(&shop, std::slice::from_ref(&id)).await, [0]);
    shop.clock.advance(91 * DAY);
    keep_house(&shop.app.ctx).await.unwrap();
    assert_eq!(events(&shop, &[id]).await, [0]);
}

#[actix_web::test]
async fn a_sweep_goes_past_what_stays_and_begins_anew() {
    let shop = Shop::open().await;
    let mut orders = Vec::new();
    for number in 0..9 {
        let id = shop.placed().await;
        let status = if number % 3 == 2 { Status::Rejected } else { Status::Confirmed };
        shop.bring(&id, status).await;
        orders.push(id);
    }
    let placed_at = shop.clock.now();
    shop.clock.advance(DAY);
    let (sweep, db) = (Sweep::default(), shop.app.ctx.database.reader());
    // Two orders a page; the last page is not whole.
    let mut rounds = Vec::new();
    for _ in 0..5 {
        rounds.push(sweep.forget(db, placed_at.plus(DAY), 20).await.unwrap());
    }
    assert_eq!(rounds, [false, true, true, false, false]);
    let kept: Vec<_> = events(&shop, &orders).await.iter().map(|count| *count > 0).collect();
    assert_eq!(kept, [true, true, false].repeat(3));
    for id in &orders[..2] {
        shop.bring(id, Status::Delivered).await;
    }
    assert!(sweep.forget(db, placed_at.plus(2 * DAY), 20).await.unwrap(), "from the beginning");
    assert_eq!(events(&shop, &orders[..2]).await, [0, 0]);
}
