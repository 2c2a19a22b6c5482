//! The registry as its clients see it: real HTTP on port 0, or the registry at the URL in
//! `TEST_REGISTRY` (such as `http://127.0.0.1:8081/apis/ccompat/v7`), which runs the same tests
//! except those that say why they skip it.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is its job")]

mod bodies;
mod client;
mod compatibility;
mod concurrency;
mod deletion;
mod durability;
mod levels;
mod server;
mod subjects;
