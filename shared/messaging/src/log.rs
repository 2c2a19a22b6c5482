//! The one trait behind which the event log stands: ours in process, or Apache Kafka.
//!
//! Every implementation passes the suite in `tests/log_suite`; a service cannot tell which it has.

use std::time::Duration;

use async_trait::async_trait;
use events::topics::Topic;
use futures::{
    FutureExt,
    future::{BoxFuture, ready},
};
use tokio::sync::oneshot;

use crate::record::{NewRecord, Position, Record, RecordSink, TopicPartition};

/// The patience of who waits for each record.
pub const AT_ONCE: Duration = Duration::ZERO;

/// A partitioned, durable, append-only log of records.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Creates the topics that are missing and compares the others with the table.
    ///
    /// # Errors
    /// [`LogError::Mismatch`] when a topic exists with other partitions or another clean-up policy.
    async fn ensure_topics(&self, topics: &[&Topic]) -> Result<(), LogError>;

    /// A producer. Of all producers with the same `identity` only the newest may append, on this
    /// machine or on any other: the older ones are told [`LogError::Fenced`].
    ///
    /// # Errors
    /// When the log is out of reach.
    async fn producer(&self, identity: Option<&str>) -> Result<Box<dyn Producer>, LogError>;

    /// Joins `group`: the partitions of `topics` are shared out among its members, each starting
    /// at the group's committed offset, or at the beginning. Records may be gathered for as long as
    /// `patience` before they are told of.
    ///
    /// # Errors
    /// When the log is out of reach or a topic is unknown.
    async fn subscribe(
        &self,
        group: &str,
        topics: &[&str],
        patience: Duration,
    ) -> Result<Box<dyn Consumer>, LogError>;

    /// Reads the given partitions from the given positions, outside any group: everything is
    /// `Assigned` at once and never revoked; `store` has no effect. `patience` is that of
    /// [`subscribe`](Self::subscribe).
    ///
    /// # Errors
    /// When the log is out of reach or a topic is unknown.
    async fn assign(
        &self,
        from: &[Position],
        patience: Duration,
    ) -> Result<Box<dyn Consumer>, LogError>;

    /// The positions after the last record of every partition of `topics` that is durable. Members of groups may be
    /// ahead of them.
    ///
    /// # Errors
    /// When the log is out of reach or a topic is unknown.
    async fn end_positions(&self, topics: &[&str]) -> Result<Vec<Position>, LogError>;

    /// The positions of the first records still kept, for every partition of `topics`.
    ///
    /// # Errors
    /// When the log is out of reach or a topic is unknown.
    async fn first_positions(&self, topics: &[&str]) -> Result<Vec<Position>, LogError>;

    /// For every partition of `topic` the position of the first record appended at or after
    /// `timestamp_ms`, or the end when there is none.
    ///
    /// # Errors
    /// When the log is out of reach or the topic is unknown.
    async fn positions_at(&self, topic: &str, timestamp_ms: i64)
    -> Result<Vec<Position>, LogError>;

    /// What `group` has committed; partitions without a commit are left out.
    ///
    /// # Errors
    /// When the log is out of reach.
    async fn committed(&self, group: &str, topics: &[&str]) -> Result<Vec<Position>, LogError>;

    /// Whether the log answers now.
    ///
    /// # Errors
    /// What keeps it from answering.
    async fn ping(&self) -> Result<(), LogError>;
}

/// Tells when all of an append is on disk, or why it may not be.
pub type Receipt = BoxFuture<'static, Result<(), LogError>>;

/// Appends to the log.
#[async_trait]
pub trait Producer: Send + Sync {
    /// Appends all of `records`, keeping their order within a partition. When it returns `Ok`,
    /// every one is on disk. After an error none, some or all of them may be: appending again is
    /// safe, because every consumer is idempotent.
    ///
    /// # Errors
    /// [`LogError::Fenced`] when a newer producer of this identity exists; others say whether
    /// trying again may help.
    async fn append(&self, records: Vec<NewRecord>) -> Result<(), LogError>;

