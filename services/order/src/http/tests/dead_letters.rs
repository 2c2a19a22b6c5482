//! What can never be handled is kept whole, and what stands beside it goes on.

use bytes::Bytes;
use events::trace::TraceContext;
use kernel::Clock as _;
use messaging::record::{NewRecord, Record};
use serde_json::json;

use crate::{
    domain::{Change, Command},
    testing::{events::*, shop::*},
};

fn event(shop: &Shop, event: impl Into<events::Event>) -> Record {
    arrived(outgoing(&*shop.clock, &event.into(), None))
}

fn header<'r>(record: &'r NewRecord, name: &str) -> &'r str {
    let (_, value) = record.headers.iter().find(|(key, _)| key == name).unwrap();
    std::str::from_utf8(value).unwrap()
}

/// The dead letters in the outbox.
async fn dead_letters(shop: &Shop) -> Vec<NewRecord> {
    let outbox = shop.outbox().await.into_iter().map(|(_, record)| record);
    outbox.filter(|record| record.topic == "shop.order.dead-letters").collect()
}

#[actix_web::test]
async fn a_record_that_cannot_be_decoded_is_kept_whole_with_the_reason() {
    let shop = Shop::open().await;
    let mut record = event(&shop, stock_reserved("o-1"));
    record.value = Some(Bytes::from_static(b"\x07rubbish\xff"));
    shop.deliver([record.clone()]).await;
    let [letter] = &dead_letters(&shop).await[..] else { panic!("not one dead letter") };
    assert_eq!((Some(&letter.key), &letter.value), (record.key.as_ref(), &record.value));
    assert!(record.headers.iter().all(|original| letter.headers.contains(original)));
    assert_eq!(header(letter, "dead_letter_attempts"), "1");
    assert_eq!(header(letter, "dead_letter_topic"), "shop.inventory");
    assert_eq!(header(letter, "dead_letter_offset"), record.offset.to_string());
    assert!(header(letter, "dead_letter_reason").starts_with("cannot decode"));
    shop.deliver([record]).await;
    assert_eq!(dead_letters(&shop).await.len(), 1);
}

#[actix_web::test]
async fn a_record_without_its_headers_or_with_a_bad_id_is_kept() {
    let shop = Shop::open().await;
    let mut bare = event(&shop, stock_reserved("o-1"));
    bare.headers.clear();
    let no_uuid = event(&shop, shipment_scheduled("o-1"));
    let unpriced = event(&shop, product("soap", 250, "euro"));
    shop.deliver([bare, no_uuid, unpriced]).await;
    let letters = dead_letters(&shop).await;
    let reasons: Vec<_> = letters.iter().map(|l| header(l, "dead_letter_reason")).collect();
    assert!(reasons[0].contains("ce_source"), "{reasons:?}");
    assert!(reasons[1].contains("order_id \"o-1\""), "{reasons:?}");
    assert!(reasons[2].contains("currency \"euro\""), "{reasons:?}");
}

#[actix_web::test]
async fn only_the_poisonous_record_of_a_batch_is_kept() {
    let shop = Shop::open().await;
    let (first, second) = (shop.placed().await, shop.placed().await);
    let poison = event(&shop, shipment_scheduled("no uuid"));
    let batch = [&first, &second].map(|id| event(&shop, shipment_scheduled(id)));
    let [one, two] = batch;
    shop.deliver([one, poison.clone(), two]).await;
    for id in [first, second] {
        assert_eq!(shop.show(&id).await["status"], "CONFIRMED");
    }
    let letters = dead_letters(&shop).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].value, poison.value);
}

#[actix_web::test]
async fn a_record_that_breaks_the_transaction_of_a_batch_is_the_only_one_kept() {
    let shop = Shop::open().await;
    let (broken, sound) = (shop.placed().await, shop.placed().await);
    shop.sql(&format!("UPDATE orders SET body = 'x' || body WHERE id = '{broken}'")).await;
    let records = [&broken, &sound].map(|id| event(&shop, shipment_scheduled(id)));
    // Both wait before the writer runs, so they share its transaction.
    let cancel = Change::Cancel(None);
    let cancel = Command::Change(sound.parse().unwrap(), cancel, shop.clock.now());
    let trace = TraceContext::root(shop.clock.new_id());
    let request = shop.app.executor.request(cancel, None, trace);
    let ((), asked) = futures::join!(shop.deliver(records), request);
    assert_eq!(json!(asked.unwrap())["version"], 3);
    assert_eq!(shop.show(&sound).await["status"], "CONFIRMED");
    let letters = dead_letters(&shop).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].key, broken);
    assert!(header(&letters[0], "dead_letter_reason").contains("orders cannot be read"));
    shop.get(&format!("/api/v1/orders/{broken}")).await.is_problem(
        500,
        "internal-server-error",
        "",
    );
}

#[actix_web::test]
async fn a_dead_letter_can_be_sent_again_when_its_cause_is_mended() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    let record = event(&shop, shipment_scheduled(&id));
    shop.sql("UPDATE orders SET body = 'x' || body").await;
    shop.deliver([record]).await;
    let letter = arrived(dead_letters(&shop).await.remove(0));
    shop.sql("UPDATE orders SET body = substr(body, 2)").await;
    let again = messaging::dead_letters::original(&letter).unwrap();
    assert_eq!(again.topic, "shop.shipping");
    shop.deliver([arrived(again)]).await;
    assert_eq!(shop.show(&id).await["status"], "CONFIRMED");
}

#[actix_web::test]
async fn every_event_may_come_twice_in_one_batch_or_two() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    let record = event(&shop, shipment_scheduled(&id));
    let elsewhere = Record { offset: record.offset + 1_000_000, ..record.clone() };
    shop.deliver([record.clone(), record.clone()]).await;
    shop.deliver([record, elsewhere]).await;
    assert_eq!(shop.show(&id).await["version"], 2);
    assert_eq!(shop.said().await, ["OrderPlaced", "OrderConfirmed"]);
    // Also when the inbox has forgotten it.
    shop.sql("DELETE FROM inbox").await;
    let again = event(&shop, shipment_scheduled(&id));
    shop.deliver([again]).await;
    assert_eq!(shop.said().await, ["OrderPlaced", "OrderConfirmed"]);
}

#[actix_web::test]
async fn an_event_of_an_order_nobody_knows_is_noted_and_changes_nothing() {
    let shop = Shop::open().await;
    shop.hear(shipment_scheduled("0197c9a0-7c1e-7d4b-9f32-5f0c5f5d8a00"), None).await;
    assert_eq!(shop.rows(["orders", "outbox", "timeline"]).await, [0, 0, 1]);
}

#[actix_web::test]
async fn a_tombstone_means_nothing() {
    let shop = Shop::open().await;
    let mut tombstone = event(&shop, product("tea", 1, "EUR"));
    tombstone.value = None;
    shop.deliver([tombstone]).await;
    assert_eq!(shop.rows(["outbox"]).await, [0]);
    shop.place("k", &tea()).await.with(201);
}
