//! The stock that a transaction has locked, and what it says of it.

use std::collections::{BTreeMap, BTreeSet};

use kernel::Sku;
use messaging::{
    database::{Reads, StoreError},
    service::{Cause, Voice},
    sets,
    writes::Writes,
};
use sea_orm::{
    EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Set,
    sea_query::OnConflict,
};

use super::entity::{
    movement,
    stock::{ActiveModel, Column, Entity},
};
use crate::{
    choreography,
    domain::{Movement, Stock},
};

/// Stock by SKU.
#[derive(Default)]
pub struct Stocks(BTreeMap<Sku, Loaded>);

struct Loaded {
    /// As the row has it; `None` while there is none.
    row: Option<Stock>,
    now: Stock,
    /// Why it changed last.
    cause: Option<Cause>,
}

impl Stocks {
    /// Loads and locks the rows there are, in the order of their keys, so that no two transactions
    /// wait for each other. SQLite has one writer and needs no lock.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn lock(reads: &impl Reads, skus: &BTreeSet<&Sku>) -> Result<Self, StoreError> {
        let by_key: BTreeMap<_, _> = skus.iter().map(|sku| (sku.as_str(), *sku)).collect();
        let keys: Vec<_> = by_key.keys().copied().collect();
        let mut stock = BTreeMap::new();
        if keys.is_empty() {
            return Ok(Self::default());
        }
        let touched = Entity::find().filter(sets::among(reads.backend(), Column::Sku, keys));
        let touched = touched.order_by_asc(Column::Sku).lock_exclusive();
        for row in reads.all(touched).await? {
            let Some(sku) = by_key.get(row.sku.as_str()) else { continue };
            let now = row.into();
            stock.insert((*sku).clone(), Loaded { row: Some(now), now, cause: None });
        }
        Ok(Self(stock))
    }

    /// The stock of a product, if it is listed.
    pub fn get(&self, sku: &Sku) -> Option<Stock> {
        Some(self.0.get(sku)?.now)
    }

    /// The stock as it is from now on, and why.
    pub fn set(&mut self, sku: Sku, now: Stock, cause: &Cause) {
        let new = || Loaded { row: None, now: Stock::default(), cause: None };
        let loaded = self.0.entry(sku).or_insert_with(new);
        if loaded.now != now {
            loaded.now = now;
            loaded.cause = Some(cause.clone());
        }
    }

    /// Writes what changed and says the new levels, one for each product.
    pub fn save(self, writes: &mut Writes, voice: &mut Voice<'_>) {
        let changed = self.0.iter().filter(|(_, loaded)| loaded.row != Some(loaded.now));
        let rows = changed.map(|(sku, loaded)| row(sku, loaded.now)).collect::<Vec<_>>();
        let replace = OnConflict::column(Column::Sku)
            .update_columns([Column::OnHand, Column::Reserved, Column::Version])
            .to_owned();
        writes.insert(rows, Some(replace));
        for (sku, Loaded { now, cause, .. }) in self.0 {
            if let Some(cause) = cause {
                let level = choreography::level(&sku, now, voice.now());
                voice.say(level.into(), sku.as_str(), &cause);
            }
        }
    }
}

/// Appends to the ledger.
pub fn append_to_ledger(movements: Vec<Movement>, writes: &mut Writes) {
    let rows =
        movements.into_iter().map(|Movement { sku, delta, reason, at }| movement::ActiveModel {
            sku: Set(sku.into()),
            delta: Set(delta),
            reason: Set(reason),
            at: Set(at.0),
            ..Default::default()
        });
    writes.insert(rows.collect(), None);
}

fn row(sku: &Sku, stock: Stock) -> ActiveModel {
    ActiveModel {
        sku: Set(sku.to_string()),
        on_hand: Set(stock.on_hand),
        reserved: Set(stock.reserved),
        version: Set(stock.version),
    }
}

impl From<super::entity::stock::Model> for Stock {
    fn from(row: super::entity::stock::Model) -> Self {
        Self { on_hand: row.on_hand, reserved: row.reserved, version: row.version }
    }
}
