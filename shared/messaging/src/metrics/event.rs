//! What is counted of every record and every transaction.

use events::{contracts::CONTRACTS, topics};
use kernel::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;

use super::{OutcomeLabels, ServiceMetrics, TraceLabel};
use crate::{
    execute::{Batch, Item, Outcome},
    record::{NewRecord, Record},
    service::{Heard, Service},
};

/// What is not in our tables; a stranger must not make new series.
const OTHER: &str = "other";

/// One kind of event, heard or said by a service.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct EventLabels {
    service: &'static str,
    topic: &'static str,
    r#type: &'static str,
}

/// Records that are counted once the log has acknowledged them.
#[derive(Debug)]
pub struct Produced<'a> {
    metrics: &'a ServiceMetrics,
    labels: Vec<EventLabels>,
}

impl Produced<'_> {
    /// The log has them.
    pub fn count(self) {
        for labels in &self.labels {
            self.metrics.all().produced.get_or_create(labels).inc();
        }
    }
}

impl ServiceMetrics {
    fn event(&self, topic: &str, kind: Option<&str>) -> EventLabels {
        let topics = topics::ALL.iter().copied().chain(topics::DEAD_LETTERS);
        let mut topics = topics.map(|topic| topic.name);
        let mut kinds = CONTRACTS.iter().map(|contract| contract.name);
        EventLabels {
            service: self.service,
            topic: topics.find(|known| *known == topic).unwrap_or(OTHER),
            r#type: kinds.find(|known| Some(*known) == kind).unwrap_or(OTHER),
        }
    }

    /// A record was taken up.
    pub fn consumed(&self, record: &Record) {
        let labels = self.event(&record.at.topic, record.header("ce_type"));
        self.all().consumed.get_or_create(&labels).inc();
    }

    /// Records on their way to the log.
    pub fn produced(&self, records: &[NewRecord]) -> Produced<'_> {
        let labels = |record: &NewRecord| self.event(&record.topic, record.header("ce_type"));
        Produced { metrics: self, labels: records.iter().map(labels).collect() }
    }

    /// A transaction was committed.
    pub fn committed<S: Service>(
        &self,
        batch: &Batch<S>,
        outcome: &Outcome<S>,
        start: Timestamp,
        end: Timestamp,
    ) {
        let (all, label) = (self.all(), self.label());
        self.transaction("committed");
        all.transaction_seconds.get_or_create(&label).observe(end.since(start).as_secs_f64());
        let items = batch.items.len() + batch.requests.len() + batch.due.len();
        all.transaction_items.get_or_create(&label).observe(precise(items));
        all.duplicates.get_or_create(&label).inc_by(outcome.duplicates as u64);
        all.dead_letters.get_or_create(&label).inc_by(outcome.dead_letters as u64);
        for item in &batch.items {
            if let Item::Heard(heard, _) = item {
                self.processed(heard, end);
            }
        }
        for (ended, trace) in &outcome.ended {
            self.saga(ended.outcome, end.since(ended.began), trace);
        }
    }

    /// A transaction ended in one of few ways.
    pub fn transaction(&self, outcome: &'static str) {
        let labels = OutcomeLabels { service: self.service, outcome };
        self.all().transactions.get_or_create(&labels).inc();
    }

    fn processed(&self, heard: &Heard, end: Timestamp) {
        let contract = heard.event.contract();
        let (topic, r#type) = (contract.topic.name, contract.name);
        let labels = EventLabels { service: self.service, topic, r#type };
        let exemplar = heard.span.as_ref().and_then(|span| TraceLabel::of(&span.context));
        let took = end.since(heard.received).as_secs_f64();
        self.all().processing.get_or_create(&labels).observe(took, exemplar, None);
    }
}

/// Exact up to 2^53.
fn precise(count: usize) -> f64 {
    count as f64
}
