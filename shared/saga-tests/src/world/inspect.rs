//! Looking at a world: what holds, what was said, how an order stands.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use events::{Envelope, topics};
use kernel::OrderId;
use messaging::inbox;
use order_service::{
    domain::Order,
    store::{entity, read_body},
};
use sea_orm::EntityTrait;
use shipping_service::store::entity as shipment;

use super::World;
use crate::checker::Violation;

impl World {
    /// Stock is conserved (I5), at this very moment.
    pub(super) async fn check_stock(&self) -> Result<()> {
        let violations = self.checker.stock(&self.expected).await?;
        ensure!(violations.is_empty(), "{}", list(&violations));
        Ok(())
    }

    /// All invariants, once nothing moves any more.
    ///
    /// # Errors
    /// Those that don't hold.
    pub async fn check(&self) -> Result<()> {
        self.check_order_in_log()?;
        let violations = self.violations().await?;
        ensure!(violations.is_empty(), "{}", list(&violations));
        Ok(())
    }

    /// That every order has ended and stock is conserved, whether or not all is told everywhere.
    ///
    /// # Errors
    /// What doesn't hold.
    pub async fn check_ends(&self) -> Result<()> {
        let mut violations = self.checker.ends(&self.expected).await?;
        violations.extend(self.checker.stock(&self.expected).await?);
        violations.extend(self.checker.residue().await?);
        ensure!(violations.is_empty(), "{}", list(&violations));
        Ok(())
    }

    /// That what was said of one key stands in the log in the order in which it was said; repeats
    /// may come later.
    fn check_order_in_log(&self) -> Result<()> {
        let topics: Vec<_> = topics::ALL.iter().map(|topic| topic.name).collect();
        let mut last = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for record in self.log.all(&topics) {
            // Ids of a virtual clock sort in the order in which they were made.
            let id = record.header("ce_id").unwrap_or_default().to_owned();
            if seen.insert(id.clone()) {
                let before = last.insert((record.at.clone(), record.key.clone()), id.clone());
                ensure!(before < Some(id), "{}:{} overtook another", record.at, record.offset);
            }
        }
        Ok(())
    }

    /// What is wrong now.
    ///
    /// # Errors
    /// When a database cannot be read.
    pub async fn violations(&self) -> Result<Vec<Violation>> {
        self.checker.all(&self.expected, &self.published()?).await
    }

    /// The envelopes of every event of the saga that was published, repeats included.
    ///
    /// # Errors
    /// When one has none.
    pub fn published(&self) -> Result<Vec<Envelope>> {
        let saga: Vec<_> = topics::SAGA.iter().map(|topic| topic.name).collect();
        let records = self.log.all(&saga);
        let envelopes =
            records.iter().map(|record| Ok(Envelope::from_headers(|name| record.header(name))?));
        envelopes.collect()
    }

    /// Notes all that the databases hold, so that runs of a seed can be compared.
    ///
    /// # Errors
    /// When a database cannot be read.
    pub async fn note_end(&mut self) -> Result<()> {
        for seat in &self.seats {
            for row in seat.camera.snapshot().await?.rows() {
                self.trace.note(format!("{}: {row}", seat.name()));
            }
        }
        for row in entity::Entity::find().all(&self.checker.order).await? {
            self.tally("orders", 1);
            self.tally(&row.status, 1);
        }
        Ok(())
    }

    /// A service's inbox forgets everything.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn purge_inbox(&mut self, seat: usize) -> Result<()> {
        let node = self.seats[seat].node.clone();
        inbox::Entity::delete_many().exec(node.database().reader()).await?;
        self.trace.note(format!("{} forgets its inbox", node.name()));
        Ok(())
    }

    /// An order, as it is now.
    ///
    /// # Errors
    /// When there is none.
    pub async fn show(&self, id: OrderId) -> Result<Order> {
        let found = entity::Entity::find_by_id(id.to_string()).one(&self.checker.order).await?;
        Ok(read_body(&found.ok_or_else(|| anyhow::anyhow!("there is no order {id}"))?)?)
    }

    /// What shipping knows of an order, if anything.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn shipment(&self, id: OrderId) -> Result<Option<shipment::Model>> {
        let found = shipment::Entity::find_by_id(id.to_string());
        Ok(found.one(&self.checker.shipping).await?)
    }
}

fn list(violations: &[Violation]) -> String {
    let lines: Vec<_> = violations.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
