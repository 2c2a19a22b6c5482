//! What people ask of the services, and what the services thereby owe them.

use anyhow::{Result, bail};
use inventory_service::domain::{Command as Inventory, Details};
use kernel::{Clock as _, Money, OrderId, ShipmentId, Sku};
use order_service::domain::{Address, Change, Command as Order, NewOrder};
use shipping_service::domain::{Action, Command as Shipping};

use crate::{
    node::{Done, Ticket},
    world::{PATIENCE, World},
};

/// A request whose success is remembered.
#[derive(Clone, Debug)]
pub enum Asked {
    /// An order; it has this idempotency key.
    Place(String),
    /// Pieces of a product; it has this idempotency key.
    Restock(String, String, i64),
}

/// What an order is for: SKUs and pieces.
pub type Lines = [(&'static str, u32)];

impl World {
    /// A customer orders.
    pub fn place(&mut self, key: &str, lines: &Lines, country: &str) -> Ticket {
        let line = |(sku, quantity): &(&str, u32)| (parse(sku), *quantity);
        let order = NewOrder {
            customer_id: parse("ada"),
            email: None,
            session_id: None,
            lines: lines.iter().map(line).collect(),
            address: address(country),
        };
        let (id, now) = (OrderId(self.clock.new_id()), self.clock.now());
        let command = Order::Place { id, order: Box::new(order), now, patience: PATIENCE };
        let ticket = self.order.ask(command, Some(key));
        self.asked.insert(("order", ticket), Asked::Place(key.to_owned()));
        ticket
    }

    /// A customer wants to cancel.
    pub fn cancel(&mut self, order: OrderId) -> Ticket {
        let command = Order::Change(order, Change::Cancel(None), self.clock.now());
        self.order.ask(command, None)
    }

    /// An operator lists a product, or changes its price.
    pub fn put_product(&mut self, sku: &str, price_minor: i64) -> Ticket {
        let details = Details {
            name: format!("product {sku}"),
            description: None,
            price: Money::new(price_minor, parse("EUR")),
            category: None,
            image_url: None,
            active: true,
        };
        self.inventory.ask(Inventory::PutProduct { sku: parse(sku), details }, None)
    }

    /// An operator brings pieces, or takes some away.
    pub fn restock(&mut self, key: &str, sku: &str, delta: i64) -> Ticket {
        let (reason, now) = ("a delivery".to_owned(), self.clock.now());
        let command = Inventory::AdjustStock { sku: parse(sku), delta, reason, now };
        let ticket = self.inventory.ask(command, Some(key));
        let asked = Asked::Restock(key.to_owned(), sku.to_owned(), delta);
        self.asked.insert(("inventory", ticket), asked);
        ticket
    }

    /// An operator hands a parcel over.
    pub fn dispatch(&mut self, order: OrderId, shipment: ShipmentId) -> Ticket {
        self.ask_shipping(order, Action::Dispatch(shipment))
    }

    /// An operator notes that a parcel has arrived.
    pub fn deliver(&mut self, order: OrderId, shipment: ShipmentId) -> Ticket {
        self.ask_shipping(order, Action::Deliver(shipment))
    }

    fn ask_shipping(&mut self, order_id: OrderId, action: Action) -> Ticket {
        self.shipping.ask(Shipping { order_id, now: self.clock.now(), action }, None)
    }

    /// Remembers what a commit promises. Answers need not have arrived for that.
    pub(crate) fn committed(&mut self, service: &'static str, done: &Done) -> Result<()> {
        for (ticket, reply) in &done.replies {
            let (Some(asked), Ok(reply)) = (self.asked.get(&(service, *ticket)), reply) else {
                continue;
            };
            match asked {
                Asked::Restock(key, sku, delta) => {
                    let stocked = self.expected.stocked.entry(sku.clone()).or_default();
                    stocked.insert(key.clone(), *delta);
                }
                Asked::Place(key) => {
                    let id: OrderId = serde_json::from_value(reply["id"].clone())?;
                    let first = *self.expected.accepted.entry(key.clone()).or_insert(id);
                    if first != id {
                        bail!("doubled: {key} became order {first} and order {id}");
                    }
                }
            }
        }
        Ok(())
    }

    /// The order that was accepted under this key.
    pub fn order_of(&self, key: &str) -> Option<OrderId> {
        self.expected.accepted.get(key).copied()
    }
}

fn address(country: &str) -> Address {
    Address {
        name: "Ada Lovelace".into(),
        line1: "Inselstr. 1".into(),
        line2: None,
        city: "Berlin".into(),
        postal_code: "10179".into(),
        country: country.into(),
    }
}

fn parse<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a test's own text")
}

/// A SKU that a test wrote.
pub fn sku(text: &str) -> Sku {
    parse(text)
}
