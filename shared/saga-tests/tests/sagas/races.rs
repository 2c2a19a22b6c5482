//! The races of DESIGN.md, section 5, each with a schedule written by hand.

use std::time::Duration;

use events::topics::{INVENTORY, ORDERS, PRODUCTS, SHIPPING};
use messaging::{log::Producer as _, record::NewRecord};
use order_service::domain::Status;
use saga_tests::{faults::Fault, node::Work, wishes::Wish, world::PATIENCE};
use shipping_service::store::entity::Stage;
use testkit::Random;

use crate::scene::{Scene, block_on};

const ORDERS_TOPIC: &str = ORDERS.name;
const INVENTORY_TOPIC: &str = INVENTORY.name;
const SHIPPING_TOPIC: &str = SHIPPING.name;

fn cancel(key: &str) -> Wish {
    Wish::Cancel(key.into())
}

fn dispatch(key: &str) -> Wish {
    Wish::DispatchAtOnce(key.into())
}

/// Until the shipment is booked and published, and the order service hasn't heard of it.
async fn until_scheduled(scene: &mut Scene) {
    scene.say("order").await.unwrap();
    scene.hear("inventory", ORDERS_TOPIC).await.unwrap();
    scene.say("inventory").await.unwrap();
    scene.hear("shipping", ORDERS_TOPIC).await.unwrap();
    scene.hear("shipping", INVENTORY_TOPIC).await.unwrap();
    scene.say("shipping").await.unwrap();
}

#[test]
fn a_stock_reserved_after_the_deadline_is_undone() {
    block_on(async {
        let mut scene = Scene::with_mugs(1).await;
        let order = scene.order_mug("late").await;
        scene.say("order").await.unwrap();
        scene.advance(PATIENCE);
        assert_eq!(scene.fire("order").await.unwrap(), 1);
        assert_eq!(scene.status(order).await, Status::Cancelled);
        // The cancellation is still in the outbox: inventory reserves for an order that is over.
        scene.hear("inventory", ORDERS_TOPIC).await.unwrap();
        scene.say("inventory").await.unwrap();
        scene.ends_well().await;
        assert_eq!(scene.status(order).await, Status::Cancelled);
        let next = scene.order_mug("next").await;
        scene.ends_well().await;
        assert_eq!(scene.status(next).await, Status::Confirmed, "the mug is free again");
    });
}

#[test]
fn a_shipment_scheduled_after_the_deadline_is_undone() {
    block_on(async {
        let mut scene = Scene::with_mugs(1).await;
        let order = scene.order_mug("late").await;
        until_scheduled(&mut scene).await;
        scene.advance(PATIENCE);
        assert_eq!(scene.fire("order").await.unwrap(), 1);
        scene.hear("order", SHIPPING_TOPIC).await.unwrap();
        assert_eq!(scene.status(order).await, Status::Cancelled);
        scene.ends_well().await;
        assert_eq!(scene.stage(order).await, Some(Stage::Cancelled));
    });
}

#[test]
fn a_deadline_that_comes_with_shipment_scheduled_is_too_late() {
    block_on(async {
        let mut scene = Scene::with_mugs(1).await;
        let order = scene.order_mug("just in time").await;
        until_scheduled(&mut scene).await;
        scene.advance(PATIENCE);
        let seat = scene.seat("order");
        let records = scene.log.all(&[SHIPPING_TOPIC]);
        let due = scene.due(seat).await.unwrap();
        assert_eq!(due, [order.to_string()]);
        scene.transact(seat, Work { records, due, ..Work::default() }).await.unwrap();
        assert_eq!(scene.status(order).await, Status::Confirmed);
        scene.ends_well().await;
        assert_eq!(scene.stage(order).await, Some(Stage::Released));
    });
}

