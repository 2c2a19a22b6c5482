//! Ring 4: whole sagas, with every fault and every duplicate.
#![expect(clippy::unwrap_used, reason = "tests")]

mod batches;
mod checker;
mod races;
mod scene;
mod simulation;
mod steps;
mod traces;
