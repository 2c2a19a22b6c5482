//! The products that a transaction works on.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Currency, IdError, Money, MoneyError, Sku};
use messaging::{
    database::{Reads, StoreError},
    sets,
    writes::{Versions, Writes},
};
use sea_orm::Set;

use super::entity::product::{ActiveModel, Column, Entity, Model};
use crate::domain::{Details, Product};

const TABLE: &str = "products";
const VERSIONS: Versions<'_, Column> =
    Versions { keys: &[Column::Sku], version: Column::Version, base: Column::BaseVersion };

/// Products by SKU, each with the version that its row has.
#[derive(Default)]
pub struct Products(BTreeMap<String, Loaded>);

struct Loaded {
    product: Product,
    row_version: i64,
}

impl Products {
    /// Loads those that are listed.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn load(reads: &impl Reads, skus: &BTreeSet<&Sku>) -> Result<Self, StoreError> {
        let keys: Vec<_> = skus.iter().map(|sku| sku.as_str()).collect();
        let mut products = BTreeMap::new();
        for row in sets::find::<Entity>(reads, Column::Sku, keys).await? {
            let (sku, product) = read(row)?;
            let row_version = product.version;
            products.insert(sku.into(), Loaded { product, row_version });
        }
        Ok(Self(products))
    }

    /// The product, if it is listed.
    pub fn get(&self, sku: &Sku) -> Option<&Product> {
        Some(&self.0.get(sku.as_str())?.product)
    }

    /// The product as it is from now on.
    pub fn set(&mut self, sku: &str, product: Product) {
        match self.0.get_mut(sku) {
            Some(loaded) => loaded.product = product,
            None => drop(self.0.insert(sku.to_owned(), Loaded { product, row_version: 0 })),
        }
    }

    /// Writes those that changed.
    pub fn save(self, writes: &mut Writes) {
        let changed = |loaded: &Loaded| loaded.product.version != loaded.row_version;
        let rows = self.0.into_iter().filter(|(_, loaded)| changed(loaded));
        let rows = rows.map(|(sku, loaded)| row(sku, loaded)).collect();
        writes.replace_unchanged::<ActiveModel>(rows, &VERSIONS);
    }
}

fn row(sku: String, Loaded { product, row_version }: Loaded) -> ActiveModel {
    let Product { details, version } = product;
    ActiveModel {
        search: Set(searchable(&sku, &details)),
        sku: Set(sku),
        name: Set(details.name),
        description: Set(details.description),
        price_minor: Set(details.price.amount_minor),
        currency: Set(details.price.currency.to_string()),
        category: Set(details.category),
        image_url: Set(details.image_url),
        active: Set(details.active),
        version: Set(version),
        base_version: Set(row_version),
    }
}

/// What is searched in. The line breaks keep a search, which has none, within one field.
fn searchable(sku: &str, details: &Details) -> String {
    let description = details.description.as_deref().unwrap_or_default();
    lower(&format!("{}\n{description}\n{sku}", details.name))
}

/// Lower case, the same in every database and in every place: `str::to_lowercase` would write a
/// sigma at the end of a word in another way.
pub fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// The product in a row.
///
/// # Errors
/// [`StoreError::Corrupt`] when this code did not write it.
pub fn read(row: Model) -> Result<(Sku, Product), StoreError> {
    let corrupt = |reason: String| StoreError::Corrupt { table: TABLE, reason };
    let sku = row.sku.parse().map_err(|e: IdError| corrupt(e.to_string()))?;
    let currency: Currency =
        row.currency.parse().map_err(|e: MoneyError| corrupt(e.to_string()))?;
    let details = Details {
        name: row.name,
        description: row.description,
        price: Money::new(row.price_minor, currency),
        category: row.category,
        image_url: row.image_url,
        active: row.active,
    };
    Ok((sku, Product { details, version: row.version }))
}
