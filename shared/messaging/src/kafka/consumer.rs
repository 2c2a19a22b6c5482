//! The consumer: librdkafka is polled by whoever waits for the next event, without a thread of
//! our own, and everything it says becomes a [`LogEvent`].

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use rdkafka::{
    consumer::Consumer as _,
    error::{KafkaError, RDKafkaErrorCode as Code},
};

use super::{
    callbacks::News,
    departures::Departures,
    diagnostics::Diagnostics,
    error::from_code,
    inbox::{Take, keep},
    membership::Membership,
};
use crate::{
    log::{Consumer, LogError, LogEvent, Revocation},
    record::{Position, RecordRef, RecordSink, TopicPartition},
};

/// How often librdkafka is polled when it says nothing, which it takes as a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// The consumer. Dropping it commits and leaves in the background.
pub struct KafkaConsumer {
    /// Taken when it is dropped.
    membership: Option<Arc<Membership>>,
    /// The group, and where its departures are noted; `None` for a reader outside any group.
    group: Option<(String, Arc<Departures>)>,
    diagnostics: Arc<Diagnostics>,
    /// Partitions of a reader that it has not been told of yet.
    untold: Option<Vec<TopicPartition>>,
    paused: Mutex<HashSet<TopicPartition>>,
}

impl KafkaConsumer {
    /// The consumer of a membership in a group.
    pub fn member(
        membership: Membership,
        group: (String, Arc<Departures>),
        diagnostics: Arc<Diagnostics>,
    ) -> Self {
        let (untold, paused) = Default::default();
        let (membership, group) = (Some(Arc::new(membership)), Some(group));
        Self { membership, group, diagnostics, untold, paused }
    }

    /// A reader that was given its partitions.
    pub fn reader(
        membership: Membership,
        partitions: Vec<TopicPartition>,
        diagnostics: Arc<Diagnostics>,
    ) -> Self {
        let (group, paused) = Default::default();
        let (membership, untold) = (Some(Arc::new(membership)), Some(partitions));
        Self { membership, group, diagnostics, untold, paused }
    }

    fn membership(&self) -> &Arc<Membership> {
        // Nobody can call a consumer that was dropped.
        self.membership.as_ref().unwrap_or_else(|| unreachable!("the consumer was dropped"))
    }

    /// What has happened, if anything; records that come now are offered to `take` first.
    fn step(&mut self, take: &mut Take<'_>) -> Option<LogEvent> {
        self.membership().commit_if_due();
        loop {
            let event = self.assigned_by_hand().or_else(|| self.news());
            let event = event.or_else(|| self.error()).or_else(|| self.records());
            if event.is_some() || !self.membership().poll(take) || self.has_taken() {
                return event;
            }
        }
    }

    fn has_taken(&self) -> bool {
        !self.membership().inbox().taken_ends().is_empty()
    }

    fn assigned_by_hand(&mut self) -> Option<LogEvent> {
        self.untold.take().map(LogEvent::Assigned)
    }

    fn news(&mut self) -> Option<LogEvent> {
        loop {
            // Of some news only we have to know.
            let news = self.membership().consumer().context().next()?;
            let event = match news {
                News::Assigned(list) => self.assigned(self.membership().names().partitions(&list)),
                News::Revoked(list) => {
                    let gone = self.gone(self.membership().names().partitions(&list));
                    Some(LogEvent::Revoked(gone, self.membership().revocation(list)))
                }
                News::Lost(list) => {
                    let gone = self.gone(self.membership().names().partitions(&list));
                    // Another member may have them already, so nothing is committed.
                    drop(self.membership().progress().release(&gone));
                    Some(LogEvent::Revoked(gone, Revocation::then(|| ())))
                }
                News::CommitFailed(list) => {
                    let positions = self.membership().names().positions(&list);
                    self.membership().progress().not_committed(&positions);
                    self.membership().commit_soon();
                    None
                }
            };
            if event.is_some() {
                return event;
            }
        }
    }

    fn assigned(&self, partitions: Vec<TopicPartition>) -> Option<LogEvent> {
        // Every member is told of every rebalance, even if it gets nothing by it.
        if partitions.is_empty() {
            return None;
        }
        self.membership().progress().assign(&partitions);
        // librdkafka remembers a pause from an earlier assignment.
        self.membership().set_fetching(&partitions, true);
        Some(LogEvent::Assigned(partitions))
    }

    fn gone(&self, partitions: Vec<TopicPartition>) -> Vec<TopicPartition> {
        let mut inbox = self.membership().inbox();
        inbox.forget(&partitions);
        // What it does not say is not committed: then markers of transactions are read again.
        self.membership().note_positions(&inbox);
        self.paused().retain(|at| !partitions.contains(at));
        partitions
    }

    fn records(&self) -> Option<LogEvent> {
        let (at, records) = self.membership().inbox().next(&self.paused())?;
        Some(LogEvent::Records(at, records))
    }

    /// What the service must know; librdkafka gets over the rest alone.
    fn error(&self) -> Option<LogEvent> {
        let error = self.membership().inbox().error()?;
        let (code, what) = (error.rdkafka_error_code()?, "reading");
        let translated = from_code(code, what, &self.diagnostics);
        let serious = match (error, code) {
            // Only a new member can go on.
            (KafkaError::MessageConsumptionFatal(_), _) => {
                Some(LogError::Denied(format!("{what}: {code}")))
            }
            (_, Code::AllBrokersDown | Code::PollExceeded) => Some(translated),
            _ => Some(translated).filter(|error| !error.is_transient()),
        };
        serious.map(LogEvent::Error)
    }

    fn paused(&self) -> MutexGuard<'_, HashSet<TopicPartition>> {
        self.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Consumer for KafkaConsumer {
    async fn next(&mut self) -> LogEvent {
        // Lets other tasks run when there is always something to read.
        tokio::task::consume_budget().await;
        loop {
            if let Some(event) = self.step(&mut keep) {
                return event;
            }
            self.membership().something(SIGN_OF_LIFE).await;
        }
    }

    async fn next_into(&mut self, sink: &mut dyn RecordSink) -> Option<LogEvent> {
        tokio::task::consume_budget().await;
        loop {
            let paused = self.paused().clone();
            let mut has_taken = false;
            let mut take = |record: &RecordRef<'_>| {
                let is_wanted = paused.is_empty() || !paused.contains(record.at);
                if is_wanted {
                    sink.take(record);
                    has_taken = true;
                }
                is_wanted
            };
            let event = self.step(&mut take);
            match event {
                Some(LogEvent::Records(_, records)) => {
                    sink.take_all(&records);
                    return None;
                }
                Some(event) => return Some(event),
                None if has_taken => return None,
                None => self.membership().something(SIGN_OF_LIFE).await,
            }
        }
    }

    fn store(&self, position: Position) {
        if self.group.is_some() {
            self.membership().store(&position);
        }
    }

    fn reached(&self) -> Vec<Position> {
        self.membership().reached()
    }

    fn pause(&self, partitions: &[TopicPartition]) {
        self.paused().extend(partitions.iter().cloned());
        self.membership().set_fetching(partitions, false);
    }

    fn resume(&self, partitions: &[TopicPartition]) {
        self.paused().retain(|at| !partitions.contains(at));
        self.membership().set_fetching(partitions, true);
        self.membership().wake();
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        let departure = self.group.as_ref().map(|(group, departures)| departures.begin(group));
        if let Some(membership) = self.membership.take() {
            membership.leave(departure);
        }
    }
}
