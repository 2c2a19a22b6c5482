//! The fence: of all producers of an identity only the newest appends.
//!
//! The broker fences by `transactional.id`: a new producer's `init_transactions` takes away the
//! older ones' right to append in a transaction. Appending everything in transactions would be
//! the whole answer, but a transaction is four requests, one after the other, instead of one, and
//! two in a row wait 20 ms for each other (librdkafka's back-off for CONCURRENT_TRANSACTIONS). A
//! saga has three to five appends, one after the other, and 15 ms for all of it. Measured on one
//! broker and two cores (`tests/on_kafka/latency.rs`), in milliseconds:
//!
//! | records in an append | plain p50 | p99 | transaction p50 | p99 |
//! |---|---|---|---|---|
//! | 1 | 0.4-0.8 | 4.4-5.9 | 3.2-3.6 | 17-18 |
//! | 200 | 2.3-3.5 | 3.9-9.7 | 7.3-8.1 | 18-29 |
//!
//! So transactions are taken where they are needed, see [`Way::choose`]:
//!
//! - **Compacted topics: always.** There the log keeps the newest record of a key, so a late
//!   append by a deposed relay would hide what its successor said, for ever. Sagas have nothing there,
//!   so what the relay begins does not wait for it ([`Lane`]).
//! - **The first append after [`PROOF_AGE`]: always.** It proves to the broker that we are still
//!   the newest; a relay that was paused, cut off or idle learns here that it was deposed.
//! - **Other appends: plain.** A relay that keeps appending while another takes over does so for
//!   at most [`PROOF_AGE`]. Both append the outbox's rows in the same order and forget them only
//!   after an acknowledgement, so every record's first appearance is in order, and a second one
//!   is what every consumer's inbox is for (I4).
//!
//! Within one `KafkaLog` the fence is exact for all topics: there the newest is known.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::{FutureExt as _, future::ready};
use rdkafka::{
    error::{KafkaError, KafkaResult},
    producer::Producer as _,
};
use tokio::task::spawn_blocking;

use super::{
    KafkaLog,
    callbacks::Callbacks,
    client::Client,
    config::APPEND_TIMEOUT,
    error::{from_code, translate},
    lane::Lane,
    producer::send,
};
use crate::{
    log::{LogError, Producer, Receipt},
    record::NewRecord,
};

/// How long a successful transaction counts as proof of being the newest.
const PROOF_AGE: Duration = Duration::from_secs(5);
/// How long a delivery report that was heard may take to leave its queue.
const REPORT_LIMIT: Duration = Duration::from_millis(10);

/// How a record is appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// In a transaction, which the broker refuses to a deposed producer.
    Transaction,
    /// By the idempotent producer.
    Plain,
}

impl Way {
    /// The one place where it is chosen.
    fn choose(is_compacted: bool, proof_age: Option<Duration>) -> Self {
        let is_proven = proof_age.is_some_and(|age| age < PROOF_AGE);
        if is_compacted || !is_proven { Self::Transaction } else { Self::Plain }
    }
}

/// The newest producer of each identity in this process.
#[derive(Default)]
pub struct Newest(Mutex<HashMap<String, u64>>);

impl Newest {
    fn succeed(&self, identity: &str) -> u64 {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = newest.entry(identity.to_owned()).or_default();
        *generation += 1;
        *generation
    }

    fn is(&self, identity: &str, generation: u64) -> bool {
        let newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        newest.get(identity) == Some(&generation)
    }
}

/// A producer with an identity. After an error another has to take over.
pub struct FencedProducer {
    fenced: Arc<Fenced>,
    /// Transactions that were begun.
    lane: Lane,
}

struct Fenced {
    log: KafkaLog,
    identity: String,
    generation: u64,
    client: Arc<Client>,
    /// When it was shown to be the newest.
    proven_at: Mutex<Option<Instant>>,
    /// A producer has one transaction at a time. Whether one was begun and not ended, because something
    /// in it failed.
    is_open: tokio::sync::Mutex<bool>,
}

impl FencedProducer {
    /// Takes over from the earlier ones of this identity: aborts what they have open and fences
    /// them.
    ///
    /// # Errors
    /// When the cluster is out of reach or refuses.
    pub async fn take_over(log: KafkaLog, identity: &str) -> Result<Self, LogError> {
        let config = log.config().transactional_producer(&log.names().outside(identity));
        let callbacks = Callbacks::new(log.diagnostics());
        let client = Client::new(&config, callbacks);
        let client = client.map_err(|error| translate(&error, identity, &log.diagnostics()))?;
        let client = Arc::new(client);
        let (proven_at, is_open) = Default::default();
        let identity = identity.to_owned();
        let mut fenced = Fenced { log, identity, generation: 0, client, proven_at, is_open };
        fenced.blocking(|client| client.init_transactions(APPEND_TIMEOUT)).await?;
        fenced.generation = fenced.log.newest().succeed(&fenced.identity);
        let fenced = Arc::new(fenced);
        let appending = Arc::clone(&fenced);
        let lane = Lane::new(move |records| {
            let fenced = Arc::clone(&appending);
            async move { fenced.transact(&records).await }
        });
        Ok(Self { fenced, lane })
    }