#[test]
fn a_deadline_after_shipment_scheduled_does_nothing() {
    block_on(async {
        let mut scene = Scene::with_mugs(1).await;
        let order = scene.order_mug("in time").await;
        until_scheduled(&mut scene).await;
        scene.hear("order", SHIPPING_TOPIC).await.unwrap();
        scene.advance(PATIENCE);
        assert_eq!(scene.fire("order").await.unwrap(), 0);
        scene.ends_well().await;
        assert_eq!(scene.status(order).await, Status::Confirmed);
    });
}

#[test]
fn a_cancellation_that_reaches_shipping_before_the_dispatch_wins() {
    block_on(async {
        let mut scene = Scene::with_mugs(1).await;
        let order = scene.order_mug("a").await;
        scene.settle(1).await.unwrap();
        scene.ask("order", cancel("a")).await.unwrap();
        scene.say("order").await.unwrap();
        scene.hear("shipping", ORDERS_TOPIC).await.unwrap();
        let refused = scene.ask("shipping", dispatch("a")).await.unwrap_err();
        assert_eq!(refused, "the shipment was cancelled");
        scene.ends_well().await;
        assert_eq!(scene.status(order).await, Status::Cancelled);
        assert_eq!(scene.stage(order).await, Some(Stage::Cancelled));
    });
}

#[test]
fn a_dispatch_before_the_cancellation_reaches_shipping_wins() {
    block_on(async {
        let mut scene = Scene::with_mugs(1).await;
        let order = scene.order_mug("a").await;
        scene.settle(1).await.unwrap();
        scene.ask("order", cancel("a")).await.unwrap();
        scene.say("order").await.unwrap();
        scene.ask("shipping", dispatch("a")).await.unwrap();
        scene.hear("shipping", ORDERS_TOPIC).await.unwrap();
        scene.ends_well().await;
        assert_eq!(scene.status(order).await, Status::Shipped);
        assert_eq!(scene.stage(order).await, Some(Stage::Dispatched));
    });
}

#[test]
fn a_cancellation_and_a_dispatch_in_one_transaction_have_one_winner() {
    block_on(async {
        let mut scene = Scene::with_mugs(1).await;
        let order = scene.order_mug("a").await;
        scene.settle(1).await.unwrap();
        scene.ask("order", cancel("a")).await.unwrap();
        scene.say("order").await.unwrap();
        let dispatched = scene.wish(dispatch("a"));
        scene.poll().await.unwrap();
        let seat = scene.seat("shipping");
        let records = scene.log.all(&[ORDERS_TOPIC]);
        scene.transact(seat, Work { records, requests: 1, ..Work::default() }).await.unwrap();
        scene.poll().await.unwrap();
        assert!(scene.reply(dispatched).unwrap().is_err());
        scene.ends_well().await;
        assert_eq!(scene.status(order).await, Status::Cancelled);
    });
}

#[test]
fn of_two_orders_for_the_last_item_one_is_confirmed() {
    block_on(async {
        for together in [true, false] {
            let mut scene = Scene::with_mugs(1).await;
            let (first, second) = (scene.order_mug("1").await, scene.order_mug("2").await);
            scene.say("order").await.unwrap();
            if together {
                scene.hear("inventory", ORDERS_TOPIC).await.unwrap();
            }
            scene.ends_well().await;
            let mut statuses = [scene.status(first).await, scene.status(second).await];
            statuses.sort_by_key(|status| status.as_str());
            assert_eq!(statuses, [Status::Confirmed, Status::Rejected]);
        }
    });
}

#[test]
fn shipping_hears_order_placed_and_stock_reserved_in_either_order() {
    block_on(async {
        for topics in [[ORDERS_TOPIC, INVENTORY_TOPIC], [INVENTORY_TOPIC, ORDERS_TOPIC]] {
            let mut scene = Scene::with_mugs(1).await;
            let order = scene.order_mug("a").await;
            scene.say("order").await.unwrap();
            scene.hear("inventory", ORDERS_TOPIC).await.unwrap();
            scene.say("inventory").await.unwrap();
            for topic in topics {
                scene.hear("shipping", topic).await.unwrap();
            }
            assert_eq!(scene.stage(order).await, Some(Stage::Scheduled), "{topics:?}");
            scene.ends_well().await;
            assert_eq!(scene.status(order).await, Status::Confirmed, "{topics:?}");
        }
    });
}

