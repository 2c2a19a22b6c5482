//! All services together, on one thread, with a clock and a scheduler that a seed repeats: what a
//! cluster does in a bad year happens here in milliseconds, and the invariants are checked.
//!
//! - [`world`]: the services, the log and the clock; every step that can be taken, with its faults.
//! - [`checker`]: the invariants of DESIGN.md, asked of the services' databases and topics. It
//!   knows nothing of the simulation and works on real servers as well.
//! - [`simulation`]: random workload, random schedule, random faults; a seed repeats them all.
//! - [`requests`], [`wishes`]: what people ask of the services; [`customers`] do by HTTP.

pub mod checker;
pub mod customers;
pub mod faults;
pub mod log;
pub mod node;
pub mod requests;
pub mod simulation;
pub mod trace;
pub mod wishes;
pub mod world;

pub use checker::{Checker, Expected, Rule, Violation};
pub use world::World;
