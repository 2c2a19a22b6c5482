//! One service as the simulation drives it: its own pipeline, rules, store and relay, without the
//! actors around them. A service's type is known only to whoever asks it something.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use anyhow::{Result, anyhow};
use async_trait::async_trait;
use kernel::Timestamp;
use messaging::{
    app::App,
    database::Database,
    deadline_loop,
    execute::{Answer, Batch, ExecuteError, NotDone, Outcome, Repeats, Request, execute},
    idempotency::IdempotencyKey,
    pipeline,
    record::Record,
    relay::{self, RelayError},
    service::{Command, Service},
    telemetry::{Span, batch, observed::Observed},
};
use opentelemetry::trace::SpanKind;
use serde_json::Value;
use testkit::FaultyProducer;

/// What one transaction of a service is to do.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// Records from the log, in this order.
    pub records: Vec<Arc<Record>>,
    /// How many of the requests that wait.
    pub requests: usize,
    /// The aggregates whose deadline has come.
    pub due: Vec<String>,
    /// Outbox rows that the log has acknowledged.
    pub relayed: Vec<i64>,
}

/// How a request ended: the reply, or why there is none.
pub type Reply = Result<Value, String>;

/// Names one request.
pub type Ticket = u64;

/// What a transaction has done, or would have done.
#[derive(Debug, Default)]
pub struct Done {
    /// The requests' ends.
    pub replies: Vec<(Ticket, Reply)>,
    /// How many events were said.
    pub said: usize,
    /// How many of the records had been heard before.
    pub duplicates: usize,
}

/// A service, whatever its type.
#[async_trait(?Send)]
pub trait Node {
    /// Its name, and its group's.
    fn name(&self) -> &'static str;

    /// The topics it hears.
    fn topics(&self) -> Vec<&'static str>;

    /// Its database.
    fn database(&self) -> &Database;

    /// How many requests wait.
    fn waiting(&self) -> usize;

    /// Does `work` in one transaction, which ends in a commit or, like a crash, in nothing.
    async fn transact(&self, work: &Work, commit: bool) -> Result<Done>;

    /// The aggregates whose deadline has come.
    async fn due(&self) -> Result<Vec<String>>;

    /// Appends what the outbox holds, but for `sent`.
    async fn relay(&self, to: &FaultyProducer, sent: &[i64]) -> Result<Vec<i64>, RelayError>;

    /// Remembers that these requests were answered.
    fn answer(&self, replies: Vec<(Ticket, Reply)>);

    /// The process dies: whoever waits for an answer gets none.
    fn crash(&self);
}

/// A request that waits.
struct Asked<S: Service> {
    ticket: Ticket,
    command: Command<S>,
    key: Option<IdempotencyKey>,
}

/// Whether a request was answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// It waits.
    Waits,
    /// The service died first: nobody knows whether it was done.
    Lost,
    /// It was.
    Answered(Reply),
}

/// A service and the requests that wait for it.
pub struct Member<S: Service> {
    /// The service.
    pub app: App<S>,
    asked: RefCell<VecDeque<Asked<S>>>,
    answered: RefCell<BTreeMap<Ticket, Reply>>,
    tickets: Cell<Ticket>,
}

impl<S: Service> Member<S> {
    /// A service that was asked nothing yet.
    pub fn new(app: App<S>) -> Self {
        Self { app, asked: RefCell::default(), answered: RefCell::default(), tickets: Cell::new(0) }
    }

    /// Asks for something; `key` names the request so that a repeat is known as one.
    pub fn ask(&self, command: Command<S>, key: Option<&str>) -> Ticket {
        let ticket = self.tickets.get() + 1;
        self.tickets.set(ticket);
        let key = key
            .map(|key| IdempotencyKey { key: key.to_owned(), request_hash: format!("hash {key}") });
        self.asked.borrow_mut().push_back(Asked { ticket, command, key });
        ticket
    }

    /// How a request goes on.
    pub fn progress(&self, ticket: Ticket) -> Progress {
        if let Some(reply) = self.answered.borrow().get(&ticket) {
            return Progress::Answered(reply.clone());
        }
        let waits = self.asked.borrow().iter().any(|asked| asked.ticket == ticket);
        if waits { Progress::Waits } else { Progress::Lost }
    }

    /// Forgets all requests and answers.
    pub fn clear(&self) {
        self.asked.borrow_mut().clear();
        self.answered.borrow_mut().clear();
        self.tickets.set(0);
    }

