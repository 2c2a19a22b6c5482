//! librdkafka's callbacks. They only take note; what follows from it is one closed enum that the
//! consumer handles.
//!
//! A revocation is not answered in its callback: librdkafka waits for the call of `unassign`,
//! which comes when the revocation was answered. Meanwhile the consumer can still be polled.

use std::{
    collections::VecDeque,
    error::Error,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use rdkafka::{
    ClientContext, TopicPartitionList,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol},
    error::{KafkaError, KafkaResult},
    types::RDKafkaRespErr,
};

use super::diagnostics::Diagnostics;

/// What a consumer has to know.
#[derive(Debug)]
pub enum News {
    /// These are ours, and fetching has begun.
    Assigned(TopicPartitionList),
    /// These are wanted back: librdkafka waits until they are unassigned.
    Revoked(TopicPartitionList),
    /// These were taken away, because the group took this member for dead.
    Lost(TopicPartitionList),
    /// These positions were not committed.
    CommitFailed(TopicPartitionList),
}

/// The callbacks of one client.
pub struct Callbacks {
    diagnostics: Arc<Diagnostics>,
    news: Mutex<VecDeque<News>>,
    served: AtomicU64,
    assigned: AtomicU64,
    lost: AtomicU64,
    is_leaving: AtomicBool,
}

impl Callbacks {
    /// Callbacks that report to these diagnostics.
    pub fn new(diagnostics: Arc<Diagnostics>) -> Self {
        let (news, served, assigned, lost, is_leaving) = Default::default();
        Self { diagnostics, news, served, assigned, lost, is_leaving }
    }

    /// The oldest news.
    pub fn next(&self) -> Option<News> {
        self.news().pop_front()
    }

    /// Whether there are news.
    pub fn has_news(&self) -> bool {
        !self.news().is_empty()
    }

    /// Whether an assignment is among them.
    pub fn has_assignment(&self) -> bool {
        self.news().iter().any(|news| matches!(news, News::Assigned(_)))
    }

    /// How many callbacks there were. A poll that returns nothing has emptied the queue only if
    /// it served no callback.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// How many assignments there were, empty ones too.
    pub fn assigned(&self) -> u64 {
        self.assigned.load(Ordering::Acquire)
    }

    /// How often partitions were lost.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Acquire)
    }

    /// Whether nobody asks for news any more.
    pub fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Acquire)
    }

    /// From now on nobody asks for news: revocations are answered at once.
    pub fn leave(&self) {
        let _news = self.news();
        self.is_leaving.store(true, Ordering::Release);
    }

    fn tell(&self, news: News) {
        self.news().push_back(news);
    }

    /// Under one lock with [`leave`](Self::leave): a revocation that nobody hears of would keep
    /// the consumer from closing for ever.
    fn tell_unless_leaving(&self, news: News) -> bool {
        let mut all = self.news();
        let is_heard = !self.is_leaving();
        if is_heard {
            all.push_back(news);
        }
        is_heard
    }

    fn news(&self) -> MutexGuard<'_, VecDeque<News>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }
}

impl ClientContext for Callbacks {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.count();
        Diagnostics::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.count();
        if let Some(code) = error.rdkafka_error_code() {
            self.diagnostics.heard(code, reason);
        }
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.count();
        Ok(self.diagnostics.token()?)
    }
}

impl ConsumerContext for Callbacks {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        kind: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        self.count();
        if kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            assign(consumer, list);
            self.tell(News::Assigned(list.clone()));
            self.assigned.fetch_add(1, Ordering::Release);
        } else if consumer.assignment_lost() {
            self.lost.fetch_add(1, Ordering::Release);
            unassign(consumer, list);
            self.tell(News::Lost(list.clone()));
        } else if !self.tell_unless_leaving(News::Revoked(list.clone())) {
            unassign(consumer, list);
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        self.count();
        if let Err(error) = result {
            tracing::debug!(%error, "positions were not committed, they will be again");
            self.tell(News::CommitFailed(offsets.clone()));
        }
    }
}

fn assign(consumer: &BaseConsumer<Callbacks>, list: &TopicPartitionList) {
    let result = match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(list),
    };
    if let Err(error) = result {
        tracing::warn!(%error, "cannot take the assigned partitions");
    }
}

/// Tells librdkafka that these partitions may go.
pub fn unassign(consumer: &BaseConsumer<Callbacks>, list: &TopicPartitionList) {
    let result = match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    };
    if let Err(error) = result {
        // Such as when they were lost meanwhile: then they are gone already.
        tracing::debug!(%error, "cannot let the revoked partitions go");
    }
}
