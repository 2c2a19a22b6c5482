//! This service's replica of the products, fed by `shop.products`; orders are priced by it.

use std::collections::{BTreeMap, HashMap};

use events::{Event, contracts::product_changed::ProductChanged};
use kernel::{Money, Sku};
use messaging::{
    database::{Reads, StoreError},
    service::Heard,
    sets,
    writes::Writes,
};
use sea_orm::{
    Set,
    entity::prelude::*,
    sea_query::{Alias, Expr, ExprTrait as _, OnConflict},
};

use crate::domain::Product;

/// A product as inventory last told it.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "products")]
pub struct Model {
    /// The product.
    #[sea_orm(primary_key, auto_increment = false)]
    pub sku: String,
    /// Inventory's version; a lower one is ignored.
    pub version: i64,
    /// What it is called.
    pub name: String,
    /// Of one piece, in minor units.
    pub price_minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// Whether it can be ordered.
    pub active: bool,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The products with these SKUs, those that are known.
///
/// # Errors
/// When the database refuses.
pub async fn load(reads: &impl Reads, skus: &[&Sku]) -> Result<BTreeMap<Sku, Product>, StoreError> {
    let mut wanted: Vec<_> = skus.iter().map(|sku| sku.as_str()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let rows = sets::find::<Entity>(reads, Column::Sku, wanted).await?;
    rows.into_iter().map(read).collect()
}

fn read(row: Model) -> Result<(Sku, Product), StoreError> {
    let corrupt = |reason: String| StoreError::Corrupt { table: "products", reason };
    let sku = row.sku.parse().map_err(|e: kernel::IdError| corrupt(e.to_string()))?;
    let currency = row.currency.parse().map_err(|e: kernel::MoneyError| corrupt(e.to_string()))?;
    let price = Money::new(row.price_minor, currency);
    Ok((sku, Product { name: row.name, price, active: row.active }))
}

/// Takes over the newest of the products that were heard of.
pub fn replicate(heard: &[&Heard], writes: &mut Writes) {
    let mut newest = HashMap::<&str, &ProductChanged>::new();
    for heard in heard {
        if let Event::ProductChanged(product) = &heard.event {
            let known = newest.entry(&product.sku).or_insert(product);
            if known.version < product.version {
                *known = product;
            }
        }
    }
    let is_newer = Expr::col((Entity, Column::Version))
        .lt(Expr::col((Alias::new("excluded"), Column::Version)));
    let replace = OnConflict::column(Column::Sku)
        .update_columns([
            Column::Version,
            Column::Name,
            Column::PriceMinor,
            Column::Currency,
            Column::Active,
        ])
        .action_and_where(is_newer)
        .to_owned();
    writes.insert(newest.into_values().map(row).collect(), Some(replace));
}

fn row(product: &ProductChanged) -> ActiveModel {
    ActiveModel {
        sku: Set(product.sku.clone()),
        version: Set(product.version),
        name: Set(product.name.clone()),
        price_minor: Set(product.price_minor),
        currency: Set(product.currency.clone()),
        active: Set(product.active),
    }
}
