//! Group commit: whatever waits, records of all partitions and requests alike, shares the next
//! transaction. It does not wait to fill one, so a batch of one is the same code; only after one that
//! several have waited for it takes a breath.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError},
    time::Duration,
};

use events::trace::TraceContext;
use futures::FutureExt as _;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::{
    database::{Chain, REST_AFTER},
    execute::{Batch, ExecuteError, Item, NotDone, Outcome, Request, execute},
    idempotency::IdempotencyKey,
    retry::Backoff,
    service::{Command, Context, Refusal, Service},
    signal::News,
    telemetry::{batch, logged, notes, notes::Notes},
};

/// Jobs that may wait; one more request is told to come back later.
const QUEUE_CAPACITY: usize = 1024;
/// When so many jobs have waited for one transaction, the next is begun a moment later. Services that
/// share too few processors would otherwise all do little at a time, and mostly begin and commit.
const CROWD: usize = 3;
const BREATHER: Duration = Duration::from_millis(10);
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

/// One writer: takes what waits and commits it, until `stop` turns true and nothing waits.
pub async fn write<S: Service>(
    ctx: Arc<Context<S>>,
    queue: Queue<S>,
    mut stop: watch::Receiver<bool>,
) {
    let mut chain = Chain::new(ctx.database.clone());
    while let Some(jobs) = take(&queue, &mut chain, &mut stop).await {
        let is_crowded = jobs.len() >= CROWD;
        Group::new(jobs, &queue.relayed).run(&ctx, &mut chain).await;
        if is_crowded {
            tokio::time::sleep(BREATHER).await;
        }
    }
    let last = Group::new(Vec::new(), &queue.relayed);
    if !last.batch.relayed.is_empty() {
        last.run(&ctx, &mut chain).await;
    }
    chain.rest().await;
}