    async fn batch(&self, work: &Work) -> Result<(Batch<S>, Vec<Ticket>)> {
        let ctx = &self.app.ctx;
        let mut batch =
            Batch { due: work.due.clone(), relayed: work.relayed.clone(), ..Batch::default() };
        for record in &work.records {
            batch.items.extend(pipeline::prepare_one(ctx, record).await?);
        }
        let asked = self.asked.borrow();
        let asked: Vec<_> = asked.iter().take(work.requests).collect();
        batch.requests = asked.iter().map(|asked| self.request(asked)).collect();
        Ok((batch, asked.iter().map(|asked| asked.ticket).collect()))
    }

    fn request(&self, asked: &Asked<S>) -> Request<S> {
        Request {
            command: asked.command.clone(),
            idempotency: asked.key.clone(),
            trace: self.app.ctx.tracer.root(self.app.ctx.clock.new_id()),
        }
    }

    /// The spans that the listener would make of requests.
    fn answered(&self, batch: &Batch<S>, outcome: &Outcome<S>, start: Timestamp) {
        let ctx = &self.app.ctx;
        for (request, noted) in batch.requests.iter().zip(&outcome.noted) {
            if ctx.tracer.records(&request.trace) {
                let trace = request.trace.clone();
                let mut span = Span::new("request", SpanKind::Server, trace, None, start);
                span.links = noted.links.clone();
                ctx.tracer.end(span, ctx.clock.now());
            }
        }
    }

    async fn attempt(&self, batch: &Batch<S>, commit: bool) -> Result<Outcome<S>, ExecuteError> {
        let tx = self.app.ctx.database.begin().await?;
        let (outcome, writes) = execute(&self.app.ctx, &tx.reads(), batch).await?;
        if commit {
            tx.commit(writes).await?;
        }
        Ok(outcome)
    }
}

#[async_trait(?Send)]
impl<S: Service> Node for Member<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn topics(&self) -> Vec<&'static str> {
        self.app.ctx.service.topics().iter().map(|topic| topic.name).collect()
    }

    fn database(&self) -> &Database {
        &self.app.ctx.database
    }

    fn waiting(&self) -> usize {
        self.asked.borrow().len()
    }

    async fn transact(&self, work: &Work, commit: bool) -> Result<Done> {
        let (batch, tickets) = self.batch(work).await?;
        let Batch { items, requests, due, relayed, .. } = &batch;
        if items.is_empty() && requests.is_empty() && due.is_empty() && relayed.is_empty() {
            // Records that mean nothing to this service need no transaction.
            return Ok(Done::default());
        }
        let (ctx, start) = (&self.app.ctx, self.app.ctx.clock.now());
        // As the executor's writer does it; a crash meets no conflict.
        let repeats = if commit { Repeats::Unexpected } else { Repeats::LookedFor };
        let mut batch = Batch { repeats, ..batch };
        let mut outcome = self.attempt(&batch, commit).await;
        if outcome.as_ref().is_err_and(ExecuteError::is_conflict) {
            batch.repeats = Repeats::LookedFor;
            outcome = self.attempt(&batch, commit).await;
        }
        let outcome = outcome.map_err(|error| anyhow!("{}: {error}", S::NAME))?;
        if commit {
            batch::committed(ctx, &batch, &outcome, start);
            self.answered(&batch, &outcome, start);
        }
        let replies = outcome.answers.into_iter().map(reply::<S>);
        Ok(Done {
            replies: tickets.into_iter().zip(replies).collect(),
            said: outcome.said,
            duplicates: outcome.duplicates,
        })
    }

    async fn due(&self) -> Result<Vec<String>> {
        Ok(deadline_loop::due_now(&self.app.ctx).await?)
    }

    async fn relay(&self, to: &FaultyProducer, sent: &[i64]) -> Result<Vec<i64>, RelayError> {
        let producer = Observed::new(to, &self.app.ctx);
        let reads = self.database().reads();
        let Some((positions, receipt)) = relay::relay_once(&reads, &producer, sent).await? else {
            return Ok(Vec::new());
        };
        receipt.await?;
        Ok(positions)
    }

    fn answer(&self, replies: Vec<(Ticket, Reply)>) {
        let is_answered =
            |asked: &Asked<S>| replies.iter().any(|(ticket, _)| *ticket == asked.ticket);
        self.asked.borrow_mut().retain(|asked| !is_answered(asked));
        self.answered.borrow_mut().extend(replies);
    }

    fn crash(&self) {
        self.asked.borrow_mut().clear();
    }
}

fn reply<S: Service>(answer: Answer<S>) -> Reply {
    match answer {
        Ok(reply) => serde_json::to_value(reply).map_err(|error| error.to_string()),
        Err(NotDone::Refused(refusal)) => Err(refusal.to_string()),
        Err(NotDone::KeyReused) => Err("the key was used for another request".into()),
    }
}
