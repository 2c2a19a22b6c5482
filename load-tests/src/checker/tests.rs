use std::time::Instant;

use serde_json::json;

use super::{reading::readable_orders, *};

/// Three products, ten pieces of each; four orders, all as they should be.
fn good() -> (Vec<Entry>, Vec<String>, Told) {
    let skus: Vec<_> = ["A", "B", "C"].map(str::to_owned).into();
    let outcomes = [Outcome::Confirmed, Outcome::Confirmed, Outcome::Rejected, Outcome::Cancelled];
    let statuses = ["CONFIRMED", "CONFIRMED", "REJECTED", "CANCELLED"];
    let now = Instant::now();
    let entry = |(number, outcome): (usize, Outcome)| Entry {
        lines: vec![(0, 2), (1, 1)],
        intended: now,
        measured: true,
        id: Some(format!("id-{number}")),
        end: Some((outcome, now)),
    };
    let entries: Vec<_> = outcomes.into_iter().enumerate().map(entry).collect();
    let lines = vec![("B".to_owned(), 1), ("A".to_owned(), 2)];
    let listed = |(number, status): (usize, &str)| Listed {
        id: format!("id-{number}"),
        status: status.to_owned(),
        lines: lines.clone(),
    };
    let orders = vec![statuses.into_iter().enumerate().map(listed).collect()];
    let stock = [("A", 4), ("B", 2), ("C", 0)];
    let stock = stock.map(|(sku, reserved)| (sku.to_owned(), Stock { on_hand: 10, reserved }));
    (entries, skus, Told { orders, stock: stock.into() })
}

fn found(plant: impl FnOnce(&mut Vec<Entry>, &mut Told)) -> Vec<Kind> {
    let (mut entries, skus, mut told) = good();
    plant(&mut entries, &mut told);
    check(&entries, &skus, 10, &told).into_iter().map(|violation| violation.kind).collect()
}

#[test]
fn a_good_run_has_no_violations() {
    assert!(found(|_, _| {}).is_empty());
}

#[test]
fn a_lost_order_is_found() {
    // One that holds no stock: nothing else shows it.
    assert_eq!([Kind::Lost], *found(|_, told| drop(told.orders[0].remove(2))));
    assert_eq!(
        [Kind::Lost; 4],
        *found(|_, told| {
            told.orders.clear();
            told.stock.values_mut().for_each(|stock| stock.reserved = 0);
        })
    );
}

#[test]
fn an_oversold_product_is_found() {
    let reserve = |told: &mut Told, pieces| {
        if let Some(stock) = told.stock.get_mut("A") {
            stock.reserved = pieces;
        }
    };
    assert_eq!([Kind::Oversold], *found(|_, told| reserve(told, 11)));
    assert_eq!(
        [Kind::Oversold],
        *found(|entries, told| {
            // More was promised than there is, and the counts look right.
            entries[0].lines = vec![(0, 9), (1, 1)];
            told.orders[0][0].lines = vec![("A".to_owned(), 9), ("B".to_owned(), 1)];
            reserve(told, 10);
        })
    );
}

#[test]
fn stock_that_does_not_add_up_is_found() {
    for (on_hand, reserved) in [(10, 3), (10, 5), (9, 4), (11, 4)] {
        let plant = |_: &mut Vec<Entry>, told: &mut Told| {
            told.stock.insert("A".to_owned(), Stock { on_hand, reserved });
        };
        assert_eq!([Kind::Stock], *found(plant), "{on_hand} {reserved}");
    }
    assert_eq!([Kind::Stock], *found(|_, told| told.stock.retain(|sku, _| sku != "C")));
}

#[test]
fn an_order_that_did_not_end_or_ended_otherwise_is_found() {
    let status = |status: &'static str| {
        move |_: &mut Vec<Entry>, told: &mut Told| told.orders[0][2].status = status.to_owned()
    };
    assert_eq!([Kind::Unended], *found(status("PENDING")));
    assert_eq!([Kind::Contradicted], *found(status("CANCELLED")));
}

#[test]
fn an_order_that_is_there_twice_or_changed_is_found() {
    assert_eq!(
        [Kind::Doubled],
        *found(|_, told| {
            let twin = Listed { id: "twin".to_owned(), ..told.orders[0][3].clone() };
            told.orders[0].push(twin);
        })
    );
    assert_eq!([Kind::Changed], *found(|_, told| told.orders[0][3].lines[0].1 = 7));
}

#[test]
fn an_order_whose_answer_was_lost_may_be_there_and_counts_in_the_stock() {
    assert!(found(|entries, _| (entries[0].id, entries[0].end) = (None, None)).is_empty());
    let absent = found(|entries, told| {
        (entries[2].id, entries[2].end) = (None, None);
        told.orders[0].remove(2);
    });
    assert!(absent.is_empty());
}

#[test]
fn orders_are_read_as_the_shop_lists_them() {
    let order = json!({"id": "x", "status": "CONFIRMED", "lines": [{"sku": "A", "quantity": 2}]});
    let expected = Listed {
        id: "x".to_owned(),
        status: "CONFIRMED".to_owned(),
        lines: vec![("A".to_owned(), 2)],
    };
    assert_eq!(vec![expected], readable_orders(&[order]).unwrap());
    assert!(readable_orders(&[json!({"id": "x"})]).is_err());
}
