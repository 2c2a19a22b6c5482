//! The one transaction in which everything happens (I2): load, decide and evolve; inbox, save, project
//! and outbox as one write. However many records and requests share it.

mod answered;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use events::{CodecError, topics, trace::TraceContext};
use kernel::{Decider, Timestamp};

use self::answered::Answered;
use crate::{
    database::{Reading, StoreError},
    dead_letters, deadlines,
    idempotency::IdempotencyKey,
    inbox, outbox,
    outbox::Outgoing,
    record::{NewRecord, Record},
    service::{
        Aggregate, Cause, Command, Context, Ended, Heard, LastEvent, Refusal, Said, Service, State,
        Store, Voice,
    },
    telemetry::{Span, batch, logged, notes::Noted},
    writes::Writes,
};

/// Everything one transaction is to do, in this order.
pub struct Batch<S: Service> {
    /// Records from the log.
    pub items: Vec<Item<S>>,
    /// Requests from outside.
    pub requests: Vec<Request<S>>,
    /// Aggregates whose deadline has come.
    pub due: Vec<String>,
    /// Outbox rows that the log has acknowledged.
    pub relayed: Vec<i64>,
    /// What is done about records and requests that were handled before.
    pub repeats: Repeats,
}

impl<S: Service> Default for Batch<S> {
    fn default() -> Self {
        let repeats = Repeats::LookedFor;
        Self { items: vec![], requests: vec![], due: vec![], relayed: vec![], repeats }
    }
}

/// Records heard before and keys used up are rare, and to look for them is one or two round trips to
/// the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// They are left out, and answered as before.
    LookedFor,
    /// There should be none: one is a conflict, when everything is written.
    Unexpected,
}

/// One record and what it came to.
pub enum Item<S: Service> {
    /// An event, and what is to be done about it, if anything.
    Heard(Box<Heard>, Option<Command<S>>),
    /// A record that can never be handled, with the reason.
    Poison(Arc<Record>, String),
}

impl<S: Service> Item<S> {
    /// What the inbox knows it by: the event's id, or the mark of what went to the dead letters.
    fn inbox_id(&self) -> String {
        match self {
            Self::Heard(heard, _) => heard.envelope.id.to_string(),
            Self::Poison(record, _) => dead_letters::mark(record),
        }
    }

    /// Whether nobody waits for what comes of it.
    pub fn can_wait(&self) -> bool {
        matches!(self, Self::Heard(heard, _) if S::can_wait(&heard.event))
    }

    /// The record.
    pub fn record(&self) -> &Arc<Record> {
        match self {
            Self::Heard(heard, _) => &heard.record,
            Self::Poison(record, _) => record,
        }
    }
}

/// A request from outside.
pub struct Request<S: Service> {
    /// What is asked.
    pub command: Command<S>,
    /// The key under which the answer is kept, if the call has one.
    pub idempotency: Option<IdempotencyKey>,
    /// The trace of the request.
    pub trace: TraceContext,
}

/// How a request ended.
pub type Answer<S> = Result<<S as Service>::Reply, NotDone<Refusal<S>>>;

/// Why a request was not done.
#[derive(Clone, Debug)]
pub enum NotDone<R> {
    /// The rules refuse it.
    Refused(R),
    /// The idempotency key was used for another request.
    KeyReused,
}

/// What a transaction will have done once it is committed.
pub struct Outcome<S: Service> {
    /// An answer for each request, in their order.
    pub answers: Vec<Answer<S>>,
    /// The aggregates that changed.
    pub changed: Vec<String>,
    /// How many events were said.
    pub said: usize,
    /// How many of the records had been heard before.
    pub duplicates: usize,
    /// What is to be expected of the next batch.
    pub repeats: Repeats,
    /// Where those stand that had been heard before; for their spans, if any are made.
    pub repeated: Vec<String>,
    /// How many of the records went to the dead letters.
    pub dead_letters: usize,
    /// The earliest deadline that was set.
    pub deadline: Option<Timestamp>,
    /// For each request, what its span is to be told.
    pub noted: Vec<Noted>,
    /// The spans of what was said, to be ended with the commit.
    pub created: Vec<Span>,
    /// The sagas that ended.
    pub ended: Vec<(Ended, TraceContext)>,
}

