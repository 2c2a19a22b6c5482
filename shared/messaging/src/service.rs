//! What a service brings, and what messaging does with it: a service hears events, decides, saves
//! and says new ones; everything around that is here, once for all of them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use events::{Codec, Envelope, Event, topics::Topic, trace::TraceContext};
use futures::future::BoxFuture;
use kernel::{Clock, Decider, Timestamp};
use sea_orm::{DatabaseConnection, DatabaseExecutor, DbErr};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    database::{Database, Reading, StoreError},
    executor::Executor,
    log::{AT_ONCE, EventLog},
    metrics::{InFlight, ServiceMetrics},
    record::Record,
    telemetry::{Tracer, batch::Processing},
    writes::Writes,
};

/// The command type of a service.
pub type Command<S> = <<S as Service>::Rules as Decider>::Command;
/// The state type of a service.
pub type State<S> = <<S as Service>::Rules as Decider>::State;
/// Why a service refuses a command.
pub type Refusal<S> = <<S as Service>::Rules as Decider>::Error;

/// One service, as messaging sees it.
#[async_trait]
pub trait Service: Sized + Send + Sync + 'static {
    /// The service's name, its consumer group's and its database's.
    const NAME: &'static str;
    /// How long the log may gather records before it tells of them. Who has patience waits for no event.
    const PATIENCE: Duration = AT_ONCE;
    /// Its rules.
    type Rules: Decider<
            State: Send + Sync,
            Command: Clone + Send + Sync,
            Event: Send,
            Error: Clone + Send + std::fmt::Display,
        >;
    /// The aggregates one transaction works on.
    type Store: Store<Rules = Self::Rules>;
    /// What a request is answered with; kept under its idempotency key.
    type Reply: Clone + Serialize + DeserializeOwned + Send;

    /// The topics it hears.
    fn topics(&self) -> Vec<&'static Topic>;

    /// What an event means to it. Pure; the time and the new id a command may need are in `stamp`.
    ///
    /// # Errors
    /// When the event can never mean anything: it goes to the dead letters.
    fn hear(&self, heard: &Heard, stamp: Stamp) -> Result<Hearing<Command<Self>>, Unusable>;

    /// Whether nobody waits for what comes of this event: it may share a transaction with something
    /// that comes a moment later. Pure.
    fn can_wait(_event: &Event) -> bool {
        Self::PATIENCE > AT_ONCE
    }

    /// What the others are told of what happened. Pure; `None` when it is nobody else's business.
    fn say(
        &self,
        state: &State<Self>,
        happened: &<Self::Rules as Decider>::Event,
        now: Timestamp,
    ) -> Option<Event>;

    /// Until when an aggregate in this state waits, if it does. Pure.
    fn deadline(&self, _state: &State<Self>) -> Option<Timestamp> {
        None
    }

    /// What is to be done with an aggregate whose deadline has come. Its effect, or the state it
    /// leaves alone, must have no deadline or a later one.
    fn expire(&self, _aggregate_id: &str, _now: Timestamp) -> Option<Command<Self>> {
        None
    }

    /// The answer to a request, after its command.
    fn reply(&self, aggregate: &Aggregate<State<Self>>) -> Self::Reply;

    /// Writes what is derived from events heard and said (a timeline, a replica of another
    /// service's data), in the same transaction. A repeat must change nothing.
    fn project(&self, _heard: &[&Heard], _said: &[Said], _writes: &mut Writes) {}

    /// Deletes what is past its retention, at most about `limit` rows; asked now and then, in a
    /// transaction of its own, in which SQLite commits each statement by itself. Returns whether there may be more: then it is asked again at once.
    ///
    /// # Errors
    /// When the database refuses.
    async fn forget(
        &self,
        _db: &DatabaseExecutor<'_>,
        _now: Timestamp,
        _limit: u64,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// What else runs while the service does, such as a sender of what its transactions have put
    /// down. What it does to aggregates goes through the executor.
    fn errands(
        _ctx: &Arc<Context<Self>>,
        _executor: &Executor<Self>,
        _log: &Arc<dyn EventLog>,
    ) -> Vec<Errand> {
        Vec::new()
    }

    /// How a saga of this service ended, or a stage of it, when `happened` is that end. Pure; for
    /// the histogram of durations.
    fn ended(
        &self,
        _state: &State<Self>,
        _happened: &<Self::Rules as Decider>::Event,
    ) -> Option<Ended> {
        None
    }

    /// The sagas of this service that wait, asked for at a scrape; `None` when it has none.
    ///
    /// # Errors
    /// When the database refuses.
    async fn in_flight(&self, _db: &DatabaseConnection) -> Result<Option<InFlight>, DbErr> {
        Ok(None)
    }
}

/// A loop of a service's own, beside those that every service has.
pub struct Errand {
    /// What it is called in the log.
    pub name: &'static str,
    /// Begins it: at the start, and whenever it has ended or panicked while the service runs. It
    /// ends when it is told that the service stops, or is ended where it is some seconds later.
    pub begin: Box<dyn Fn(watch::Receiver<bool>) -> BoxFuture<'static, ()> + Send>,
}

