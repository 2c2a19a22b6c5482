//! The order service: takes orders, prices them, and says how each ends.
//!
//! - **Owns** orders, their timelines, and a replica of the products to price by.
//! - **Hears** `shop.products`, `shop.inventory`, `shop.shipping`.
//! - **Says** OrderPlaced, OrderConfirmed, OrderRejected, OrderCancellationRequested,
//!   OrderCancelled, OrderCompleted on `shop.orders`.
//! - **Serves** `/api/v1/orders` and below.

pub mod app;
pub mod choreography;
pub mod domain;
pub mod http;
pub mod store;
#[cfg(test)]
mod testing;

pub use app::{Config, OrderService, VARIABLES, build};
