//! What can be ordered, and how what cannot is explained: every wrong field is named.

use super::*;

/// Given the catalogue, when this is ordered, then these fields are wrong.
#[track_caller]
fn refused(order: NewOrder, fields: &[&str]) {
    let shown = format!("{order:?}");
    match Rules::decide(&shop(), place(order)) {
        Err(Refusal::Invalid(errors)) => {
            let named: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
            assert_eq!(named, fields, "{shown}");
            assert!(errors.iter().all(|error| !error.detail.is_empty()));
        }
        other => panic!("{other:?}: {shown}"),
    }
}

#[track_caller]
fn accepted(order: NewOrder) -> Order {
    match Rules::decide(&shop(), place(order)).unwrap().pop() {
        Some(Event::Placed(order)) => *order,
        other => panic!("{other:?}"),
    }
}

fn lines(lines: &[(&str, u32)]) -> NewOrder {
    let lines = lines.iter().map(|(text, quantity)| (sku(text), *quantity)).collect();
    NewOrder { lines, ..new_order() }
}

fn email(text: &str) -> NewOrder {
    NewOrder { email: Some(text.to_owned()), ..new_order() }
}

fn to(edit: impl FnOnce(&mut Address)) -> NewOrder {
    let mut order = new_order();
    edit(&mut order.address);
    order
}

#[test]
fn an_order_is_priced_by_the_catalogue() {
    let order = accepted(lines(&[("tea", 3), ("cake", 10_000)]));
    let line = |text, quantity, price| Line {
        sku: sku(text),
        name: "Fine".into(),
        quantity,
        unit_price: money(price, "EUR"),
    };
    assert_eq!(order.lines, [line("tea", 3, 499), line("cake", 10_000, 1_200)]);
    assert_eq!(order.total, money(3 * 499 + 12_000_000, "EUR"));
}

#[test]
fn an_order_carries_all_that_was_asked_for() {
    let order = accepted(new_order());
    assert_eq!(order.email.as_deref(), Some("ada@example.org"));
    assert_eq!(order.session_id, Some("s-1".parse().unwrap()));
    assert_eq!((order.customer_id.as_str(), order.address), ("c-1", address()));
}

#[test]
fn wrong_lines_are_named() {
    type Row = (&'static [(&'static str, u32)], &'static [&'static str]);
    #[rustfmt::skip]
    let table: [Row; 12] = [
        (&[], &["lines"]),
        (&[("tea", 0)], &["lines[0].quantity"]),
        (&[("tea", 10_001)], &["lines[0].quantity"]),
        (&[("tea", 1 << 31)], &["lines[0].quantity"]),
        (&[("tea", u32::MAX)], &["lines[0].quantity"]),
        (&[("tea", 1), ("nothing", 1)], &["lines[1].sku"]),
        (&[("ice", 1)], &["lines[0].sku"]),
        (&[("tea", 1), ("book", 1)], &["lines[1].sku"]),
        (&[("gold", 2)], &["lines[0].quantity"]),
        (&[("gold", 1), ("tea", 1)], &["lines[1].quantity"]),
        (&[("tea", 1), ("cake", 1), ("tea", 1)], &["lines[2].sku"]),
        (&[("tea", 0), ("nothing", 0)], &["lines[0].quantity", "lines[1].quantity", "lines[1].sku"]),
    ];
    for (given, fields) in table {
        refused(lines(given), fields);
    }
}

#[test]
fn an_order_has_at_most_100_lines() {
    let skus: Vec<_> = (0..1_000).map(|i| format!("sku-{i}")).collect();
    let catalogue = skus.iter().map(|text| (sku(text), product(money(1, "EUR"))));
    let state = State { order: None, catalogue: catalogue.collect() };
    let decide = |count: usize| {
        let lines = skus.iter().take(count).map(|text| (sku(text), 1)).collect();
        Rules::decide(&state, place(NewOrder { lines, ..new_order() }))
    };
    assert!(decide(100).is_ok());
    for count in [101, 1_000] {
        let Err(Refusal::Invalid(errors)) = decide(count) else { panic!("{count} lines") };
        let fields: Vec<_> = errors.into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["lines"]);
    }
}

#[test]
fn wrong_addresses_are_named() {
    let long = "ä".repeat(16_385);
    for wrong in ["", " ", "\t\n", &long] {
        refused(to(|to| to.name = wrong.into()), &["shipping_address.name"]);
        refused(to(|to| to.line1 = wrong.into()), &["shipping_address.line1"]);
        refused(to(|to| to.city = wrong.into()), &["shipping_address.city"]);
        refused(to(|to| to.postal_code = wrong.into()), &["shipping_address.postal_code"]);
    }
    refused(to(|to| to.line2 = Some(long)), &["shipping_address.line2"]);
    accepted(to(|to| to.line2 = Some("c/o Babbage".into())));
    accepted(to(|to| to.name = "ä".repeat(16_384)));
}

#[test]
fn a_country_is_a_code_that_is_assigned() {
    for wrong in ["", "XX", "de", "De", "DEU", "D", "Germany", "D E", " DE", "EU", "UK", "ÄÖ", "É"]
    {
        refused(to(|to| to.country = wrong.into()), &["shipping_address.country"]);
    }
    for right in ["DE", "AQ", "ZW", "AD", "GB"] {
        accepted(to(|to| to.country = right.into()));
    }
}

#[test]
fn an_email_address_injects_nothing() {
    let long = format!("{}@example.org", "a".repeat(243));
    #[rustfmt::skip]
    let wrong = [
        "", "@", "a", "a@", "@b", "a@b@c", "a b@c.de", "a@c.de\r\nBcc: all@c.de", "a@c.de\n", "\ta@c.de",
        "a\0@c.de", "a@\u{85}c.de", "<a@c.de>", "Ada <a@c.de>", "a,b@c.de", "a;b@c.de", "a@c.de,d", "a@", "a@.", "a@c..de",
        "a@.de", "a@c.de.", &long,
    ];
    for wrong in wrong {
        refused(email(wrong), &["email"]);
    }
    let longest = format!("{}@example.org", "a".repeat(242));
    for right in
        ["a@b", "ada.lovelace+tea@mail.example.org", "jörg@müller.de", "o'hara@c.ie", &longest]
    {
        accepted(email(right));
    }
    accepted(NewOrder { email: None, ..new_order() });
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let order = NewOrder { email: Some("nobody".into()), ..lines(&[("nothing", 0)]) };
    let order = NewOrder { address: to(|to| to.country = "XX".into()).address, ..order };
    let fields = ["shipping_address.country", "email", "lines[0].quantity", "lines[0].sku"];
    refused(order, &fields);
}
