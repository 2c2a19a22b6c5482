//! The recommendation service: learns from what visitors do, click by click, and answers from memory.
//!
//! - **Owns** the model; it has no database and no consumer group: each replica reads everything, and its snapshots have
//!   the offsets they reflect.
//! - **Hears** `shop.activity`, `shop.orders`, `shop.products`, `shop.stock-levels`.
//! - **Says** nothing of its own; it writes what storefronts report, ProductViewed and AddedToCart, to `shop.activity`.
//! - **Serves** `/api/v1/activity`, `/api/v1/recommendations`, `/api/v1/products/{sku}/related`, `/api/v1/trending`.

#![forbid(unsafe_code)]

pub mod activity;
pub mod app;
pub mod assortment;
pub mod baselines;
pub mod choreography;
pub mod clicks;
pub mod config;
pub mod evaluate;
pub mod http;
pub mod learner;
pub mod letters;
pub mod model;
pub mod numbers;
pub mod observed;
pub mod pool;
pub mod published;
pub mod shard;
pub mod snapshot;
pub mod synthetic;

pub use app::{BuildError, Recommendation, build};
pub use config::{Config, VARIABLES};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