    /// As [`append`](Self::append), but returns as soon as nothing that is appended later can come before these
    /// records, whatever fails. Members of groups may have them by then.
    ///
    /// # Errors
    /// As those of `append`, which the receipt has too.
    async fn begin(&self, records: Vec<NewRecord>) -> Result<Receipt, LogError> {
        self.append(records).await?;
        Ok(ready(Ok(())).boxed())
    }
}

/// Reads the log: a member of a group, or a reader of its own. Dropping it leaves the group.
#[async_trait]
pub trait Consumer: Send {
    /// Waits for what happens next. Safe to cancel.
    async fn next(&mut self) -> LogEvent;

    /// As [`next`](Self::next), but records go to `sink`, which can look at them before they are copied: `None` when it
    /// was given some, at most a few thousand at a time, perhaps of several partitions. Safe to cancel: what the sink
    /// has, it keeps, and nothing else is lost.
    async fn next_into(&mut self, sink: &mut dyn RecordSink) -> Option<LogEvent> {
        match self.next().await {
            LogEvent::Records(_, records) => {
                sink.take_all(&records);
                None
            }
            other => Some(other),
        }
    }

    /// Stores that everything before `position` is done. It is committed soon, and at the latest
    /// when the partition is revoked or the consumer is dropped.
    fn store(&self, position: Position);

    /// How far each partition was read, as far as is known: past the offsets that no record has (commit markers,
    /// forgotten records), which are never delivered. Everything before was returned by [`next`](Self::next) or given
    /// to the sink of [`next_into`](Self::next_into).
    fn reached(&self) -> Vec<Position>;

    /// Stops delivering from these partitions; nothing is lost or buffered without bound.
    fn pause(&self, partitions: &[TopicPartition]);

    /// Delivers from these partitions again.
    fn resume(&self, partitions: &[TopicPartition]);
}

/// All that can happen to a consumer. librdkafka's callbacks end here.
#[derive(Debug)]
pub enum LogEvent {
    /// Records of one partition, in order.
    Records(TopicPartition, Vec<Record>),
    /// These partitions are this member's now; their records follow.
    Assigned(Vec<TopicPartition>),
    /// These partitions go to another member as soon as `done` is answered or dropped: finish or
    /// drop the work in flight first. What is stored until then is committed.
    Revoked(Vec<TopicPartition>, Revocation),
    /// Something went wrong; the consumer goes on by itself when the error is transient.
    Error(LogError),
}

/// The permission that a rebalance waits for: given by [`done`](Self::done), or by dropping it.
pub struct Revocation(Option<Box<dyn FnOnce() + Send>>);

impl Revocation {
    /// A revocation and what tells that it was answered.
    pub fn new() -> (Self, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        let answered = move || {
            // Who asked may be gone: then nobody waits.
            sender.send(()).ok();
        };
        (Self::then(answered), receiver)
    }

    /// A revocation that calls `answered` once it is answered, at once and on the same thread.
    pub fn then(answered: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(answered)))
    }

    /// Lets the partitions go.
    pub fn done(self) {
        drop(self);
    }
}

impl Drop for Revocation {
    fn drop(&mut self) {
        if let Some(answered) = self.0.take() {
            answered();
        }
    }
}

impl std::fmt::Debug for Revocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Revocation")
    }
}

/// Why the log could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// It cannot be reached, or is busy.
    #[error("the event log is out of reach: {0}")]
    Unavailable(String),
    /// The disk is full or refuses to write.
    #[error("the event log could not write: {0}")]
    Storage(String),
    /// A newer producer of the same identity took over.
    #[error("a newer producer of {0} has taken over")]
    Fenced(String),
    /// What is on disk cannot be read; trying again will not mend it.
    #[error("the event log is damaged: {0}")]
    Damaged(String),
    /// The topic does not exist.
    #[error("unknown topic {0}")]
    UnknownTopic(String),
    /// A topic is not as the table says.
    #[error("topic {topic} has {found}, the table of topics says {expected}")]
    Mismatch {
        /// The topic's name.
        topic: String,
        /// What the log has.
        found: String,
        /// What it should have.
        expected: String,
    },
    /// A record is too large, or wrong in another way that trying again will not mend.
    #[error("the event log refuses the record: {0}")]
    Refused(String),
    /// User name, password or rights are wrong.
    #[error("the event log denies access: {0}")]
    Denied(String),
}

impl LogError {
    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Storage(_))
    }
}
