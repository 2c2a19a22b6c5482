//! Group commit: whatever waits, records of all partitions and requests alike, shares the next
//! transaction. It does not wait to fill one, so a batch of one is the same code; only after one that
//! several have waited for it takes a breath, and what nobody waits for lingers until something else comes.

mod group;
mod writer;

use std::{
    sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError},
    time::Duration,
};

use events::trace::TraceContext;
use tokio::sync::{Mutex, mpsc, oneshot};

pub use self::writer::write;
use crate::{
    execute::{Item, Request},
    idempotency::IdempotencyKey,
    service::{Command, Refusal, Service},
    telemetry::{notes, notes::Notes},
};

/// Jobs that may wait; one more request is told to come back later.
const QUEUE_CAPACITY: usize = 1024;
/// Records, requests and deadlines in one transaction.
const BATCH_LIMIT: usize = 512;
/// How long a request waits for its answer: a batch before it may be retried for as long as the
/// database or the registry is away.
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);
/// When a request that found the service overloaded may come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Gives work to a service's transactions. Cheap to clone.
pub struct Executor<S: Service> {
    queue: mpsc::Sender<Job<S>>,
    relayed: Arc<Relayed>,
    load: Arc<Load>,
}

impl<S: Service> Clone for Executor<S> {
    fn clone(&self) -> Self {
        let (queue, relayed) = (self.queue.clone(), self.relayed.clone());
        Self { queue, relayed, load: self.load.clone() }
    }
}

/// Outbox rows to be forgotten with the next transaction, whatever it is for: one of their own
/// would cost as much as the next event's.
#[derive(Default)]
struct Relayed(StdMutex<Vec<Forgettable>>);

/// The positions of outbox rows, and who is told that they are gone.
type Forgettable = (Vec<i64>, oneshot::Sender<()>);

impl Relayed {
    fn all(&self) -> MutexGuard<'_, Vec<Forgettable>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much waits behind the transactions, told by the relay.
#[derive(Default)]
pub struct Load {
    overloaded: std::sync::atomic::AtomicBool,
}

impl Load {
    /// Says whether the outbox is past its limit.
    pub fn set_overloaded(&self, overloaded: bool) {
        self.overloaded.store(overloaded, std::sync::atomic::Ordering::Relaxed);
    }

    fn is_overloaded(&self) -> bool {
        self.overloaded.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// Why a request got no reply.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RequestError<R> {
    /// The rules refuse it.
    #[error("{0}")]
    Refused(R),
    /// The idempotency key was used for another request.
    #[error("the Idempotency-Key was used for another request")]
    KeyReused,
    /// Too much waits already.
    #[error("too much waits already, try again later")]
    Overloaded(Duration),
    /// The database or the registry is out of reach; nothing was done.
    #[error("{0}")]
    Unavailable(String),
    /// A bug; it is logged.
    #[error("{0}")]
    Internal(String),
}

/// What waits for a transaction.
enum Job<S: Service> {
    Records(Vec<Item<S>>, oneshot::Sender<()>),
    Request(Box<Request<S>>, Reply<S>),
    Due(Vec<String>, oneshot::Sender<()>),
    /// Whatever was relayed is to be forgotten now.
    Forget(oneshot::Sender<()>),
}

impl<S: Service> Job<S> {
    /// Whether nobody waits for it.
    fn can_wait(&self) -> bool {
        matches!(self, Self::Records(items, _) if items.iter().all(Item::can_wait))
    }

    fn size(&self) -> usize {
        match self {
            Self::Records(items, _) => items.len(),
            Self::Due(ids, _) => ids.len(),
            Self::Request(..) => 1,
            Self::Forget(_) => 0,
        }
    }
}

/// The other end of an [`Executor`]: what its transactions take from.
pub struct Queue<S: Service> {
    jobs: Arc<Mutex<mpsc::Receiver<Job<S>>>>,
    relayed: Arc<Relayed>,
}

impl<S: Service> Clone for Queue<S> {
    fn clone(&self) -> Self {
        Self { jobs: self.jobs.clone(), relayed: self.relayed.clone() }
    }
}

impl<S: Service> Executor<S> {
    /// An executor and the queue that [`write()`] works off.
    pub fn new() -> (Self, Queue<S>) {
        let (queue, jobs) = mpsc::channel(QUEUE_CAPACITY);
        let relayed = Arc::<Relayed>::default();
        let jobs = Queue { jobs: Arc::new(Mutex::new(jobs)), relayed: relayed.clone() };
        (Self { queue, relayed, load: Arc::default() }, jobs)
    }

    /// How many jobs wait for a transaction.
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// What tells requests to come back later.
    pub fn load(&self) -> &Arc<Load> {
        &self.load
    }

    /// Handles records in order; returns once they are committed. Transient trouble is retried
    /// for ever. `false` when the service is stopping: nothing was done.
    pub async fn records(&self, items: Vec<Item<S>>) -> bool {
        self.job(|done| Job::Records(items, done)).await
    }

    /// Fires deadlines; returns once they are committed, or `false` when the service is stopping.
    pub async fn due(&self, ids: Vec<String>) -> bool {
        self.job(|done| Job::Due(ids, done)).await
    }

    /// Forgets outbox rows with the next transaction; the receiver is told when it is committed,
    /// or that it will not be.
    pub fn relayed(&self, positions: Vec<i64>) -> oneshot::Receiver<()> {
        let (done, receiver) = oneshot::channel();
        self.relayed.all().push((positions, done));
        receiver
    }

    /// A transaction for what was relayed, unless another has taken it along.
    pub async fn forget(&self) {
        if !self.relayed.all().is_empty() {
            self.job(Job::Forget).await;
        }
    }

    /// Does what a request asks for and returns its reply once it is committed.
    ///
    /// # Errors
    /// When it is refused, or cannot be done now; nothing has happened then. Only what was just
    /// being committed when the patience ended may be done all the same: a repeat finds out.
    pub async fn request(
        &self,
        command: Command<S>,
        idempotency: Option<IdempotencyKey>,
        trace: TraceContext,
    ) -> Result<S::Reply, RequestError<Refusal<S>>> {
        if self.load.is_overloaded() {
            return Err(RequestError::Overloaded(RETRY_AFTER));
        }
        let (answer, receiver) = oneshot::channel();
        let request = Box::new(Request { command, idempotency, trace });
        let reply = Reply { answer, notes: notes::current() };
        self.queue.try_send(Job::Request(request, reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => RequestError::Overloaded(RETRY_AFTER),
            mpsc::error::TrySendError::Closed(_) => stopping(),
        })?;
        match tokio::time::timeout(REQUEST_PATIENCE, receiver).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(stopping())),
            Err(_) => Err(RequestError::Overloaded(RETRY_AFTER)),
        }
    }

    async fn job(&self, job: impl FnOnce(oneshot::Sender<()>) -> Job<S>) -> bool {
        let (done, receiver) = oneshot::channel();
        self.queue.send(job(done)).await.is_ok() && receiver.await.is_ok()
    }
}

fn stopping<R>() -> RequestError<R> {
    RequestError::Unavailable("the service is stopping".into())
}

/// Who waits for a request.
struct Reply<S: Service> {
    answer: oneshot::Sender<Result<S::Reply, RequestError<Refusal<S>>>>,
    notes: Option<Arc<Notes>>,
}

impl<S: Service> Reply<S> {
    /// Whether nobody waits any more.
    fn is_closed(&self) -> bool {
        self.answer.is_closed()
    }
}
