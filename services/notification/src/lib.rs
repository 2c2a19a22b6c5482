//! The notification service: tells customers, partners and staff what happened, each once.
//!
//! - **Owns** notifications, preferences, webhooks; a replica of what it needs of each order.
//! - **Hears** `shop.orders`, `shop.shipping`, `shop.stock-levels`; looks into the dead letters.
//! - **Says** NotificationSent, NotificationFailed on `shop.notifications`.
//! - **Serves** `/api/v1/notifications`, `/api/v1/webhooks`, `/api/v1/customers/{id}/preferences`.
//!
//! An event's notifications are rows, written in the transaction that marks it as heard. Senders
//! claim rows under a lease, send them with no transaction open, and record the outcome by the
//! executor. Who dies in between leaves the lease to run out: it is sent again, under the same id.

pub mod app;
pub mod channels;
pub mod choreography;
pub mod domain;
pub mod http;
pub mod numbers;
pub mod sender;
pub mod store;
pub mod words;

pub use app::{Config, Notifications, VARIABLES, build};

#[cfg(test)]
mod tests;
