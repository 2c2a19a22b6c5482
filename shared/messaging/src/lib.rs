//! How events travel between the log and a service's database, and how each is processed once.
//!
//! ```text
//! log ──> consumer ──> partition actor ──> executor ──> execute: one transaction ──> offsets
//!                                                       inbox · load · decide · save · outbox
//! outbox ──> relay ──> log
//! ```

pub mod app;
mod caught;
pub mod consumer;
pub mod database;
pub mod dead_letters;
pub mod deadline_loop;
pub mod deadlines;
pub mod embedded;
pub mod execute;
pub mod executor;
pub mod gate;
pub mod idempotency;
pub mod inbox;
pub mod kafka;
pub mod log;
pub mod metrics;
pub mod migration;
pub mod murmur2;
pub mod outbox;
pub mod partition;
pub mod pipeline;
pub mod record;
pub mod relay;
pub mod retry;
pub mod runtime;
pub mod service;
pub mod sets;
pub mod signal;
pub mod telemetry;
pub mod writes;
