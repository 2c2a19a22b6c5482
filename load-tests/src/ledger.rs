//! Every order of a run: what was ordered, and what was heard of it. Kept apart from the shop, so that
//! the checker can compare.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// Orders of one customer, so that one page lists them all.
pub const ORDERS_PER_CUSTOMER: usize = 200;

/// How the saga ended, as far as a customer waits for it: a CONFIRMED order is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Stock and shipment are reserved.
    Confirmed,
    /// There is not enough.
    Rejected,
    /// Nobody ships there, or it took too long.
    Cancelled,
}

impl Outcome {
    /// What a status means; none while it is PENDING. What follows CONFIRMED counts as that.
    pub fn of_status(status: &str) -> Option<Self> {
        match status {
            "CONFIRMED" | "SHIPPED" | "DELIVERED" => Some(Self::Confirmed),
            "REJECTED" => Some(Self::Rejected),
            "CANCELLED" => Some(Self::Cancelled),
            _ => None,
        }
    }

    /// Its name in the figures.
    pub fn operation(self) -> &'static str {
        match self {
            Self::Confirmed => "saga.confirmed",
            Self::Rejected => "saga.rejected",
            Self::Cancelled => "saga.cancelled",
        }
    }
}

/// One order.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Products by their index, and pieces of each.
    pub lines: Vec<(usize, u32)>,
    /// When its visit was meant to begin.
    pub intended: Instant,
    /// Whether it is part of the measurement.
    pub measured: bool,
    /// Its id, once it was acknowledged.
    pub id: Option<String>,
    /// What was heard of its end, and when it was.
    pub end: Option<(Outcome, Instant)>,
}

impl Entry {
    /// Acknowledged, and not known to have ended.
    pub fn is_open(&self) -> bool {
        self.id.is_some() && self.end.is_none()
    }
}

/// All orders of a run, by number.
#[derive(Debug)]
pub struct Ledger {
    run: String,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: Vec<Entry>,
    open: usize,
    ended: usize,
}

impl Ledger {
    /// Of the run of this name.
    pub fn new(run: &str) -> Self {
        Self { run: run.to_owned(), inner: Mutex::default() }
    }

    /// A new order, not sent yet; returns its number.
    pub fn begin(&self, lines: Vec<(usize, u32)>, intended: Instant, measured: bool) -> usize {
        let mut inner = self.lock();
        inner.entries.push(Entry { lines, intended, measured, id: None, end: None });
        inner.entries.len() - 1
    }

    /// What is ordered.
    pub fn lines(&self, number: usize) -> Vec<(usize, u32)> {
        self.lock().entries[number].lines.clone()
    }

    /// The idempotency key of an order.
    pub fn key(&self, number: usize) -> String {
        format!("{}-{number}", self.run)
    }

    /// Who orders it.
    pub fn customer(&self, number: usize) -> String {
        self.customer_of_page(number / ORDERS_PER_CUSTOMER)
    }

    /// The customer whose orders are those of a page.
    pub fn customer_of_page(&self, page: usize) -> String {
        format!("{}-{page}", self.run)
    }

    /// The shop answered 201.
    pub fn acknowledge(&self, number: usize, id: String) {
        let mut inner = self.lock();
        inner.entries[number].id = Some(id);
        inner.open += 1;
    }

    /// The order ended. Returns it, unless that was known.
    pub fn end(&self, number: usize, outcome: Outcome, at: Instant) -> Option<Entry> {
        let mut inner = self.lock();
        let entry = &mut inner.entries[number];
        if !entry.is_open() {
            return None;
        }
        entry.end = Some((outcome, at));
        let entry = entry.clone();
        inner.open -= 1;
        inner.ended += 1;
        Some(entry)
    }

    /// How many are acknowledged and have not ended, and how many have.
    pub fn progress(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.open, inner.ended)
    }

    /// The first page, from this one on, with an open order, and the open orders on it.
    pub fn open_page(&self, from: usize) -> Option<(usize, Vec<(usize, String)>)> {
        let inner = self.lock();
        let from = from * ORDERS_PER_CUSTOMER;
        let first = from + inner.entries.get(from..)?.iter().position(Entry::is_open)?;
        let page = first / ORDERS_PER_CUSTOMER;
        let numbered = inner.entries.iter().enumerate();
        let open = numbered.skip(first).take_while(|(n, _)| n / ORDERS_PER_CUSTOMER == page);
        let open = open.filter(|(_, entry)| entry.is_open());
        Some((page, open.filter_map(|(number, entry)| Some((number, entry.id.clone()?))).collect()))
    }

    /// All orders.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_page_has_the_open_orders_of_one_customer() {
        let ledger = Ledger::new("run");
        for number in 0..ORDERS_PER_CUSTOMER + 2 {
            ledger.begin(vec![(0, 1)], Instant::now(), true);
            ledger.acknowledge(number, format!("id-{number}"));
        }
        for number in 1..=ORDERS_PER_CUSTOMER {
            assert!(ledger.end(number, Outcome::Confirmed, Instant::now()).is_some());
            assert!(ledger.end(number, Outcome::Confirmed, Instant::now()).is_none(), "once");
        }
        assert_eq!((2, ORDERS_PER_CUSTOMER), ledger.progress());
        assert_eq!(Some((0, vec![(0, "id-0".to_owned())])), ledger.open_page(0));
        let last = ORDERS_PER_CUSTOMER + 1;
        assert_eq!(Some((1, vec![(last, format!("id-{last}"))])), ledger.open_page(1));
        assert_eq!(None, ledger.open_page(2));
        assert_eq!("run-1", ledger.customer(last));
    }
}
