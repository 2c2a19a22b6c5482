//! Products, stock and reservations in the database: loaded and saved sets at a time, one
//! statement a table.
//!
//! Stock is locked, in the order of the SKUs, so that orders for the same product queue instead of
//! failing; products and reservations carry a version, and who comes second does his work again.

pub mod catalogue;
pub mod entity;
pub mod migration;
mod products;
mod reservations;
mod stock;

use std::collections::BTreeSet;

use async_trait::async_trait;
use kernel::{OrderId, Sku};
use messaging::{
    database::{Reading, StoreError},
    service::{Aggregate, Cause, Store, Voice},
    writes::Writes,
};

use self::{products::Products, reservations::Reservations, stock::Stocks};
use crate::domain::{Command, Held, Movement, Reservation, Rules, State};

/// What one transaction works on.
pub struct Inventories {
    products: Products,
    stock: Stocks,
    reservations: Reservations,
    movements: Vec<Movement>,
}

/// What a command acts on.
enum Subject<'c> {
    Product(&'c Sku),
    Order(OrderId),
}

fn subject(command: &Command) -> Subject<'_> {
    match command {
        Command::PutProduct { sku, .. } | Command::AdjustStock { sku, .. } => Subject::Product(sku),
        Command::Reserve { order_id, .. }
        | Command::Confirm { order_id }
        | Command::Release { order_id, .. }
        | Command::Commit { order_id, .. }
        | Command::Report { order_id } => Subject::Order(*order_id),
    }
}

/// The stock that a command may change, given what its order holds.
fn stock_of<'a>(command: &'a Command, reservation: &'a Reservation) -> Vec<&'a Sku> {
    match command {
        Command::PutProduct { sku, .. } | Command::AdjustStock { sku, .. } => vec![sku],
        Command::Reserve { lines, .. } => lines.keys().collect(),
        Command::Release { .. } | Command::Commit { .. } => match reservation {
            Reservation::Live(Held { lines, .. }) => lines.keys().collect(),
            Reservation::Unknown
            | Reservation::Rejected
            | Reservation::Released
            | Reservation::Committed
            | Reservation::Tombstone
            | Reservation::DispatchedUnreserved => vec![],
        },
        Command::Confirm { .. } | Command::Report { .. } => vec![],
    }
}

#[async_trait]
impl Store for Inventories {
    type Rules = Rules;

    async fn load(reads: &Reading<'_>, commands: &[&Command]) -> Result<Self, StoreError> {
        let (mut listed, mut orders) = (BTreeSet::new(), BTreeSet::new());
        for command in commands {
            match subject(command) {
                Subject::Product(sku) => listed.extend([sku]),
                Subject::Order(id) => orders.extend([id]),
            }
        }
        let reservations = Reservations::load(reads, &orders).await?;
        let held = |command| match subject(command) {
            Subject::Order(id) => reservations.get(id),
            Subject::Product(_) => &Reservation::Unknown,
        };
        let touched: BTreeSet<_> =
            commands.iter().flat_map(|command| stock_of(command, held(command))).collect();
        // In this order: a product that is seen has its stock row, which can be locked then.
        let products = Products::load(reads, &listed).await?;
        let stock = Stocks::lock(reads, &touched).await?;
        Ok(Self { products, stock, reservations, movements: Vec::new() })
    }

    /// `loaded_version` is the version before this command: the rows' own are kept with them.
    fn take(&mut self, command: &Command) -> Aggregate<State> {
        let mut state = State::default();
        let (id, version) = match subject(command) {
            Subject::Product(sku) => {
                state.product = self.products.get(sku).cloned();
                (sku.to_string(), state.product.as_ref().map_or(0, |product| product.version))
            }
            Subject::Order(id) => {
                state.reservation = self.reservations.get(id).clone();
                (id.to_string(), self.reservations.version(id))
            }
        };
        let known = stock_of(command, &state.reservation).into_iter();
        state.stock = known.filter_map(|sku| Some((sku.clone(), self.stock.get(sku)?))).collect();
        // Nothing is ever said of a reservation because of a request or a deadline, and each
        // request about a product begins a trace of its own: so no latest event is kept.
        Aggregate { id, state, version, loaded_version: version, last: None }
    }

    fn put(&mut self, aggregate: Aggregate<State>, cause: &Cause) {
        if !aggregate.is_changed() {
            return;
        }
        let State { product, stock, reservation, movements } = aggregate.state;
        for (sku, stock) in stock {
            self.stock.set(sku, stock, cause);
        }
        match product {
            Some(product) => self.products.set(&aggregate.id, product),
            None => self.reservations.set(&aggregate.id, reservation, aggregate.version),
        }
        self.movements.extend(movements);
    }

    fn save(self, writes: &mut Writes, voice: &mut Voice<'_>) -> Result<(), StoreError> {
        self.products.save(writes);
        self.reservations.save(writes)?;
        self.stock.save(writes, voice);
        stock::append_to_ledger(self.movements, writes);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
