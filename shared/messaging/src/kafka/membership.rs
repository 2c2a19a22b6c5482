//! One librdkafka consumer, shared by the consumer that polls it and by the revocations that are
//! still to be answered: the last of them to go makes it leave the group.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::park_timeout,
    time::Duration,
};

use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code},
};
use tokio::{runtime::Handle, sync::Notify, time::Instant};

use super::{
    callbacks::{Callbacks, News, unassign},
    departures::Departure,
    inbox::{Inbox, Take, keep},
    names::Names,
    progress::Progress,
};
use crate::{
    log::Revocation,
    record::{Position, TopicPartition},
};

/// How long a stored position waits for others to be committed with it.
const COMMIT_DELAY: Duration = Duration::from_millis(250);
/// How long a group may take to settle before we go on without, and how often we look.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// A consumer that says nothing for so long has nothing to say.
const QUIET: Duration = Duration::from_millis(50);

/// A consumer and how far it is.
pub struct Membership {
    // The first field is dropped first: the departure ends when the consumer has left.
    consumer: BaseConsumer<Callbacks>,
    names: Names,
    inbox: Mutex<Inbox>,
    progress: Mutex<Progress>,
    commit_at: Mutex<Option<Instant>>,
    /// An end was reached since librdkafka was last asked for its positions.
    is_at_end: AtomicBool,
    wake: Arc<Notify>,
    runtime: Handle,
    departure: OnceLock<Departure>,
}

impl Membership {
    /// A membership, or a reader outside any group: that one never has progress.
    pub fn new(mut consumer: BaseConsumer<Callbacks>, names: Names) -> Self {
        let wake = Arc::new(Notify::new());
        let signal = Arc::clone(&wake);
        consumer.set_nonempty_callback(move || signal.notify_one());
        let (inbox, progress, commit_at, is_at_end, departure) = Default::default();
        let runtime = Handle::current();
        Self { consumer, names, inbox, progress, commit_at, is_at_end, wake, runtime, departure }
    }

    /// librdkafka's consumer.
    pub fn consumer(&self) -> &BaseConsumer<Callbacks> {
        &self.consumer
    }

    /// The names on the broker.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// What was polled; whoever holds it is the only one who polls.
    pub fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far the partitions are.
    pub fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what is done, and commits it soon.
    pub fn store(&self, position: &Position) {
        self.progress().store(position);
        self.commit_soon();
    }

    /// Commits what is done after a moment.
    pub fn commit_soon(&self) {
        let mut commit_at = self.commit_at();
        if commit_at.is_none() {
            *commit_at = Some(Instant::now() + COMMIT_DELAY);
            self.wake.notify_one();
        }
    }

    /// Commits what is done if it is time to, without waiting for the answer.
    pub fn commit_if_due(&self) {
        let mut commit_at = self.commit_at();
        if commit_at.is_some_and(|at| at <= Instant::now()) {
            *commit_at = None;
            drop(commit_at);
            if self.is_at_end.swap(false, Ordering::Relaxed) && !self.note_positions(&self.inbox())
            {
                self.is_at_end.store(true, Ordering::Relaxed);
                self.commit_soon();
            }
            let positions = self.progress().take_uncommitted();
            if let Err(error) = self.commit(&positions, CommitMode::Async) {
                tracing::debug!(%error, "positions were not committed, they will be again");
                self.progress().not_committed(&positions);
                self.commit_soon();
            }
        }
    }

    /// Waits until librdkafka or another thread has something, until the next commit is due, or
    /// for `limit`.
    pub async fn something(&self, limit: Duration) {
        let latest = Instant::now() + limit;
        let until = self.commit_at().map_or(latest, |at| at.min(latest));
        // That nothing happened is as good as anything.
        drop(tokio::time::timeout_at(until, self.wake.notified()).await);
    }

    /// Wakes who waits for something.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Takes what librdkafka has, and keeps what `take` does not; `false` when there is nothing.
    pub fn poll(&self, take: &mut Take<'_>) -> bool {
        let mut inbox = self.inbox();
        let (has_something, is_at_end) = inbox.fill(&self.consumer, &self.names, take);
        let mut progress = self.progress();
        inbox.taken_ends().iter().for_each(|position| progress.polled(position));
        inbox.ends().for_each(|position| progress.polled(&position));
        drop(progress);
        if is_at_end {
            self.is_at_end.store(true, Ordering::Relaxed);
            self.commit_soon();
        }
        has_something
    }

    /// Notes how far librdkafka is; nobody may poll meanwhile. It asks another thread and waits for
    /// the answer, so this is not for every record. `false` when it does not say.
    pub fn note_positions(&self, _: &Inbox) -> bool {
        let Ok(list) = self.consumer.position() else { return false };
        let mut progress = self.progress();
        for position in self.names.positions(&list) {
            progress.reached(&position);
        }
        true
    }

