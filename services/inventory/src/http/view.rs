//! What clients get, as it stands in the contract.

use kernel::{Money, Sku};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{Details, Stock};

/// A product and its stock.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Product)]
pub struct ProductView {
    sku: Sku,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    price: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_url: Option<String>,
    /// Whether it can be ordered.
    active: bool,
    stock: StockView,
    /// Grows with each change of the product, but for its stock.
    version: i64,
}

/// The pieces of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Stock)]
pub struct StockView {
    /// In the warehouse.
    on_hand: i64,
    /// Held by orders.
    reserved: i64,
    /// What can still be ordered.
    available: i64,
}

impl ProductView {
    /// What clients see of a product.
    pub fn new(sku: Sku, details: Details, stock: StockView, version: i64) -> Self {
        let Details { name, description, price, category, image_url, active } = details;
        Self { sku, name, description, price, category, image_url, active, stock, version }
    }
}

impl From<Stock> for StockView {
    fn from(stock: Stock) -> Self {
        let Stock { on_hand, reserved, .. } = stock;
        Self { on_hand, reserved, available: stock.available() }
    }
}
