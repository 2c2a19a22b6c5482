//! The service through `build` and HTTP, with real mail servers and receivers.

mod events;
mod forgetting;
mod kill;
mod mail;
mod python;
mod receiver;
mod requests;
mod rig;
mod sharing;
mod smtp;
mod webhooks;
pub mod words;