/// Why a transaction failed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// In the database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An event could not be written.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A reply could not be kept.
    #[error("a stored reply cannot be read or written: {0}")]
    Reply(#[from] serde_json::Error),
    /// A rule panicked.
    #[error("handling panicked: {0}")]
    Panicked(String),
}

impl ExecuteError {
    /// Whether the same batch may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Codec(error) => error.is_transient(),
            Self::Reply(_) | Self::Panicked(_) => false,
        }
    }

    /// Whether another transaction was first, or this one's work had been done before.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(StoreError::Conflict(_)))
    }

    /// What went wrong, in one of few words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Store(StoreError::Conflict(_)) => "conflict",
            Self::Store(StoreError::Database(_) | StoreError::Sqlite(_)) => "database",
            Self::Store(StoreError::Corrupt { .. }) => "corrupt",
            Self::Codec(_) => "codec",
            Self::Reply(_) => "reply",
            Self::Panicked(_) => "panic",
        }
    }
}

impl From<sea_orm::DbErr> for ExecuteError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}

/// Does all of `batch`, reading through `tx`; the caller commits what it writes.
///
/// # Errors
/// When anything failed; nothing may be committed then.
pub async fn execute<S: Service>(
    ctx: &Context<S>,
    tx: &Reading<'_>,
    batch: &Batch<S>,
) -> Result<(Outcome<S>, Writes), ExecuteError> {
    let now = ctx.clock.now();
    let fresh = unheard(tx, batch).await?;
    let (poison, heard) = split(&fresh);
    let expired: Vec<_> = batch.due.iter().filter_map(|id| ctx.service.expire(id, now)).collect();
    let mut answered = Answered::load(tx, batch).await?;
    let is_new = fresh.len() == batch.items.len() && answered.is_empty();
    let repeats = match batch.repeats {
        before if batch.items.is_empty() && batch.requests.is_empty() => before,
        _ if is_new => Repeats::Unexpected,
        _ => Repeats::LookedFor,
    };
    let todo = answered.todo(&batch.requests);

    let commands = heard.iter().filter_map(|(_, command)| *command);
    let commands: Vec<_> =
        commands.chain(todo.iter().map(|request| &request.command)).chain(&expired).collect();
    let mut work = Work::load(ctx, tx, &commands).await?;
    for (heard, command) in &heard {
        if let Some(command) = command {
            work.handle_heard(heard, command);
        }
    }
    for command in &expired {
        work.handle_expired(command);
    }
    let (answers, noted) = answered.answer(tx, &mut work, &batch.requests).await?;

    let changed = work.changed();
    let deadline = work.deadlines.values().flatten().min().copied();
    let ended = std::mem::take(&mut work.ended);
    let mut writes = Writes::default();
    inbox::mark(S::NAME, fresh.iter().map(|item| item.inbox_id()), now, &mut writes);
    let said = work.save(&mut writes, &batch.due)?;
    let notes: Vec<_> = heard.iter().map(|(heard, _)| *heard).collect();
    ctx.service.project(&notes, &said, &mut writes);
    answered.save(now, &mut writes);
    let mut outgoing = encode(ctx, &said)?;
    outgoing.extend(
        poison.iter().map(|(record, reason)| dead_letters::outgoing(S::NAME, record, reason, now)),
    );
    outbox::append(outgoing, now, &mut writes);
    outbox::remove(batch.relayed.clone(), &mut writes);
    let outcome = Outcome {
        answers,
        changed,
        said: said.len() + poison.len(),
        duplicates: batch.items.len() - fresh.len(),
        repeats,
        repeated: if ctx.tracer.is_on() { repeated(&batch.items, &fresh) } else { vec![] },
        dead_letters: poison.len(),
        deadline,
        noted,
        created: batch::creations(&ctx.tracer, &said, now),
        ended,
    };
    Ok((outcome, writes))
}

