//! What a visitor sees: given clicks and orders, when somebody asks, then this is recommended.

#![allow(clippy::unwrap_used, reason = "tests")]

use recommendation_service::model::{
    Catalogue, Click, ClickKind, Fingerprint, ItemId, Learned, Order, Parameters, Query,
    Recommendation, Recommender, Scratch, SessionKey, Shard, Window,
};

const MINUTE: i64 = 60_000_000;
/// 2026-11-21.
const NOW: i64 = 1_795_000_000_000_000;

struct Shop {
    catalogue: Catalogue,
    shard: Shard,
    recommender: Recommender,
}

impl Shop {
    fn new() -> Self {
        Self::with(Parameters::default())
    }

    fn with(parameters: Parameters) -> Self {
        let shard = Shard::new(&parameters);
        Self { catalogue: Catalogue::new(100), shard, recommender: Recommender::new(parameters) }
    }

    fn item(&mut self, sku: &str) -> ItemId {
        self.catalogue.intern(sku).unwrap()
    }

    fn click(&mut self, session: &str, sku: &str, minute: i64) -> Learned {
        let click = Click {
            session: SessionKey::of(session),
            item: self.item(sku),
            time_micros: NOW + minute * MINUTE,
            fingerprint: Fingerprint::of(&format!("{session} {sku} {minute}")),
            kind: ClickKind::Viewed,
        };
        self.shard.learn_click(&click)
    }

    /// Clicks a minute apart, given as one word each.
    fn visit(&mut self, session: &str, skus: &str, from_minute: i64) {
        for (minute, sku) in (from_minute..).zip(skus.split(' ')) {
            assert_eq!(self.click(session, sku, minute), Learned::New);
        }
    }

    fn order(&mut self, order: &str, skus: &str) -> Learned {
        let items: Vec<_> = skus.split(' ').map(|sku| self.item(sku)).collect();
        self.shard.learn_order(&Order {
            order: SessionKey::of(order),
            items: &items,
            time_micros: NOW,
        })
    }

    /// SKUs and reasons for a session and the item on the page, `-` for none.
    fn ask(&mut self, session: &str, page: &str) -> Vec<(String, &'static str)> {
        let page = (page != "-").then(|| self.item(page));
        let query = Query { session: Some(SessionKey::of(session)), recent: &[], page, limit: 3 };
        let (shards, mut scratch) = ([&self.shard], Scratch::default());
        let answer =
            self.recommender.recommend(&shards, &self.catalogue, &query, |_| true, &mut scratch);
        self.named(&answer)
    }

    fn trending(&self, window: Window) -> Vec<(String, &'static str)> {
        self.named(
            &self.recommender.trending(&[&self.shard], &self.catalogue, (window, 3), |_| true),
        )
    }

    fn named(&self, answer: &[Recommendation]) -> Vec<(String, &'static str)> {
        answer
            .iter()
            .map(|one| (self.catalogue.sku(one.item).to_owned(), one.reason.text()))
            .collect()
    }
}

