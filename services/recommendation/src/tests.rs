//! The service at work: reports come in over HTTP, events from the log, answers go out.

mod restarts;
mod trouble;

use serde_json::json;

use crate::testing::*;

#[actix_web::test]
async fn a_click_changes_the_next_answer_of_its_session() {
    let world = World::new().await;
    world.sell("tent mat lamp battery").await;
    let shop = world.serve().await;
    shop.visit("a", "tent mat", 0).await;
    shop.visit("b", "lamp battery", 0).await;
    shop.visit("visitor", "tent", 10).await;
    assert_eq!(shop.skus("/recommendations?session_id=visitor").await[0], "mat");
    shop.visit("visitor", "lamp", 11).await;
    let then = shop.skus("/recommendations?session_id=visitor").await;
    assert!(then.contains(&"battery".to_owned()) && !then.contains(&"lamp".to_owned()));
}

#[actix_web::test]
async fn an_answer_says_why_and_as_of_when() {
    let world = World::new().await;
    world.sell("tent mat pegs lamp").await;
    let shop = world.serve().await;
    shop.visit("a", "tent mat", 0).await;
    world.say([world.order("o-1", "tent pegs")]).await;
    shop.visit("b", "lamp", 5).await;
    let answer = shop.get("/recommendations?sku=tent").await.body;
    let reasons: Vec<_> = answer["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            assert!(item["score"].as_f64().unwrap() > 0.0);
            (item["sku"].as_str().unwrap(), item["reason"].as_str().unwrap())
        })
        .collect();
    let expected =
        [("mat", "sessions like this one"), ("pegs", "bought together"), ("lamp", "popular now")];
    assert_eq!(reasons, expected);
    // The order was confirmed at the clock's time, after all clicks.
    assert_eq!(answer["as_of"], "2026-11-21T08:00:00Z");
}

#[actix_web::test]
async fn only_what_is_listed_and_in_stock_is_shown() {
    let world = World::new().await;
    world.sell("tent mat lamp stove").await;
    world.say([world.stock("lamp", 0), world.product("stove", false)]).await;
    let shop = world.serve().await;
    for visitor in ["a", "b"] {
        shop.visit(visitor, "tent unheard-of lamp stove mat", 0).await;
    }
    let paths = ["/recommendations?sku=tent", "/recommendations?session_id=a&sku=tent"];
    for path in paths.into_iter().chain(["/products/tent/related", "/recommendations?recent=tent"])
    {
        assert_eq!(shop.skus(path).await, ["mat"], "{path}");
    }
    assert_eq!(shop.skus("/trending").await, ["mat", "tent"]);
    world.say([world.stock("lamp", 1), world.stock("mat", 0)]).await;
    world.sell("unheard-of").await;
    shop.settle().await;
    assert_eq!(shop.skus("/products/tent/related").await, ["unheard-of", "lamp"]);
}

#[actix_web::test]
async fn without_a_session_the_popular_products_are_shown() {
    let world = World::new().await;
    world.sell("tent lamp mat").await;
    let shop = world.serve().await;
    assert!(shop.skus("/recommendations").await.is_empty());
    shop.visit("a", "tent lamp", 0).await;
    shop.visit("b", "lamp", 0).await;
    for path in [
        "/recommendations",
        "/recommendations?session_id=new",
        "/recommendations?customer_id=ada",
        "/recommendations?sku=unheard-of",
        "/recommendations?recent=unheard-of,nor-this",
        "/products/unheard-of/related",
        "/trending",
        "/trending?window=24h",
    ] {
        assert_eq!(shop.skus(path).await, ["lamp", "tent"], "{path}");
    }
    assert_eq!(shop.skus("/recommendations?limit=1").await, ["lamp"]);
}

#[actix_web::test]
async fn what_is_popular_is_forgotten_when_its_window_has_passed() {
    let world = World::new().await;
    world.sell("tent lamp mat").await;
    let shop = world.serve().await;
    shop.visit("a", "tent", -30).await;
    shop.visit("b", "lamp", 50).await;
    assert_eq!(shop.skus("/trending?window=1h").await, ["lamp"]);
    assert_eq!(shop.skus("/trending?window=24h").await, ["lamp", "tent"]);
    // A purchase counts more than a view.
    world.say([world.order("o-1", "mat")]).await;
    shop.settle().await;
    assert_eq!(shop.skus("/trending").await, ["mat", "lamp"]);
}

