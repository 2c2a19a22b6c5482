//! Looks for new dead letters, of all services, and has the staff told. They are not heard as
//! events are: a dead letter has its original's headers, and is just what could not be decoded.

use std::{sync::Arc, time::Duration};

use events::{topics::SERVICES, trace::TraceContext};
use messaging::{
    dead_letters::{self, DeadLetters},
    executor::Executor,
    log::EventLog,
    record::Record,
    service::Context,
};
use tokio::sync::watch;

use crate::{
    app::Notifications,
    domain::{Action, Command, DeadLetter},
    store::query,
};

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Dead letters told at once.
const LIMIT: usize = 100;

/// Tells the staff of dead letters.
#[derive(Clone)]
pub struct Letters {
    ctx: Arc<Context<Notifications>>,
    executor: Executor<Notifications>,
    log: Arc<dyn EventLog>,
}

impl Letters {
    /// Ready to look.
    pub fn new(
        ctx: Arc<Context<Notifications>>,
        executor: Executor<Notifications>,
        log: Arc<dyn EventLog>,
    ) -> Self {
        Self { ctx, executor, log }
    }

    /// Looks now and then, until the service stops. Replicas all look; each letter is told once.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            for service in SERVICES {
                if let Err(reason) = self.look(service).await {
                    tracing::warn!(service, reason, "dead letters are told later");
                }
            }
            tokio::time::timeout(LOOK_EVERY, stop.changed()).await.ok();
        }
    }

    /// Has the new dead letters of `service` told, and says how many there were.
    ///
    /// # Errors
    /// What was out of reach.
    pub async fn look(&self, service: &str) -> Result<usize, String> {
        let Some(letters) = DeadLetters::of(service, self.log.clone()) else { return Ok(0) };
        let told = query::letters(self.ctx.database.reader(), service).await;
        let next = told.map_err(|error| error.to_string())?.next;
        let new = letters.list(next, LIMIT).await.map_err(|error| error.to_string())?;
        for record in &new {
            self.tell(service, record).await?;
        }
        Ok(new.len())
    }

    async fn tell(&self, service: &str, record: &Record) -> Result<(), String> {
        let letter = dead_letters::DeadLetter::from(record);
        let parent = record.header("traceparent");
        let trace = parent.and_then(|p| TraceContext::parse(p, record.header("tracestate")));
        let trace = trace.unwrap_or_else(|| TraceContext::root(self.ctx.clock.new_id()));
        let action = Action::HearLetter(DeadLetter {
            service: service.to_owned(),
            id: letter.id,
            event: letter.r#type.unwrap_or_else(|| "an event".to_owned()),
            reason: letter.reason,
        });
        let policy = self.ctx.service.policy.clone();
        let command = Command { now: self.ctx.clock.now(), policy, action };
        let told = self.executor.request(command, None, trace).await;
        told.map(drop).map_err(|error| error.to_string())
    }
}