/// Waits for one job, then takes all that wait, up to the limit. Once the service stops, no more
/// are accepted, and those that wait are the last.
async fn take<S: Service>(
    queue: &Queue<S>,
    chain: &mut Chain,
    stop: &mut watch::Receiver<bool>,
) -> Option<Vec<Job<S>>> {
    let mut queue = queue.jobs.lock().await;
    let first = loop {
        let is_open = chain.is_open();
        tokio::select! {
            first = queue.recv() => break first,
            () = stopped(stop) => {
                queue.close();
                break queue.recv().await;
            }
            () = tokio::time::sleep(REST_AFTER), if is_open => chain.rest().await,
        }
    }?;
    let mut size = first.size();
    let mut jobs = vec![first];
    while size < BATCH_LIMIT {
        let Ok(job) = queue.try_recv() else { break };
        size += job.size();
        jobs.push(job);
    }
    Some(jobs)
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone stops us as well.
    stop.wait_for(|stop| *stop).await.ok();
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

/// Jobs that share a transaction, and who waits for them.
struct Group<S: Service> {
    batch: Batch<S>,
    replies: Vec<Reply<S>>,
    done: Vec<oneshot::Sender<()>>,
}

impl<S: Service> Group<S> {
    fn new(jobs: Vec<Job<S>>, relayed: &Relayed) -> Self {
        let mut group = Self { batch: Batch::default(), replies: vec![], done: vec![] };
        for (positions, done) in relayed.all().drain(..) {
            group.batch.relayed.extend(positions);
            group.done.push(done);
        }
        for job in jobs {
            match job {
                Job::Records(items, done) => {
                    group.batch.items.extend(items);
                    group.done.push(done);
                }
                // Nobody waits for it any more.
                Job::Request(_, reply) if reply.is_closed() => {}
                Job::Request(request, reply) => {
                    group.batch.requests.push(*request);
                    group.replies.push(reply);
                }
                Job::Due(ids, done) => {
                    group.batch.due.extend(ids);
                    group.done.push(done);
                }
                Job::Forget(done) => group.done.push(done),
            }
        }
        group
    }

    async fn run(mut self, ctx: &Context<S>, chain: &mut Chain) {
        let mut backoff = Backoff::default();
        loop {
            match attempt(ctx, chain, &self.batch).await {
                Ok(outcome) => return self.finish(outcome),
                Err(error) if error.is_transient() => {
                    ctx.metrics.retried();
                    self.give_up_requests(&error, backoff.failures());
                    backoff.wait().await;
                }
                Err(error) => {
                    tracing::warn!(service = S::NAME, %error, "a batch failed, handling it one by one");
                    let answers = one_by_one(ctx, chain, self.batch, &self.replies).await;
                    self.batch = Batch::default();
                    send::<S>(self.replies, answers);
                    self.done.into_iter().for_each(tell);
                    return;
                }
            }
        }
    }

    fn finish(self, outcome: Outcome<S>) {
        let Outcome { answers, noted, .. } = outcome;
        for (reply, noted) in self.replies.iter().zip(noted) {
            reply.notes.iter().for_each(|notes| notes.add(noted.clone()));
        }
        send::<S>(self.replies, answers.into_iter().map(from_answer).collect());
        self.done.into_iter().for_each(tell);
    }

    /// Somebody waits for a request: after a few tries they are told instead of kept waiting.
    /// Records wait for as long as it takes.
    fn give_up_requests(&mut self, error: &ExecuteError, failures: u32) {
        const TRIES: u32 = 5;
        if failures == TRIES {
            tracing::warn!(service = S::NAME, %error, "the database or the registry is out of reach");
        }
        if failures >= TRIES {
            self.batch.requests.clear();
            for reply in self.replies.drain(..) {
                // Who no longer waits need not be told.
                drop(reply.answer.send(Err(RequestError::Unavailable(error.to_string()))));
            }
        }
    }
}

fn send<S: Service>(
    replies: Vec<Reply<S>>,
    answers: Vec<Result<S::Reply, RequestError<Refusal<S>>>>,
) {
    for (reply, answer) in replies.into_iter().zip(answers) {
        // A client may have gone; what it asked for is done all the same.
        drop(reply.answer.send(answer));
    }
}

fn tell(done: oneshot::Sender<()>) {
    // Who no longer waits need not be told.
    done.send(()).ok();
}

fn from_answer<R, F>(answer: Result<R, NotDone<F>>) -> Result<R, RequestError<F>> {
    answer.map_err(|not_done| match not_done {
        NotDone::Refused(refusal) => RequestError::Refused(refusal),
        NotDone::KeyReused => RequestError::KeyReused,
    })
}

/// One transaction; a panic in a rule is an error like any other.
async fn attempt<S: Service>(
    ctx: &Context<S>,
    chain: &mut Chain,
    batch: &Batch<S>,
) -> Result<Outcome<S>, ExecuteError> {
    let start = ctx.clock.now();
    let result = try_once(ctx, chain, batch).await;
    match &result {
        Ok(outcome) => batch::committed(ctx, batch, outcome, start),
        Err(error) => batch::failed(ctx, batch, error, start),
    }
    result
}

async fn try_once<S: Service>(
    ctx: &Context<S>,
    chain: &mut Chain,
    batch: &Batch<S>,
) -> Result<Outcome<S>, ExecuteError> {
    let tx = chain.begin().await?;
    let outcome = AssertUnwindSafe(execute(ctx, &tx, batch)).catch_unwind().await;
    let outcome = outcome.unwrap_or_else(|panic| Err(ExecuteError::Panicked(words_of(&*panic))))?;
    chain.commit(tx).await?;
    announce(ctx, &outcome);
    Ok(outcome)
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".into())
}

/// Wakes whoever waits for what was committed.
fn announce<S: Service>(ctx: &Context<S>, outcome: &Outcome<S>) {
    let changed = outcome.changed.iter().cloned();
    let news = News::new(outcome.said > 0, outcome.deadlines_changed, changed);
    ctx.database.signals.committed(news);
}

/// What failed together for good is done piece by piece, so that only the poisonous piece is
/// refused: a record goes to the dead letters, a request is answered with an error.
async fn one_by_one<S: Service>(
    ctx: &Context<S>,
    chain: &mut Chain,
    batch: Batch<S>,
    replies: &[Reply<S>],
) -> Vec<Result<S::Reply, RequestError<Refusal<S>>>> {
    for item in batch.items {
        let record = item.record().clone();
        let alone = Batch { items: vec![item], ..Batch::default() };
        if let Err(error) = persist(ctx, chain, &alone).await {
            logged(record.trace().as_ref(), || {
                tracing::error!(service = S::NAME, place = %record.at, offset = record.offset, %error, "a record goes to the dead letters");
            });
            let poison = Item::Poison(record, error.to_string());
            keep(ctx, chain, &Batch { items: vec![poison], ..Batch::default() }).await;
        }
    }
    for id in batch.due {
        report(persist(ctx, chain, &Batch { due: vec![id], ..Batch::default() }).await);
    }
    report(persist(ctx, chain, &Batch { relayed: batch.relayed, ..Batch::default() }).await);
    let mut answers = Vec::with_capacity(batch.requests.len());
    for (request, reply) in batch.requests.into_iter().zip(replies) {
        if reply.is_closed() {
            answers.push(Err(stopping()));
            continue;
        }
        let trace = request.trace.clone();
        let alone = Batch { requests: vec![request], ..Batch::default() };
        answers.push(match persist(ctx, chain, &alone).await {
            Ok(mut outcome) => outcome.answers.pop().map_or_else(|| Err(stopping()), from_answer),
            Err(error) => {
                logged(Some(&trace), || {
                    tracing::error!(service = S::NAME, %error, "a request failed");
                });
                Err(RequestError::Internal(error.to_string()))
            }
        });
    }
    answers
}

/// Tries until it is done or can never be done.
async fn persist<S: Service>(
    ctx: &Context<S>,
    chain: &mut Chain,
    batch: &Batch<S>,
) -> Result<Outcome<S>, ExecuteError> {
    let mut backoff = Backoff::default();
    loop {
        match attempt(ctx, chain, batch).await {
            Err(error) if error.is_transient() => {
                ctx.metrics.retried();
                backoff.wait().await;
            }
            done => return done,
        }
    }
}

/// Tries until the dead letter is kept, whatever is in the way: its record's offset is stored
/// next, and nothing is lost in silence (I9).
async fn keep<S: Service>(ctx: &Context<S>, chain: &mut Chain, letter: &Batch<S>) {
    let mut backoff = Backoff::default();
    while let Err(error) = persist(ctx, chain, letter).await {
        tracing::error!(service = S::NAME, %error, "a dead letter could not be kept, trying again");
        backoff.wait().await;
    }
}

fn report<S: Service>(result: Result<Outcome<S>, ExecuteError>) {
    if let Err(error) = result {
        tracing::error!(service = S::NAME, %error, "could not be done");
    }
}
