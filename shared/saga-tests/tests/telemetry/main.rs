//! What all services together tell about themselves, over HTTP as in production: traces in Jaeger,
//! numbers at `/metrics`, and that nobody waits for a collector.
#![expect(clippy::unwrap_used, reason = "tests")]

mod collector;
mod jaeger;
mod numbers;
mod overhead;
mod requests;
mod suite;