#[actix_web::test]
async fn what_was_reported_before_has_no_effect() {
    let world = World::new().await;
    world.sell("tent mat lamp").await;
    let shop = world.serve().await;
    shop.visit("a", "tent mat", 0).await;
    shop.visit("b", "tent lamp", 1).await;
    let before = shop.get("/recommendations?sku=tent").await.body;
    let again = json!([click("a", "tent", 0), click("a", "mat", 1)]);
    let receipt = shop.report(again).await;
    assert_eq!((receipt.status, receipt.body), (202, json!({"accepted": 0, "duplicates": 2})));
    // Whatever another replica has written twice, the model learns once.
    world.say([viewed("a", "tent", 0), viewed("a", "mat", 1)]).await;
    shop.settle().await;
    assert_eq!(shop.get("/recommendations?sku=tent").await.body, before);
    let again = json!([click("a", "tent", 0), click("a", "mat", 1), click("c", "lamp", 0)]);
    let receipt = shop.report(again.clone()).await;
    assert_eq!((receipt.status, receipt.body), (202, json!({"accepted": 1, "duplicates": 2})));
    let receipt = shop.report(again).await;
    assert_eq!((receipt.status, receipt.body), (202, json!({"accepted": 0, "duplicates": 3})));
    let twice = json!([click("c", "mat", 1), click("c", "mat", 1)]);
    assert_eq!(shop.report(twice).await.body, json!({"accepted": 1, "duplicates": 1}));
    shop.settle().await;
    shop.stop().await;
    // It is the model that remembers, not this process.
    let shop = world.serve().await;
    let receipt = shop.report(json!([click("a", "tent", 0), click("a", "tent", 9)])).await;
    assert_eq!(receipt.body, json!({"accepted": 1, "duplicates": 1}));
}

#[actix_web::test]
async fn clicks_take_their_place_by_their_times() {
    let world = World::new().await;
    world.sell("tent mat stove").await;
    let shop = world.serve().await;
    let late = json!([click("a", "stove", 2), click("a", "tent", 0), click("a", "mat", 1)]);
    assert_eq!(shop.report(late).await.status, 202);
    shop.settle().await;
    assert_eq!(shop.skus("/recommendations?sku=tent").await, ["mat", "stove"]);
    // After half an hour without a click a new visit begins.
    shop.visit("visitor", "tent", 0).await;
    shop.visit("visitor", "stove", 40).await;
    let answer = shop.get("/recommendations?session_id=visitor").await.body;
    assert_eq!(answer["items"][0]["sku"], "mat");
}

#[actix_web::test]
async fn two_replicas_answer_the_same() {
    let (world, other) = (World::new().await, tempfile::tempdir().unwrap());
    world.sell("tent mat lamp stove").await;
    let one = world.serve().await;
    let config = crate::Config { shards: 3, ..crate::Config::new(other.path()) };
    let two = world.serve_with(config).await;
    one.visit("a", "tent mat lamp", 0).await;
    two.visit("b", "tent stove", 1).await;
    one.settle().await;
    for path in ["/recommendations?session_id=a", "/products/tent/related", "/trending"] {
        assert_eq!(one.get(path).await.body, two.get(path).await.body, "{path}");
    }
}

#[actix_web::test]
async fn its_state_can_be_observed() {
    let world = World::new().await;
    world.sell("tent mat").await;
    let shop = world.serve().await;
    shop.visit("a", "tent mat", 0).await;
    world.say([world.order("o-1", "tent mat")]).await;
    shop.settle().await;
    let observed = shop.service.observe().await.unwrap();
    let sum = |count: fn(&crate::observed::ObservedShard) -> usize| -> usize {
        observed.shards.iter().map(count).sum()
    };
    assert_eq!((observed.items, observed.lag, observed.is_ready), (2, 0, true));
    assert_eq!((sum(|s| s.sessions), sum(|s| s.clicks), sum(|s| s.orders)), (1, 2, 1));
    assert_eq!(sum(|shard| shard.mailbox), 0);
}
