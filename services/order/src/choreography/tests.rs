//! What each event means to the order service, and what it tells the others.
#![expect(clippy::unwrap_used, reason = "tests")]

mod hearing;
mod saying;