/// [`execute`]s `batch` in a transaction of its own and commits it. The executor does the same with
/// one that is begun already.
///
/// # Errors
/// When anything failed; nothing is committed then.
pub async fn transact<S: Service>(
    ctx: &Context<S>,
    batch: &Batch<S>,
) -> Result<Outcome<S>, ExecuteError> {
    let tx = ctx.database.begin().await?;
    let (outcome, writes) = execute(ctx, &tx.reads(), batch).await?;
    tx.commit(writes).await?;
    Ok(outcome)
}

/// The places of those items that are not `fresh`.
fn repeated<S: Service>(items: &[Item<S>], fresh: &[&Item<S>]) -> Vec<String> {
    if items.len() == fresh.len() {
        return Vec::new();
    }
    let fresh: HashSet<_> = fresh.iter().map(|item| dead_letters::place(item.record())).collect();
    let places = items.iter().map(|item| dead_letters::place(item.record()));
    places.filter(|place| !fresh.contains(place)).collect()
}

/// The items that were not heard before, each once.
async fn unheard<'b, S: Service>(
    tx: &Reading<'_>,
    batch: &'b Batch<S>,
) -> Result<Vec<&'b Item<S>>, ExecuteError> {
    let mut heard = match batch.repeats {
        Repeats::LookedFor => {
            inbox::heard(tx, S::NAME, batch.items.iter().map(Item::inbox_id).collect()).await?
        }
        Repeats::Unexpected => HashSet::with_capacity(batch.items.len()),
    };
    Ok(batch.items.iter().filter(|item| heard.insert(item.inbox_id())).collect())
}

type Poison<'b> = Vec<(&'b Arc<Record>, &'b str)>;
type ToHandle<'b, S> = Vec<(&'b Heard, Option<&'b Command<S>>)>;

fn split<'b, S: Service>(items: &[&'b Item<S>]) -> (Poison<'b>, ToHandle<'b, S>) {
    let (mut poison, mut heard) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::Heard(event, command) => heard.push((&**event, command.as_ref())),
            Item::Poison(record, reason) => poison.push((record, reason.as_str())),
        }
    }
    (poison, heard)
}

fn encode<S: Service>(ctx: &Context<S>, said: &[Said]) -> Result<Vec<Outgoing>, CodecError> {
    let outgoing = said.iter().map(|Said { envelope, event, .. }| {
        Ok(Outgoing {
            id: envelope.id.to_string(),
            kind: envelope.kind.clone(),
            record: NewRecord {
                topic: event.topic().name.to_owned(),
                key: event.key().to_owned().into(),
                value: Some(ctx.codec.encode(event)?),
                headers: envelope.to_headers(),
            },
        })
    });
    outgoing.collect()
}

/// The decisions of one transaction.
struct Work<'a, S: Service> {
    service: &'a S,
    store: S::Store,
    voice: Voice<'a>,
    changed: Vec<String>,
    deadlines: HashMap<String, Option<Timestamp>>,
    fallback: &'a dyn kernel::Clock,
    /// What the span of the request at hand is to be told.
    noted: Noted,
    ended: Vec<(Ended, TraceContext)>,
}

impl<'a, S: Service> Work<'a, S> {
    async fn load(
        ctx: &'a Context<S>,
        tx: &Reading<'_>,
        commands: &[&Command<S>],
    ) -> Result<Self, ExecuteError> {
        Ok(Self {
            service: &ctx.service,
            store: S::Store::load(tx, commands).await?,
            voice: Voice::new(&*ctx.clock, S::NAME),
            changed: Vec::new(),
            deadlines: HashMap::new(),
            fallback: &*ctx.clock,
            noted: Noted::default(),
            ended: Vec::new(),
        })
    }

    /// An event's effects continue its trace. A refusal means that it changes nothing.
    fn handle_heard(&mut self, heard: &Heard, command: &Command<S>) {
        let span = heard.span.as_ref().map(|span| &span.context);
        let trace = span.or(heard.envelope.trace.as_ref()).cloned();
        let trace = trace.unwrap_or_else(|| self.new_trace());
        let cause = Cause { event_id: Some(heard.envelope.id), trace: trace.clone() };
        if let Err(refusal) = self.decide(command, |_| cause, |_, _| ()) {
            let kind = &heard.envelope.kind;
            logged(Some(&trace), || tracing::debug!(event = kind, %refusal, "changes nothing"));
        }
    }