    /// Nobody waits for the transaction, unless it is urgent or the proof that we may append plainly. A caller that
    /// gives up leaves nothing half done but a batch, as a crash does.
    async fn add(&self, records: Vec<NewRecord>, is_urgent: bool) -> Result<Receipt, LogError> {
        let (fenced, plain) = self.fenced.ways(records).await?;
        let log = &self.fenced.log;
        let is_proof = !fenced.iter().all(|new| log.is_compacted(&new.topic));
        let receipt = if fenced.is_empty() {
            ready(Ok(())).boxed()
        } else {
            self.lane.add(fenced, is_urgent || is_proof).await?
        };
        if is_proof {
            return Ok(ready(Ok(receipt.await?)).boxed());
        }
        // Other topics, so neither has to wait for the other.
        log.plain().append(&plain).await?;
        Ok(receipt)
    }
}

impl Fenced {
    /// Those to be appended in a transaction, and the others.
    async fn ways(
        &self,
        records: Vec<NewRecord>,
    ) -> Result<(Vec<NewRecord>, Vec<NewRecord>), LogError> {
        self.log.check(&records).await?;
        self.check_newest()?;
        let proven_at = *self.proven_at.lock().unwrap_or_else(PoisonError::into_inner);
        let proof_age = proven_at.map(|at| at.elapsed());
        let way = |new: &NewRecord| Way::choose(self.log.is_compacted(&new.topic), proof_age);
        Ok(records.into_iter().partition(|new| way(new) == Way::Transaction))
    }

    fn check_newest(&self) -> Result<(), LogError> {
        let is_newest = self.log.newest().is(&self.identity, self.generation);
        if is_newest { Ok(()) } else { Err(LogError::Fenced(self.identity.clone())) }
    }

    async fn transact(&self, records: &[NewRecord]) -> Result<(), LogError> {
        let mut is_open = self.is_open.lock().await;
        self.check_newest()?;
        if *is_open {
            self.blocking(|client| client.abort_transaction(APPEND_TIMEOUT)).await?;
        }
        *is_open = true;
        let begun_at = Instant::now();
        let client = &self.client;
        client.begin_transaction().map_err(|error| self.translate(&error))?;
        let sent = send(client, self.log.names(), records).await;
        sent.map_err(|(error, topic)| self.translate_delivery(&error, &topic))?;
        self.blocking(commit).await?;
        *is_open = false;
        *self.proven_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(begun_at);
        Ok(())
    }

    /// Runs one of librdkafka's calls that block.
    async fn blocking(
        &self,
        call: impl FnOnce(&Client) -> KafkaResult<()> + Send + 'static,
    ) -> Result<(), LogError> {
        let client = Arc::clone(&self.client);
        match spawn_blocking(move || call(&client)).await {
            Ok(result) => result.map_err(|error| self.translate(&error)),
            Err(error) => Err(LogError::Unavailable(error.to_string())),
        }
    }

    fn translate(&self, error: &KafkaError) -> LogError {
        self.fenced().unwrap_or_else(|| translate(error, &self.identity, &self.log.diagnostics()))
    }

    fn translate_delivery(&self, error: &KafkaError, topic: &str) -> LogError {
        self.fenced().unwrap_or_else(|| translate(error, topic, &self.log.diagnostics()))
    }

    /// The client's fatal error tells of the fence, whatever the call that failed by it says.
    fn fenced(&self) -> Option<LogError> {
        let (code, _) = self.client.client().fatal_error()?;
        let error = from_code(code, &self.identity, &self.log.diagnostics());
        matches!(error, LogError::Fenced(_)).then_some(error)
    }
}

fn commit(client: &Client) -> KafkaResult<()> {
    let begun_at = Instant::now();
    // rdkafka flushes first, and if the last delivery report is just being taken off its queue by
    // the client's own thread, it waits 100 ms for another.
    while client.in_flight_count() > 0 && begun_at.elapsed() < REPORT_LIMIT {
        std::thread::yield_now();
    }
    client.commit_transaction(APPEND_TIMEOUT)
}

#[async_trait]
impl Producer for FencedProducer {
    async fn append(&self, records: Vec<NewRecord>) -> Result<(), LogError> {
        self.add(records, true).await?.await
    }

    async fn begin(&self, records: Vec<NewRecord>) -> Result<Receipt, LogError> {
        self.add(records, false).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_proven_producer_appends_plainly_and_never_to_a_compacted_topic() {
        let fresh = Some(PROOF_AGE / 2);
        assert_eq!(Way::choose(false, fresh), Way::Plain);
        assert_eq!(Way::choose(true, fresh), Way::Transaction);
        assert_eq!(Way::choose(false, Some(PROOF_AGE)), Way::Transaction);
        assert_eq!(Way::choose(false, None), Way::Transaction);
    }

    #[test]
    fn there_is_one_newest_of_each_identity() {
        let newest = Newest::default();
        let (first, other) = (newest.succeed("relay"), newest.succeed("other"));
        let second = newest.succeed("relay");
        assert!(!newest.is("relay", first));
        assert!(newest.is("relay", second) && newest.is("other", other));
    }
}