#[test]
fn every_event_may_come_twice() {
    block_on(async {
        let mut scene = Scene::with_mugs(2).await;
        scene.faults = Box::new(|_| Fault::Repeat);
        let (sent, refused) = (scene.order_mug("a").await, scene.order_mug_to("b", "AQ").await);
        scene.settle(1).await.unwrap();
        for wish in [dispatch("a"), Wish::Deliver("a".into())] {
            scene.ask("shipping", wish).await.unwrap();
            scene.settle(1).await.unwrap();
        }
        scene.ends_well().await;
        assert_eq!(scene.status(sent).await, Status::Delivered);
        assert_eq!(scene.status(refused).await, Status::Cancelled);
    });
}

/// The three services hear seven topics; what comes first differs each time, and between two
/// events of one order there may be any of another topic, and all the old ones once more.
#[test]
fn events_of_different_topics_may_come_in_any_order_and_again() {
    block_on(async {
        let mut scene = Scene::with_mugs(0).await;
        for seed in 0..100 {
            let mut random = Random::new(seed);
            scene.again(2).await;
            let order = scene.order_mug("a").await;
            scene.order_mug("b").await;
            if random.chance(50) {
                scene.ask("order", cancel("b")).await.unwrap();
            }
            for _ in 0..60 {
                step_somewhere(&mut scene, &mut random).await;
            }
            scene.ends_well().await;
            assert_eq!(scene.status(order).await, Status::Confirmed, "seed {seed}");
        }
    });
}

async fn step_somewhere(scene: &mut Scene, random: &mut Random) {
    const HEARS: [(&str, &str); 7] = [
        ("order", PRODUCTS.name),
        ("order", INVENTORY.name),
        ("order", SHIPPING.name),
        ("inventory", ORDERS.name),
        ("inventory", SHIPPING.name),
        ("shipping", ORDERS.name),
        ("shipping", INVENTORY.name),
    ];
    let (service, topic) = *random.pick(&HEARS).unwrap();
    let seat = scene.seat(service);
    if random.chance(30) {
        let again = scene.heard(seat);
        scene.purge_inbox(seat).await.unwrap();
        scene.redeliver(seat, again).await.unwrap();
    }
    // Nothing new there is no harm.
    scene.hear(service, topic).await.ok();
    scene.say(service).await.ok();
}

#[test]
fn an_order_whose_answers_are_only_unread_survives_its_own_services_outage() {
    block_on(async {
        let mut scene = Scene::with_mugs(1).await;
        let order = scene.order_mug("a").await;
        scene.say("order").await.unwrap();
        let seat = scene.seat("order");
        scene.commit_offsets(seat);
        scene.crash(seat);
        scene.hear("inventory", ORDERS_TOPIC).await.unwrap();
        scene.say("inventory").await.unwrap();
        scene.hear("shipping", ORDERS_TOPIC).await.unwrap();
        scene.hear("shipping", INVENTORY_TOPIC).await.unwrap();
        scene.say("shipping").await.unwrap();
        scene.advance(2 * PATIENCE);
        scene.start(seat);
        assert_eq!(scene.fire("order").await.unwrap(), 0, "first it reads what is there");
        scene.ends_well().await;
        assert_eq!(scene.status(order).await, Status::Confirmed);
    });
}

#[test]
fn an_order_survives_an_outage_of_the_log_that_is_longer_than_its_deadline() {
    block_on(async {
        let mut scene = Scene::with_mugs(1).await;
        let order = scene.order_mug("a").await;
        until_scheduled(&mut scene).await;
        scene.set_log_away(true);
        scene.advance(2 * PATIENCE);
        assert_eq!(scene.fire("order").await.unwrap(), 0);
        scene.set_log_away(false);
        assert_eq!(scene.fire("order").await.unwrap(), 0, "first it reads what is there");
        scene.ends_well().await;
        assert_eq!(scene.status(order).await, Status::Confirmed);
    });
}

