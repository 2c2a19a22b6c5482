//! The inventory service: knows the products and how many pieces there are, and reserves them.
//!
//! - **Owns** products, stock and its ledger, and one reservation per order.
//! - **Hears** `shop.orders`, `shop.shipping`.
//! - **Says** ProductChanged on `shop.products`, StockReserved, StockRejected, StockReleased,
//!   StockCommitted on `shop.inventory`, StockLevelChanged on `shop.stock-levels`.
//! - **Serves** `/api/v1/products` and `/api/v1/products/{sku}` with `/stock`.

pub mod app;
pub mod choreography;
pub mod domain;
pub mod http;
pub mod store;

pub use app::{Config, Inventory, VARIABLES, build};

#[cfg(test)]
mod testing;
