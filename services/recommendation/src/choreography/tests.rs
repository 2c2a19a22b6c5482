use std::collections::BTreeSet;

use events::contracts::product_viewed::ProductViewed;
use kernel::Timestamp;

use super::*;
use crate::model::Shard;

const APPENDED_MS: i64 = 1_795_248_000_000;

fn viewed(sku: &str, occurred_at: i64) -> Event {
    ProductViewed {
        event_id: "e".into(),
        session_id: "s".into(),
        customer_id: None,
        sku: sku.into(),
        occurred_at,
    }
    .into()
}

#[test]
fn a_view_is_a_click_of_its_session() {
    let heard = hear(viewed("tent", APPENDED_MS * 1000), APPENDED_MS).unwrap();
    let expected = Lesson::Click {
        session: session_key("s"),
        sku: "tent".into(),
        time_micros: APPENDED_MS * 1000,
        fingerprint: Fingerprint::of("e"),
        kind: ClickKind::Viewed,
    };
    assert_eq!(heard, Some(expected));
}

#[test]
fn a_click_on_a_known_item_is_what_would_have_been_heard() {
    let mut catalogue = crate::model::Catalogue::new(1);
    let tent = catalogue.intern("tent").unwrap();
    for (occurred_at, is_usable) in [(APPENDED_MS * 1000, true), (0, false), (i64::MAX, false)] {
        let event = viewed("tent", occurred_at);
        let Event::ProductViewed(view) = &event else { unreachable!() };
        let click = click_on(tent, &view.into(), APPENDED_MS);
        assert_eq!(click.is_ok(), is_usable);
        let heard = hear(event, APPENDED_MS);
        let expected = click.map(|click| {
            let Click { session, time_micros, fingerprint, kind, .. } = click;
            Some(Lesson::Click { session, sku: "tent".into(), time_micros, fingerprint, kind })
        });
        assert_eq!(heard.ok(), expected.ok());
    }
}

#[test]
fn times_that_cannot_be_are_unusable() {
    let year_9999 = Timestamp::parse("9999-01-01T00:00:00Z").unwrap().0;
    let eleven_minutes_ahead = (APPENDED_MS + 11 * 60 * 1000) * 1000;
    for wrong in [i64::MIN, 0, EARLIEST.0 - 1, eleven_minutes_ahead, year_9999, i64::MAX] {
        assert!(hear(viewed("tent", wrong), APPENDED_MS).is_err(), "{wrong}");
    }
    for right in [EARLIEST.0, APPENDED_MS * 1000, (APPENDED_MS + 5 * 60 * 1000) * 1000] {
        assert!(hear(viewed("tent", right), APPENDED_MS).is_ok(), "{right}");
    }
}

#[test]
fn a_sku_that_cannot_be_is_unusable() {
    for wrong in ["", "a\nb", &"x".repeat(101)] {
        assert!(hear(viewed(wrong, APPENDED_MS * 1000), APPENDED_MS).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_tombstone_means_something_on_the_compacted_topics_only() {
    let forgotten = Some(Lesson::Forgotten { sku: "tent".into() });
    assert_eq!(hear_tombstone("shop.products", Some("tent")), forgotten);
    assert_eq!(hear_tombstone("shop.stock-levels", Some("tent")), forgotten);
    assert_eq!(hear_tombstone("shop.activity", Some("tent")), None);
    assert_eq!(hear_tombstone("shop.products", None), None);
}

#[test]
fn a_lot_of_sessions_has_its_clicks_from_one_partition() {
    type Key = fn(&str) -> SessionKey;
    for (key, topic) in [(session_key as Key, &topics::ACTIVITY), (order_key, &topics::ORDERS)] {
        let mut partitions = vec![BTreeSet::new(); MAX_SHARDS];
        for number in 0..20_000 {
            let id = format!("id {number}");
            let lot = Shard::of(key(&id), MAX_SHARDS);
            partitions[lot].insert(murmur2::partition(id.as_bytes(), topic.partitions));
        }
        let used = partitions.iter().filter(|partitions| !partitions.is_empty()).count();
        assert!(used >= MAX_SHARDS - 4, "{used} lots are used");
        assert!(partitions.iter().all(|partitions| partitions.len() <= 1));
    }
}
