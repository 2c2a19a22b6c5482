//! The products with their stock, as clients ask for them.

use kernel::Sku;
use messaging::database::StoreError;
use sea_orm::{
    ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
    entity::prelude::*, sea_query::LikeExpr,
};

use super::{
    entity::{
        product::{Column, Entity, Model},
        stock,
    },
    products::{lower, read},
};
use crate::domain::{Product, Stock};

/// Which products are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only those of this category.
    pub category: Option<String>,
    /// Only those with this text, in whatever case, in name, description or SKU.
    pub text: Option<String>,
    /// Only those behind this SKU.
    pub after: Option<Sku>,
    /// At most so many.
    pub limit: u64,
}

/// A product and its stock.
pub type Listed = (Sku, Product, Stock);

/// One product.
///
/// # Errors
/// When the database refuses.
pub async fn find(db: &impl ConnectionTrait, sku: &Sku) -> Result<Option<Listed>, StoreError> {
    let found = Entity::find_by_id(sku.as_str()).find_also_related(stock::Entity).one(db).await?;
    found.map(listed).transpose()
}

/// The wanted products, in the order of their SKUs.
///
/// # Errors
/// When the database refuses.
pub async fn list(db: &impl ConnectionTrait, wanted: Wanted) -> Result<Vec<Listed>, StoreError> {
    let limit = wanted.limit;
    let found = select(wanted).order_by_asc(Column::Sku).limit(limit);
    let found = found.find_also_related(stock::Entity).all(db).await?;
    found.into_iter().map(listed).collect()
}

fn select(wanted: Wanted) -> Select<Entity> {
    let mut query = Entity::find();
    if let Some(category) = wanted.category {
        query = query.filter(Column::Category.eq(category));
    }
    if let Some(text) = wanted.text {
        query = query.filter(Column::Search.like(containing(&lower(&text))));
    }
    if let Some(after) = wanted.after {
        query = query.filter(Column::Sku.gt(after.as_str()));
    }
    query
}

/// `LIKE` with nothing in `text` meaning anything but itself.
fn containing(text: &str) -> LikeExpr {
    let escaped = text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
    LikeExpr::new(format!("%{escaped}%")).escape('\\')
}

fn listed((product, stock): (Model, Option<stock::Model>)) -> Result<Listed, StoreError> {
    let (sku, product) = read(product)?;
    Ok((sku, product, stock.map(Stock::from).unwrap_or_default()))
}
