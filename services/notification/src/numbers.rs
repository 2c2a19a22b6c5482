//! The service's own numbers for Prometheus.

use std::time::Duration;

use messaging::metrics::{Metrics, quick_seconds};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, histogram::Histogram},
};

use crate::domain::{Channel, Outcome};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AttemptLabels {
    service: &'static str,
    channel: &'static str,
    outcome: &'static str,
}

type Attempts = Family<AttemptLabels, Histogram, fn() -> Histogram>;

/// The numbers, registered.
pub struct Numbers {
    service: &'static str,
    attempts: Attempts,
}

impl Numbers {
    /// Registers them with those of the process.
    pub fn new(service: &'static str, process: &Metrics) -> Self {
        let make: fn() -> Histogram = || Histogram::new(quick_seconds());
        let attempts = process.register(
            "shop_notification_attempt_duration_seconds",
            "Attempts to tell somebody something",
            || Attempts::new_with_constructor(make),
        );
        Self { service, attempts }
    }

    /// Counts an attempt.
    pub fn attempted(&self, channel: Channel, outcome: &Outcome, took: Duration) {
        let channel = match channel {
            Channel::Log => "log",
            Channel::Email => "email",
            Channel::Webhook => "webhook",
        };
        let outcome = match outcome {
            Outcome::Sent => "sent",
            Outcome::Failed(_) => "failed",
            Outcome::Refused(_) | Outcome::Gone => "refused",
        };
        let labels = AttemptLabels { service: self.service, channel, outcome };
        self.attempts.get_or_create(&labels).observe(took.as_secs_f64());
    }
}