    /// librdkafka's positions where everything before them was handed over.
    pub fn reached(&self) -> Vec<Position> {
        // Held, so that nobody polls meanwhile.
        let inbox = self.inbox();
        let Ok(list) = self.consumer.position() else { return Vec::new() };
        let mut positions = self.names.positions(&list);
        positions.retain(|position| inbox.ends().all(|waiting| waiting.at != position.at));
        positions
    }

    /// The revocation of the partitions in `list`: when it is answered, what is stored is
    /// committed, and only then are they let go.
    pub fn revocation(self: &Arc<Self>, list: TopicPartitionList) -> Revocation {
        let membership = Arc::clone(self);
        Revocation::then(move || {
            let runtime = membership.runtime.clone();
            // Committing waits for the broker, and whoever answers must not.
            drop(runtime.spawn_blocking(move || membership.release(&list)));
        })
    }

    fn release(&self, list: &TopicPartitionList) {
        let positions = self.progress().release(&self.names.partitions(list));
        // Before `unassign`: then the group's generation is still ours. Nobody is blocked by it,
        // other than in librdkafka#1605, because it happens outside the callback.
        self.commit_finally(&positions);
        let assigned = self.consumer.context().assigned();
        unassign(&self.consumer, list);
        self.follow_up(assigned);
    }

    /// After a revocation librdkafka wants to assign what is new, if only nothing, before it joins
    /// again. The others must not wait for that until somebody asks this consumer for an event.
    fn follow_up(&self, assigned: u64) {
        let callbacks = self.consumer.context();
        let begun_at = Instant::now();
        // After the limit, the next poll does it, whenever it is.
        while callbacks.assigned() == assigned
            && !callbacks.is_leaving()
            && begun_at.elapsed() < SETTLE_LIMIT
        {
            if self.poll(&mut keep) {
                self.wake();
            }
            // Not by the signal: that is for the one who waits for an event.
            park_timeout(LOOK_AGAIN);
        }
    }

    /// Commits what is done and leaves the group, on a thread that may wait. Unanswered revocations
    /// keep their partitions until they are answered.
    pub fn leave(self: Arc<Self>, departure: Option<Departure>) {
        if let Some(departure) = departure {
            // There is but one consumer that leaves.
            self.departure.set(departure).ok();
        }
        self.consumer.context().leave();
        let runtime = self.runtime.clone();
        drop(runtime.spawn_blocking(move || {
            let positions = self.progress().release_all();
            self.commit_finally(&positions);
            while let Some(news) = self.consumer.context().next() {
                if let News::Revoked(list) = news {
                    unassign(&self.consumer, &list);
                }
            }
        }));
    }

    /// Commits what partitions that go had done, before they go: their next owner starts there.
    ///
    /// While the group rebalances, the broker refuses commits between the moment when all members
    /// have joined and the one when we know the new generation; after that, they are taken again.
    fn commit_finally(&self, positions: &[Position]) {
        let callbacks = self.consumer.context();
        let lost = callbacks.lost();
        let begun_at = Instant::now();
        // What was lost may have another owner, who is farther.
        while callbacks.lost() == lost && !self.consumer.assignment_lost() {
            let Err(error) = self.commit(positions, CommitMode::Sync) else { return };
            if !is_between_generations(&error) || begun_at.elapsed() > SETTLE_LIMIT {
                tracing::warn!(%error, "positions were not committed: their records come again");
                return;
            }
            park_timeout(LOOK_AGAIN);
        }
    }

    fn commit(&self, positions: &[Position], mode: CommitMode) -> KafkaResult<()> {
        if positions.is_empty() {
            return Ok(());
        }
        self.consumer.commit(&self.names.list_of_positions(positions), mode)
    }

    /// Stops or starts fetching. Partitions that are not assigned any more are no error.
    pub fn set_fetching(&self, partitions: &[TopicPartition], is_fetching: bool) {
        let list = self.names.list(partitions);
        let result =
            if is_fetching { self.consumer.resume(&list) } else { self.consumer.pause(&list) };
        if let Err(error) = result {
            tracing::debug!(%error, is_fetching, "cannot pause or resume");
        }
    }

    fn commit_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.commit_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Membership {
    /// Leaves in peace before librdkafka closes the consumer. When it is closed in the middle of a
    /// rebalance, it wants two revocations answered and is gone after the first: the call for the
    /// second then waits for ever (2.12: an operation that reaches a terminated group is dropped
    /// without an answer).
    fn drop(&mut self) {
        if self.departure.get().is_none() {
            return;
        }
        self.consumer.unsubscribe();
        let (callbacks, begun_at) = (self.consumer.context(), Instant::now());
        while begun_at.elapsed() < SETTLE_LIMIT {
            let served = callbacks.served();
            // Records that still come are the next owner's.
            drop(self.consumer.poll(QUIET));
            let is_quiet = callbacks.served() == served;
            if is_quiet && self.consumer.assignment().is_ok_and(|list| list.count() == 0) {
                return;
            }
        }
    }
}

fn is_between_generations(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    matches!(code, Some(Code::RebalanceInProgress | Code::IllegalGeneration))
}
