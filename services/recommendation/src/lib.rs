//! The recommendation service.
//!
//! Owns: the model learned from clicks and orders. Hears: `shop.activity`, `shop.orders`, `shop.products`,
//! `shop.stock-levels`. Says: nothing. Answers: `/api/v1/recommendations`, `related`, `trending`.

#![forbid(unsafe_code)]

pub mod baselines;
pub mod clicks;
pub mod evaluate;
pub mod model;
pub mod synthetic;
