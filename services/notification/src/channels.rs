//! How something leaves: by mail, or by webhook. What is kept in the log leaves nowhere.

pub mod address;
pub mod mail;
pub mod signature;
pub mod webhook;

pub use self::{mail::Mailer, webhook::Poster};
