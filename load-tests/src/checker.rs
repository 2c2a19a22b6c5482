//! What must hold after a run, whatever happened in it: no acknowledged order is lost, changed or
//! doubled, every order has ended as it was said to, and the stock adds up.

mod reading;

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

pub use self::reading::inspect;
use crate::ledger::{Entry, ORDERS_PER_CUSTOMER, Outcome};

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// What kind.
    pub kind: Kind,
    /// Which order or product, and what is wrong with it.
    pub detail: String,
}

/// Kinds of violations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An acknowledged order that the shop does not know.
    Lost,
    /// More orders than were sent.
    Doubled,
    /// An order of other things than were ordered.
    Changed,
    /// An acknowledged order that has not ended.
    Unended,
    /// It was said to have ended otherwise.
    Contradicted,
    /// More is reserved than there is.
    Oversold,
    /// Stock that is not what was brought, or not what confirmed orders hold.
    Stock,
    /// The shop does not answer the checker: nobody knows.
    Unchecked,
}

/// An order as the shop lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Its status.
    pub status: String,
    /// SKUs, and pieces of each.
    pub lines: Vec<(String, i64)>,
}

/// The stock of one product as the shop tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Pieces that are there.
    pub on_hand: i64,
    /// Pieces that orders hold.
    pub reserved: i64,
}

/// All that the shop tells after a run.
#[derive(Debug, Default)]
pub struct Told {
    /// The orders of each customer, by page.
    pub orders: Vec<Vec<Listed>>,
    /// The stock by SKU.
    pub stock: BTreeMap<String, Stock>,
}

/// Compares what was ordered with what the shop tells.
pub fn check(entries: &[Entry], skus: &[String], stocked: i64, told: &Told) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (page, ordered) in entries.chunks(ORDERS_PER_CUSTOMER).enumerate() {
        let listed = told.orders.get(page).map_or(&[][..], Vec::as_slice);
        check_page(ordered, skus, listed, &mut violations);
    }
    if !skus.is_empty() {
        check_stock(skus, stocked, told, &mut violations);
    }
    violations
}

/// The orders of one customer.
fn check_page(ordered: &[Entry], skus: &[String], listed: &[Listed], found: &mut Vec<Violation>) {
    let mut say = |kind, detail| found.push(Violation { kind, detail });
    let mut unknown: HashMap<_, _> = listed.iter().map(|order| (&*order.id, order)).collect();
    let mut unanswered = 0;
    for entry in ordered {
        let Some(id) = &entry.id else {
            // It may have been stored all the same.
            unanswered += 1;
            continue;
        };
        let Some(order) = unknown.remove(&**id) else {
            say(Kind::Lost, format!("order {id} was acknowledged and is not there"));
            continue;
        };
        let expected =
            entry.lines.iter().map(|(product, n)| (skus[*product].clone(), i64::from(*n)));
        if !same_lines(expected.collect(), &order.lines) {
            say(Kind::Changed, format!("order {id} is for {:?}", order.lines));
        }
        let (said, is) = (entry.end.map(|(said, _)| said), Outcome::of_status(&order.status));
        match (said, is) {
            (_, None) => say(Kind::Unended, format!("order {id} is {}", order.status)),
            (Some(said), Some(is)) if said != is => {
                say(Kind::Contradicted, format!("order {id} was {said:?} and is {}", order.status));
            }
            _ => {}
        }
    }
    if unknown.len() > unanswered || listed.len() > ordered.len() {
        let ids: Vec<_> = unknown.into_keys().collect();
        say(
            Kind::Doubled,
            format!("{} orders, {unanswered} unanswered, but also {ids:?}", ordered.len()),
        );
    }
}

fn same_lines(mut ordered: Vec<(String, i64)>, listed: &[(String, i64)]) -> bool {
    let mut listed = listed.to_vec();
    ordered.sort_unstable();
    listed.sort_unstable();
    ordered == listed
}

/// All stock, against all orders that the shop lists: also those whose answer was lost.
fn check_stock(skus: &[String], stocked: i64, told: &Told, found: &mut Vec<Violation>) {
    let mut held: HashMap<&str, i64> = HashMap::new();
    let confirmed = |order: &&Listed| order.status == "CONFIRMED";
    for (sku, pieces) in
        told.orders.iter().flatten().filter(confirmed).flat_map(|order| &order.lines)
    {
        *held.entry(sku).or_default() += pieces;
    }
    for sku in skus {
        let held = held.get(&**sku).copied().unwrap_or_default();
        let stock = told.stock.get(sku).copied();
        let Stock { on_hand, reserved } = stock.unwrap_or_default();
        let detail = format!(
            "{sku}: {on_hand} on hand and {reserved} reserved, {stocked} were brought and confirmed orders hold {held}"
        );
        if reserved > on_hand || held > stocked {
            found.push(Violation { kind: Kind::Oversold, detail });
        } else if (on_hand, reserved) != (stocked, held) {
            found.push(Violation { kind: Kind::Stock, detail });
        }
    }
}

#[cfg(test)]
mod tests;