    fn handle_expired(&mut self, command: &Command<S>) {
        let trace = self.new_trace();
        if let Err(refusal) = self.decide(command, |last| later(last, trace), |_, _| ()) {
            tracing::debug!(%refusal, "deadline changes nothing");
        }
    }

    fn handle_request(&mut self, request: &Request<S>) -> Answer<S> {
        let mut continued = None;
        let cause = |last: Option<&LastEvent>| {
            continued = last.map(|last| last.trace.clone());
            later(last, request.trace.clone())
        };
        let said = self.voice.said.len();
        let answer = self.decide(&request.command, cause, S::reply).map_err(NotDone::Refused);
        let said = &self.voice.said[said..];
        let of_an_order = said.iter().find(|said| topics::SAGA.contains(&said.event.topic()));
        self.noted = Noted {
            links: continued.into_iter().collect(),
            order_id: of_an_order.map(|said| said.event.key().to_owned()),
        };
        answer
    }

    /// One decision: what happened is evolved into the state and said.
    fn decide<R>(
        &mut self,
        command: &Command<S>,
        cause: impl FnOnce(Option<&LastEvent>) -> Cause,
        reply: impl FnOnce(&S, &Aggregate<State<S>>) -> R,
    ) -> Result<R, Refusal<S>> {
        let mut aggregate = self.store.take(command);
        let cause = cause(aggregate.last.as_ref());
        let decision = S::Rules::decide(&aggregate.state, command.clone());
        let result = decision.map(|happened| {
            self.apply(&mut aggregate, &happened, &cause);
            reply(self.service, &aggregate)
        });
        self.store.put(aggregate, &cause);
        result
    }

    fn apply(
        &mut self,
        aggregate: &mut Aggregate<State<S>>,
        happened: &[<S::Rules as Decider>::Event],
        cause: &Cause,
    ) {
        if happened.is_empty() {
            return;
        }
        let waited_until = self.service.deadline(&aggregate.state);
        for event in happened {
            aggregate.state = S::Rules::evolve(std::mem::take(&mut aggregate.state), event);
            let ended = self.service.ended(&aggregate.state, event);
            self.ended.extend(ended.map(|ended| (ended, cause.trace.clone())));
            if let Some(event) = self.service.say(&aggregate.state, event, self.voice.now()) {
                aggregate.last = Some(self.voice.say(event, &aggregate.id, cause));
            }
        }
        let waits_until = self.service.deadline(&aggregate.state);
        if waits_until != waited_until {
            self.deadlines.insert(aggregate.id.clone(), waits_until);
        }
        aggregate.version += i64::try_from(happened.len()).unwrap_or(i64::MAX);
        self.changed.push(aggregate.id.clone());
    }

    fn changed(&self) -> Vec<String> {
        self.changed.clone()
    }

    fn save(self, writes: &mut Writes, due: &[String]) -> Result<Vec<Said>, StoreError> {
        let Self { store, mut voice, mut deadlines, .. } = self;
        store.save(writes, &mut voice)?;
        // What was due has been looked at: unless it waits anew, it is over.
        for id in due {
            deadlines.entry(id.clone()).or_insert(None);
        }
        deadlines::change(deadlines.into_iter().collect(), writes);
        Ok(voice.said)
    }

    fn new_trace(&self) -> TraceContext {
        // Nobody records the span that it would begin with.
        TraceContext::root(self.fallback.new_id()).with_sampled(false)
    }
}

/// What a request or a deadline causes refers to the aggregate's latest event and continues its
/// trace; the first request begins one.
fn later(last: Option<&LastEvent>, trace: TraceContext) -> Cause {
    match last {
        Some(last) => Cause { event_id: Some(last.id), trace: last.trace.clone() },
        None => Cause { event_id: None, trace },
    }
}
