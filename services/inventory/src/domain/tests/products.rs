//! Listing products and adjusting their stock.

use super::*;

fn put(details: Details) -> Command {
    Command::PutProduct { sku: sku("tea"), details }
}

fn adjust(delta: i64) -> Command {
    Command::AdjustStock { sku: sku("tea"), delta, reason: "count".into(), now: NOW }
}

fn listed() -> Given<Rules> {
    given([Event::ProductAdded { sku: sku("tea"), details: details() }])
}

fn adjusted(delta: i64) -> Event {
    Event::StockAdjusted { sku: sku("tea"), delta, reason: "count".into(), at: NOW }
}

#[test]
fn a_product_is_added_once_and_changed_only_by_a_difference() {
    let dearer = Details { price: Money::new(500, details().price.currency), ..details() };
    given::<Rules>([])
        .when(put(details()))
        .then([Event::ProductAdded { sku: sku("tea"), details: details() }])
        .when(put(details()))
        .then_nothing()
        .when(put(dearer.clone()))
        .then([Event::ProductChanged { sku: sku("tea"), details: dearer }]);
}

#[test]
fn a_products_version_counts_its_changes() {
    let happened = [
        Event::ProductAdded { sku: sku("tea"), details: details() },
        adjusted(3),
        Event::ProductChanged { sku: sku("tea"), details: details() },
    ];
    let state = happened.iter().fold(State::default(), Rules::evolve);
    assert_eq!(state.product.map(|product| product.version), Some(2));
}

#[test]
fn stock_comes_and_goes_down_to_what_is_reserved() {
    let given = || listed().and([adjusted(5), reserved(&[("tea", 3)])]);
    given().when(adjust(10)).then([adjusted(10)]);
    given().when(adjust(-2)).then([adjusted(-2)]);
    let stock = Stock { on_hand: 5, reserved: 3, version: 2 };
    given().when(adjust(-3)).then_refused(Refusal::BelowReserved { stock, taken: 3 });
    let taken = i64::MIN.unsigned_abs();
    given().when(adjust(i64::MIN)).then_refused(Refusal::BelowReserved { stock, taken });
    let stock = Stock::default();
    listed().when(adjust(-1)).then_refused(Refusal::BelowReserved { stock, taken: 1 });
}

#[test]
fn only_a_listed_product_has_stock() {
    given::<Rules>([]).when(adjust(1)).then_refused(Refusal::UnknownProduct(sku("tea")));
}

#[track_caller]
fn wrong(given: Given<Rules>, command: Command, fields: &[&str]) {
    match given.when(command).decision() {
        Err(Refusal::Invalid(errors)) => {
            let named: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
            assert_eq!(named, fields);
        }
        decided => panic!("{decided:?} instead of naming {fields:?}"),
    }
}

#[test]
fn an_adjustment_that_cannot_be_names_its_field() {
    wrong(listed(), adjust(0), &["delta"]);
    wrong(listed().and([adjusted(1)]), adjust(i64::MAX), &["delta"]);
    for reason in ["", " ", &"x".repeat(501), "a\nb"] {
        let (sku, reason) = (sku("tea"), reason.to_owned());
        let command = Command::AdjustStock { sku, delta: 1, reason, now: NOW };
        wrong(listed(), command, &["reason"]);
    }
}

#[test]
fn a_product_that_cannot_be_names_its_fields() {
    let check = |change: fn(&mut Details), fields: &[&str]| {
        let mut details = details();
        change(&mut details);
        wrong(given([]), put(details), fields);
    };
    check(|d| d.name = String::new(), &["name"]);
    check(|d| d.name = " \u{a0} ".into(), &["name"]);
    check(|d| d.name = "x".repeat(201), &["name"]);
    check(|d| d.name = "a\tb".into(), &["name"]);
    check(|d| d.description = Some("x".repeat(4001)), &["description"]);
    check(|d| d.category = Some(String::new()), &["category"]);
    check(|d| d.category = Some("x".repeat(101)), &["category"]);
    check(|d| d.price.amount_minor = -1, &["price.amount_minor"]);
    for url in
        ["", "tea.png", "ftp://a/b", "javascript:alert(1)", "http://", "https:///a", "http://a b/"]
    {
        let image_url = Some(url.to_owned());
        wrong(given([]), put(Details { image_url, ..details() }), &["image_url"]);
    }
    let all: fn(&mut Details) = |d| {
        d.name = String::new();
        d.price.amount_minor = -1;
        d.image_url = Some(format!("http://{}", "x".repeat(1994)));
    };
    check(all, &["name", "price.amount_minor", "image_url"]);
}

#[test]
fn texts_are_counted_in_characters_and_may_fill_their_limits() {
    let full = Details {
        name: "ä".repeat(200),
        description: Some("ä\n".repeat(2000)),
        price: Money::new(0, details().price.currency),
        category: Some("ä".repeat(100)),
        image_url: Some(format!("HTTPS://{}", "ä".repeat(1992))),
        active: false,
    };
    let added = Event::ProductAdded { sku: sku("tea"), details: full.clone() };
    given::<Rules>([]).when(put(full)).then([added]);
}