#[test]
fn an_outage_of_inventory_that_is_longer_than_the_deadline_cancels_and_holds_nothing() {
    block_on(async {
        let mut scene = Scene::with_mugs(1).await;
        let seat = scene.seat("inventory");
        scene.crash(seat);
        let order = scene.order_mug("a").await;
        scene.say("order").await.unwrap();
        scene.advance(PATIENCE + Duration::from_secs(1));
        assert_eq!(scene.fire("order").await.unwrap(), 1);
        scene.start(seat);
        scene.ends_well().await;
        assert_eq!(scene.status(order).await, Status::Cancelled);
        assert_eq!(scene.stage(order).await, Some(Stage::Tombstone));
    });
}

#[test]
fn an_order_that_was_cancelled_before_it_was_known_stays_so_when_it_is_redriven() {
    block_on(async {
        let mut scene = Scene::with_mugs(1).await;
        let order = scene.order_mug("a").await;
        scene.say("order").await.unwrap();
        let placed = scene.log.all(&[ORDERS_TOPIC]);
        // OrderPlaced went to the dead letters of both; the order is cancelled meanwhile.
        for service in ["inventory", "shipping"] {
            let seat = scene.seat(service);
            scene.skip(seat, &placed[0].at, placed[0].offset);
        }
        scene.ask("order", cancel("a")).await.unwrap();
        scene.settle(1).await.unwrap();
        assert_eq!(scene.stage(order).await, Some(Stage::Tombstone));
        for service in ["inventory", "shipping"] {
            let seat = scene.seat(service);
            scene.redeliver(seat, placed.clone()).await.unwrap();
        }
        scene.ends_well().await;
        assert_eq!(scene.status(order).await, Status::Cancelled);
        assert!(scene.log.all(&[INVENTORY_TOPIC]).is_empty(), "nothing was ever reserved");
    });
}

#[test]
fn a_stock_reserved_that_is_redriven_after_the_cancellation_books_nothing() {
    block_on(async {
        let mut scene = Scene::with_mugs(1).await;
        let order = scene.order_mug("a").await;
        scene.say("order").await.unwrap();
        scene.hear("inventory", ORDERS_TOPIC).await.unwrap();
        scene.say("inventory").await.unwrap();
        let reserved = scene.log.all(&[INVENTORY_TOPIC]);
        let seat = scene.seat("shipping");
        scene.skip(seat, &reserved[0].at, reserved[0].offset);
        scene.ask("order", cancel("a")).await.unwrap();
        scene.settle(1).await.unwrap();
        scene.redeliver(seat, reserved).await.unwrap();
        scene.ends_well().await;
        assert_eq!(scene.stage(order).await, Some(Stage::Tombstone));
    });
}

#[test]
fn a_record_that_cannot_be_decoded_is_kept_whole_and_the_saga_beside_it_goes_on() {
    block_on(async {
        let mut scene = Scene::with_mugs(1).await;
        let rubbish = NewRecord {
            topic: ORDERS_TOPIC.into(),
            key: "k".into(),
            value: Some("rubbish".into()),
            headers: vec![("ce_type".into(), "OrderPlaced".into())],
        };
        let order = scene.order_mug("a").await;
        scene.log.append(vec![rubbish]).await.unwrap();
        scene.settle(usize::MAX).await.unwrap();
        assert_eq!(scene.status(order).await, Status::Confirmed);
        for topic in ["shop.inventory.dead-letters", "shop.shipping.dead-letters"] {
            let kept = scene.log.all(&[topic]);
            assert_eq!(kept.len(), 1, "{topic}");
            assert_eq!(kept[0].value.as_deref(), Some(&b"rubbish"[..]));
            assert!(kept[0].header("dead_letter_reason").unwrap().contains("first byte"));
        }
    });
}
