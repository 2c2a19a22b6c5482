//! The reservations that a transaction works on.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{OrderId, Timestamp};
use messaging::{
    database::{Reads, StoreError},
    sets,
    writes::{Versions, Writes},
};
use sea_orm::Set;

use super::entity::reservation::{ActiveModel, Column, Entity, Model, Status};
use crate::domain::{Held, Reservation};

const VERSIONS: Versions<'_, Column> =
    Versions { keys: &[Column::OrderId], version: Column::Version, base: Column::BaseVersion };

/// Reservations by order, each with the version that its row has.
#[derive(Default)]
pub struct Reservations(BTreeMap<String, Loaded>);

#[derive(Default)]
struct Loaded {
    reservation: Reservation,
    version: i64,
    row_version: i64,
}

impl Reservations {
    /// Loads those of the orders that are known.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn load(reads: &impl Reads, orders: &BTreeSet<OrderId>) -> Result<Self, StoreError> {
        let keys = orders.iter().map(ToString::to_string).collect();
        let mut reservations = BTreeMap::new();
        for row in sets::find::<Entity>(reads, Column::OrderId, keys).await? {
            let (version, row_version) = (row.version, row.version);
            let (order_id, reservation) = read(row)?;
            reservations.insert(order_id, Loaded { reservation, version, row_version });
        }
        Ok(Self(reservations))
    }

    /// What an order holds.
    pub fn get(&self, order_id: OrderId) -> &Reservation {
        let loaded = self.0.get(&order_id.to_string());
        loaded.map_or(&Reservation::Unknown, |loaded| &loaded.reservation)
    }

    /// How many events made it what it is.
    pub fn version(&self, order_id: OrderId) -> i64 {
        self.0.get(&order_id.to_string()).map_or(0, |loaded| loaded.version)
    }

    /// What the order holds from now on.
    pub fn set(&mut self, order_id: &str, reservation: Reservation, version: i64) {
        let loaded = self.0.entry(order_id.to_owned()).or_default();
        loaded.reservation = reservation;
        loaded.version = version;
    }

    /// Writes those that changed.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when one cannot be written as a row.
    pub fn save(self, writes: &mut Writes) -> Result<(), StoreError> {
        let changed = self.0.into_iter().filter(|(_, loaded)| loaded.version != loaded.row_version);
        let rows = changed.filter_map(|(order_id, loaded)| row(order_id, loaded).transpose());
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        writes.replace_unchanged::<ActiveModel>(rows, &VERSIONS);
        Ok(())
    }
}

/// `None` for an order that was never heard of.
fn row(order_id: String, loaded: Loaded) -> Result<Option<ActiveModel>, StoreError> {
    let (status, held) = match loaded.reservation {
        Reservation::Unknown => return Ok(None),
        Reservation::Live(held) => (Status::Live, Some(held)),
        Reservation::Rejected => (Status::Rejected, None),
        Reservation::Released => (Status::Released, None),
        Reservation::Committed => (Status::Committed, None),
        Reservation::Tombstone => (Status::Tombstone, None),
        Reservation::DispatchedUnreserved => (Status::DispatchedUnreserved, None),
    };
    let lines = held.as_ref().map(|held| serde_json::to_string(&held.lines)).transpose();
    Ok(Some(ActiveModel {
        lines: Set(lines.map_err(|error| corrupt(&order_id, error))?),
        order_id: Set(order_id),
        status: Set(status),
        reserved_at: Set(held.as_ref().map(|held| held.reserved_at.0)),
        confirmed: Set(held.as_ref().is_some_and(|held| held.confirmed)),
        reported: Set(held.as_ref().is_some_and(|held| held.reported)),
        version: Set(loaded.version),
        base_version: Set(loaded.row_version),
    }))
}

fn read(row: Model) -> Result<(String, Reservation), StoreError> {
    let reservation = match row.status {
        Status::Live => {
            let lines = row.lines.as_deref().unwrap_or_default();
            let lines =
                serde_json::from_str(lines).map_err(|error| corrupt(&row.order_id, error))?;
            let reserved_at = Timestamp(row.reserved_at.unwrap_or_default());
            let Model { confirmed, reported, .. } = row;
            Reservation::Live(Held { lines, reserved_at, confirmed, reported })
        }
        Status::Rejected => Reservation::Rejected,
        Status::Released => Reservation::Released,
        Status::Committed => Reservation::Committed,
        Status::Tombstone => Reservation::Tombstone,
        Status::DispatchedUnreserved => Reservation::DispatchedUnreserved,
    };
    Ok((row.order_id, reservation))
}

fn corrupt(order_id: &str, error: serde_json::Error) -> StoreError {
    StoreError::Corrupt { table: "reservations", reason: format!("{order_id}: {error}") }
}
