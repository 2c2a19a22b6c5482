//! Finding products.

use super::*;

fn skus(answer: &Answer) -> Vec<&str> {
    let items = answer.body["items"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    items.iter().map(|item| item["sku"].as_str().unwrap()).collect()
}

async fn catalogue() -> Served {
    let shop = serve().await;
    for (sku, name, description, category) in [
        ("cup-1", "Espresso cup", "Holds 100 % of one", "kitchen"),
        ("tea-1", "Grüner Tee", "a_b", "drinks"),
        ("tea-2", "Black tea", "a-b", "drinks"),
        ("pot_1", "Pot", r"C:\pot", "kitchen"),
    ] {
        let fields = json!({"name": name, "description": description, "category": category});
        assert_eq!(shop.put(sku, with(tea(), fields)).await.status, 201);
    }
    shop
}

#[actix_web::test]
async fn products_are_listed_by_sku() {
    let shop = catalogue().await;
    let all = shop.get("").await;
    assert_eq!(skus(&all), ["cup-1", "pot_1", "tea-1", "tea-2"]);
    assert_eq!(all.body["next"], Value::Null);
    let stock = json!({"on_hand": 0, "reserved": 0, "available": 0});
    assert_eq!(all.body["items"][0]["stock"], stock);
    assert_eq!(shop.get("/tea-1").await.body, all.body["items"][2]);
}

#[actix_web::test]
async fn products_are_found_by_category_and_by_text_in_whatever_case() {
    let shop = catalogue().await;
    for (query, found) in [
        ("category=drinks", &["tea-1", "tea-2"][..]),
        ("category=Drinks", &[]),
        ("q=TEA", &["tea-1", "tea-2"]),
        ("q=TEE", &["tea-1"]),
        ("q=GR%C3%9CN", &["tea-1"]),
        ("q=espresso+cup", &["cup-1"]),
        ("q=%25", &["cup-1"]),
        ("q=a_b", &["tea-1"]),
        ("q=%5C", &["pot_1"]),
        ("q=c&category=drinks", &["tea-2"]),
        ("q=nothing", &[]),
        ("q=", &["cup-1", "pot_1", "tea-1", "tea-2"]),
    ] {
        assert_eq!(skus(&shop.get(&format!("?{query}")).await), found, "{query}");
    }
}

#[actix_web::test]
async fn pages_follow_each_other_without_gap_or_overlap() {
    let shop = catalogue().await;
    let mut seen = Vec::new();
    let mut query = "?limit=1".to_owned();
    loop {
        let page = shop.get(&query).await;
        seen.extend(skus(&page).into_iter().map(str::to_owned));
        let Some(next) = page.body["next"].as_str() else { break };
        query = format!("?limit=1&after={next}");
    }
    assert_eq!(seen, ["cup-1", "pot_1", "tea-1", "tea-2"]);
}

#[actix_web::test]
async fn a_list_that_cannot_be_names_the_parameter() {
    let shop = serve().await;
    for (query, named) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("after=nonsense", "after"),
        ("after=NQ", "after"),
        ("page=2", "page"),
        (&*format!("q={}", "x".repeat(201)), "q"),
        ("q=%00", "q"),
    ] {
        shop.get(&format!("?{query}")).await.refused(422, named);
    }
}

#[actix_web::test]
async fn an_unknown_product_is_not_found() {
    let shop = serve().await;
    let unknown = shop.get("/tea").await;
    unknown.refused(404, "");
    assert_eq!(unknown.body["type"], "/problems/not-found");
}
