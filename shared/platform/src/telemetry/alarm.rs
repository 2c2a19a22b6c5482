//! One warning an outage, however many spans it costs.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Raised by the first loss; lowered by the first success after a while, so that a collector that
/// answers every other time does not fill the log.
#[derive(Debug)]
pub struct Alarm {
    raised: Mutex<Option<Instant>>,
    calm: Duration,
}

impl Alarm {
    /// An alarm that stays raised for `calm` at least.
    pub fn new(calm: Duration) -> Self {
        Self { raised: Mutex::default(), calm }
    }

    /// Something was lost: warns unless that is known.
    pub fn raise(&self, reason: &dyn std::fmt::Display) {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        if raised.is_none() {
            *raised = Some(Instant::now());
            tracing::warn!(%reason, "traces cannot be exported; everything else goes on");
        }
    }

    /// Something was exported.
    pub fn lower(&self) {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        if raised.is_some_and(|at| at.elapsed() >= self.calm) {
            *raised = None;
            tracing::info!("traces are exported again");
        }
    }
}
