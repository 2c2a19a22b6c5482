//! Lists of orders: newest first, in pages, filtered.

use serde_json::Value;

use crate::{domain::Status, testing::shop::*};

async fn ids(shop: &Shop, query: &str) -> Vec<String> {
    page(shop, query).await.0
}

/// The ids of a page, and where the next begins.
async fn page(shop: &Shop, query: &str) -> (Vec<String>, Option<String>) {
    let page = shop.get(&format!("/api/v1/orders{query}")).await.with(200);
    let ids = page["items"].as_array().unwrap().iter().map(|order| text(&order["id"]));
    (ids.collect(), page["next"].as_str().map(str::to_owned))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Orders, newest first.
async fn place(shop: &Shop, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.insert(0, shop.placed().await);
    }
    ids
}

#[actix_web::test]
async fn a_list_begins_with_the_newest() {
    let shop = Shop::open().await;
    assert_eq!(page(&shop, "").await, (vec![], None));
    let placed = place(&shop, 3).await;
    assert_eq!(page(&shop, "").await, (placed.clone(), None));
    let shown = shop.get("/api/v1/orders").await.with(200);
    assert_eq!(shown["items"][0], shop.show(&placed[0]).await);
}

#[actix_web::test]
async fn pages_follow_each_other_without_gap_or_repeat() {
    let shop = Shop::open().await;
    let placed = place(&shop, 7).await;
    for limit in [1, 2, 3, 6, 7, 200] {
        let (mut all, mut next) = page(&shop, &format!("?limit={limit}")).await;
        while let Some(after) = next {
            assert_eq!(all.len() % limit, 0);
            let (more, then) = page(&shop, &format!("?limit={limit}&after={after}")).await;
            assert!(!more.is_empty());
            all.extend(more);
            next = then;
        }
        assert_eq!(all, placed, "{limit} at a time");
    }
}

#[actix_web::test]
async fn a_page_has_50_orders_if_nothing_is_asked_for() {
    let shop = Shop::open().await;
    let placed = place(&shop, 51).await;
    let (first, next) = page(&shop, "").await;
    assert_eq!(first, placed[..50]);
    assert_eq!(ids(&shop, &format!("?after={}", next.unwrap())).await, placed[50..]);
}

#[actix_web::test]
async fn orders_placed_meanwhile_do_not_disturb_the_pages() {
    let shop = Shop::open().await;
    let placed = place(&shop, 4).await;
    let (_, next) = page(&shop, "?limit=2").await;
    place(&shop, 2).await;
    assert_eq!(ids(&shop, &format!("?after={}", next.unwrap())).await, placed[2..]);
}

#[actix_web::test]
async fn a_list_can_be_of_one_customer_and_one_status() {
    let shop = Shop::open().await;
    let ours = place(&shop, 2).await;
    let mut theirs = tea();
    theirs["customer_id"] = "Ünal & Söhne".into();
    let theirs = shop.place("k", &theirs).await.created();
    shop.bring(&ours[1], Status::Confirmed).await;
    assert_eq!(ids(&shop, "?customer_id=c-1").await, ours);
    assert_eq!(ids(&shop, "?customer_id=%C3%9Cnal+%26%20S%C3%B6hne").await, [theirs.as_str()]);
    assert_eq!(ids(&shop, "?customer_id=nobody").await, [""; 0]);
    assert_eq!(ids(&shop, "?status=CONFIRMED").await, [ours[1].as_str()]);
    assert_eq!(ids(&shop, "?status=PENDING").await, [theirs.as_str(), &ours[0]]);
    assert_eq!(ids(&shop, "?status=PENDING&customer_id=c-1&limit=1").await, [ours[0].as_str()]);
    assert_eq!(ids(&shop, "?status=DELIVERED").await, [""; 0]);
}

#[actix_web::test]
async fn parameters_that_are_wrong_or_unknown_are_refused() {
    let shop = Shop::open().await;
    let table = [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=1&limit=2", "limit"),
        ("after=rubbish", "after"),
        ("after=", "after"),
        ("after=%FF", "after"),
        // A well-formed cursor of some other list: "tea".
        ("after=InRlYSI", "after"),
        ("status=pending", "status"),
        ("status=LOST", "status"),
        ("status=", "status"),
        ("customer_id=", "customer_id"),
        ("customer_id=a%0Ab", "customer_id"),
        ("colour=red", "colour"),
    ];
    for (query, field) in table {
        let answer = shop.get(&format!("/api/v1/orders?{query}")).await;
        answer.is_problem(422, "validation", field);
    }
}