fn skus<'a>(answer: &'a [(String, &'static str)]) -> Vec<&'a str> {
    answer.iter().map(|(sku, _)| sku.as_str()).collect()
}

#[test]
fn what_followed_in_similar_sessions_is_recommended_before_what_came_earlier() {
    let mut shop = Shop::new();
    for visitor in ["a", "b", "c"] {
        shop.visit(visitor, "tent mat stove", 0);
    }
    let answer = shop.ask("newcomer", "mat");
    assert_eq!(answer[0], ("stove".to_owned(), "sessions like this one"));
    assert_eq!(skus(&answer), ["stove", "tent"]);
}

#[test]
fn a_visitor_who_looked_at_two_items_may_go_back_to_the_first() {
    let mut shop = Shop::new();
    shop.visit("visitor", "tent mat", 0);
    assert_eq!(shop.ask("visitor", "-"), [("tent".to_owned(), "sessions like this one")]);
}

#[test]
fn a_click_changes_the_next_answer_of_its_session() {
    let mut shop = Shop::new();
    shop.visit("a", "tent mat", 0);
    shop.visit("b", "lamp battery", 0);
    shop.visit("visitor", "tent", 10);
    assert_eq!(shop.ask("visitor", "-")[0].0, "mat");
    shop.visit("visitor", "lamp", 11);
    assert_eq!(shop.ask("visitor", "-")[0].0, "tent");
    assert!(skus(&shop.ask("visitor", "-")).contains(&"battery"));
}

#[test]
fn the_item_on_the_page_counts_as_the_newest_and_is_not_shown() {
    let mut shop = Shop::new();
    shop.visit("a", "lamp battery", 0);
    shop.visit("visitor", "tent", 10);
    let answer = shop.ask("visitor", "lamp");
    assert!(skus(&answer).contains(&"battery") && !skus(&answer).contains(&"lamp"));
}

#[test]
fn what_was_ordered_together_says_so() {
    let mut shop = Shop::new();
    assert_eq!(shop.order("first", "tent pegs"), Learned::New);
    assert_eq!(shop.order("first", "tent pegs"), Learned::Repeat);
    assert_eq!(shop.ask("anybody", "tent")[0], ("pegs".to_owned(), "bought together"));
}

#[test]
fn without_a_session_the_popular_items_are_shown() {
    let mut shop = Shop::new();
    shop.visit("a", "tent lamp", 0);
    shop.visit("b", "lamp", 0);
    let popular = [("lamp".to_owned(), "popular now"), ("tent".to_owned(), "popular now")];
    assert_eq!(shop.ask("nobody", "-"), popular);
    assert_eq!(shop.trending(Window::Hour), popular);
}

#[test]
fn what_is_popular_is_forgotten_when_its_window_has_passed() {
    let mut shop = Shop::new();
    shop.visit("a", "tent", 0);
    shop.visit("b", "lamp", 90);
    assert_eq!(skus(&shop.trending(Window::Hour)), ["lamp"]);
    assert_eq!(skus(&shop.trending(Window::Day)), ["lamp", "tent"]);
    shop.visit("c", "mat", 25 * 60);
    assert_eq!(skus(&shop.trending(Window::Day)), ["lamp", "mat"]);
}

#[test]
fn after_half_an_hour_without_a_click_a_new_visit_begins() {
    let mut shop = Shop::new();
    shop.visit("a", "tent mat", 0);
    shop.visit("visitor", "tent", 0);
    shop.visit("visitor", "lamp", 32);
    assert!(!shop.shard.is_open(SessionKey::of("a"), shop.recommender.parameters()));
    assert!(shop.shard.is_open(SessionKey::of("visitor"), shop.recommender.parameters()));
    let reasons: Vec<_> = shop.ask("visitor", "-").iter().map(|(_, reason)| *reason).collect();
    assert!(!reasons.contains(&"sessions like this one"));
}

#[test]
fn a_session_is_not_its_own_neighbour() {
    let (mut with, mut without) = (Shop::new(), Shop::new());
    for shop in [&mut with, &mut without] {
        shop.visit("a", "tent mat stove lamp", 0);
        shop.visit("b", "mat stove", 3);
    }
    with.visit("visitor", "stove tent mat", 10);
    let recent = ["stove", "tent", "mat"].map(|sku| without.item(sku));
    let ask = |shop: &Shop, session, recent| {
        let query = Query { session, recent, page: None, limit: 2 };
        let shards = [&shop.shard];
        shop.recommender.recommend(
            &shards,
            &shop.catalogue,
            &query,
            |_| true,
            &mut Scratch::default(),
        )
    };
    assert_eq!(ask(&with, Some(SessionKey::of("visitor")), &[]), ask(&without, None, &recent));
}

#[test]
fn a_late_click_takes_its_place() {
    let mut shop = Shop::new();
    assert_eq!(shop.click("a", "tent", 0), Learned::New);
    assert_eq!(shop.click("a", "stove", 2), Learned::New);
    assert_eq!(shop.click("a", "mat", 1), Learned::New);
    assert_eq!(shop.ask("newcomer", "tent")[0].0, "mat");
    assert_eq!(shop.ask("a", "-")[0].0, "mat");
}

#[test]
fn the_oldest_sessions_go_and_their_late_clicks_are_refused() {
    let mut shop = Shop::with(Parameters { sessions_retained: 64, ..Parameters::default() });
    for visitor in 0..1000 {
        assert_ne!(shop.click(&format!("visitor {visitor}"), "tent", visitor), Learned::Repeat);
    }
    assert_eq!(shop.shard.visits().len(), 64);
    assert_eq!(shop.shard.visits().clicks(), 64);
    assert_eq!(shop.click("visitor 0", "tent", 0), Learned::TooOld);
    assert_eq!(shop.click("visitor 0", "mat", 1), Learned::TooOld);
}