/// The end of a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Such as `confirmed`; one of few.
    pub outcome: &'static str,
    /// When it began.
    pub began: Timestamp,
}

/// The aggregates that one transaction works on: loaded together, saved together.
#[async_trait]
pub trait Store: Sized + Send {
    /// Whose aggregates.
    type Rules: Decider;

    /// Loads all that `commands` act on, in one statement a table.
    ///
    /// # Errors
    /// When the database refuses.
    async fn load(
        reads: &Reading<'_>,
        commands: &[&<Self::Rules as Decider>::Command],
    ) -> Result<Self, StoreError>;

    /// Hands out what `command` acts on; it comes back by [`Store::put`].
    fn take(
        &mut self,
        command: &<Self::Rules as Decider>::Command,
    ) -> Aggregate<<Self::Rules as Decider>::State>;

    /// Takes an aggregate back after a decision that had this cause.
    fn put(&mut self, aggregate: Aggregate<<Self::Rules as Decider>::State>, cause: &Cause);

    /// Writes what changed, and may say more (state that is published once a transaction rather
    /// than once a decision).
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a state cannot be written as a row.
    fn save(self, writes: &mut Writes, voice: &mut Voice<'_>) -> Result<(), StoreError>;
}

/// A state with what every aggregate has.
#[derive(Clone, Debug, Default)]
pub struct Aggregate<S> {
    /// The id its events have as subject.
    pub id: String,
    /// What the rules know.
    pub state: S,
    /// How many events made it what it is; 0 is "never heard of it".
    pub version: i64,
    /// The version it was loaded with: what the row must still have when it is saved.
    pub loaded_version: i64,
    /// The latest event it said; what a request or a deadline causes refers to it.
    pub last: Option<LastEvent>,
}

impl<S> Aggregate<S> {
    /// Whether it has to be saved.
    pub fn is_changed(&self) -> bool {
        self.version != self.loaded_version
    }
}

/// The latest event of an aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastEvent {
    /// Its id.
    pub id: Uuid,
    /// The trace that later requests and deadlines continue.
    pub trace: TraceContext,
}

/// An event that was heard.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The record, whole, for the dead letters.
    pub record: Arc<Record>,
    /// Its headers.
    pub envelope: Envelope,
    /// Its content.
    pub event: Event,
    /// When it was taken up.
    pub received: Timestamp,
    /// The span of its processing, if its trace is recorded.
    pub span: Option<Processing>,
}

/// What an event means to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hearing<C> {
    /// Nothing.
    Ignore,
    /// It is only noted, by [`Service::project`].
    Note,
    /// Something is to be done.
    Do(C),
}

/// An event that can never be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

/// The time, and an id for what a command may bring into being.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// Now.
    pub now: Timestamp,
    /// Not used before.
    pub new_id: Uuid,
}

/// What a decision was caused by.
#[derive(Clone, Debug)]
pub struct Cause {
    /// The event, unless it was the first request.
    pub event_id: Option<Uuid>,
    /// The trace it belongs to.
    pub trace: TraceContext,
}

/// An event that was said in this transaction.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its headers.
    pub envelope: Envelope,
    /// Its content.
    pub event: Event,
    /// The span that caused it.
    pub parent: TraceContext,
}

/// Puts envelopes around what a service says, and collects it.
pub struct Voice<'a> {
    clock: &'a dyn Clock,
    service: &'static str,
    /// What was said so far, in order.
    pub said: Vec<Said>,
}

impl<'a> Voice<'a> {
    /// The voice of `service`.
    pub fn new(clock: &'a dyn Clock, service: &'static str) -> Self {
        Self { clock, service, said: Vec::new() }
    }

    /// The time it is.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Says `event` of the aggregate `subject`.
    pub fn say(&mut self, event: Event, subject: &str, cause: &Cause) -> LastEvent {
        let id = self.clock.new_id();
        let trace = cause.trace.child(id);
        let envelope = Envelope {
            id,
            service: self.service.to_owned(),
            kind: event.name().to_owned(),
            time: self.clock.now(),
            subject: subject.to_owned(),
            correlation_id: subject.to_owned(),
            causation_id: cause.event_id,
            trace: Some(trace.clone()),
        };
        self.said.push(Said { envelope, event, parent: cause.trace.clone() });
        LastEvent { id, trace }
    }
}

/// All that a service's work needs: its rules, its database, the codec and the clock.
pub struct Context<S> {
    /// The service.
    pub service: S,
    /// Its database.
    pub database: Database,
    /// How its events are written and read.
    pub codec: Arc<Codec>,
    /// Where time and ids come from.
    pub clock: Arc<dyn Clock>,
    /// What its spans go through.
    pub tracer: Tracer,
    /// Its numbers.
    pub metrics: ServiceMetrics,
}

impl<S: Service> Context<S> {
    /// The time and a new id.
    pub fn stamp(&self) -> Stamp {
        Stamp { now: self.clock.now(), new_id: self.clock.new_id() }
    }
}
