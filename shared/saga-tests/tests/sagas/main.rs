//! Ring 4: whole sagas, with every fault and every duplicate.

mod simulation;
