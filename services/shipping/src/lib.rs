//! The shipping service: books a shipment for every order that can be shipped, and decides whether
//! a confirmed order can still be cancelled.
//!
//! - **Owns** shipments, one per order.
//! - **Hears** `shop.orders`, `shop.inventory`.
//! - **Says** ShipmentScheduled, ShipmentRefused, ShipmentDispatched, ShipmentDelivered,
//!   ShipmentCancelled on `shop.shipping`.
//! - **Serves** `/api/v1/shipments` and below.

pub mod app;
pub mod choreography;
pub mod domain;
pub mod http;
pub mod store;

pub use app::{Config, Shipping, VARIABLES, build};

#[cfg(test)]
mod tests;
