//! What is looked at when somebody asks instead of counted as it happens: depths, ages and lags.

use kernel::Timestamp;
use sea_orm::DbErr;

use super::{
    ActorLabels, LeaderLabels, PartitionLabels, PoolLabels, ServiceMetrics, UnmeasuredLabels,
};
use crate::{app::App, database::Duty, log::LogError, outbox, record::Position, service::Service};

/// Rows that are counted at most; so many are past every limit.
const COUNT_LIMIT: u64 = 1_000_000;

/// Sagas that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// How many.
    pub count: u64,
    /// When the oldest began.
    pub oldest: Option<Timestamp>,
}

/// Looks at what is not counted as it happens. What cannot be looked at keeps its last value, and
/// that is counted.
pub async fn sample<S: Service>(app: &App<S>) {
    let metrics = &app.ctx.metrics;
    if let Err(error) = outbox(app).await {
        metrics.unmeasured("outbox", &error);
    }
    if let Err(error) = lag(app).await {
        metrics.unmeasured("lag", &error);
    }
    if let Err(error) = sagas(app).await {
        metrics.unmeasured("sagas", &error);
    }
    metrics.connections(&app.ctx.database.pools());
    let executor = ActorLabels { service: S::NAME, actor: "executor" };
    metrics.all().mailboxes.get_or_create(&executor).set(number(app.executor.waiting() as u64));
    for duty in Duty::ALL {
        let labels = LeaderLabels { service: S::NAME, duty: duty.name() };
        let leads = app.ctx.database.duties.has(duty);
        metrics.all().leader.get_or_create(&labels).set(i64::from(leads));
    }
}

async fn outbox<S: Service>(app: &App<S>) -> Result<(), DbErr> {
    let db = app.ctx.database.reader();
    let depth = outbox::depth(db, COUNT_LIMIT).await?;
    let oldest = outbox::oldest(db).await?;
    let (all, label) = (app.ctx.metrics.all(), app.ctx.metrics.label());
    all.outbox_depth.get_or_create(&label).set(number(depth));
    all.outbox_oldest_seconds.get_or_create(&label).set(age_s(app, oldest));
    Ok(())
}

async fn sagas<S: Service>(app: &App<S>) -> Result<(), DbErr> {
    let ctx = &app.ctx;
    let Some(found) = ctx.service.in_flight(ctx.database.reader()).await? else { return Ok(()) };
    let (all, label) = (ctx.metrics.all(), ctx.metrics.label());
    all.sagas.get_or_create(&label).set(number(found.count));
    all.saga_oldest_seconds.get_or_create(&label).set(age_s(app, found.oldest));
    Ok(())
}

/// The end of each partition less what the group has committed of it.
async fn lag<S: Service>(app: &App<S>) -> Result<(), LogError> {
    let topics: Vec<_> = app.ctx.service.topics().iter().map(|topic| topic.name).collect();
    let ends = app.log.end_positions(&topics).await?;
    let committed = app.log.committed(S::NAME, &topics).await?;
    let firsts = app.log.first_positions(&topics).await?;
    let find = |positions: &[Position], end: &Position| {
        positions.iter().find(|position| position.at == end.at).map(|position| position.offset)
    };
    for end in ends {
        let first = find(&firsts, &end).unwrap_or(0);
        // Without a commit, the group stands at the beginning.
        let position = find(&committed, &end).unwrap_or(first).max(first);
        let labels = PartitionLabels {
            service: S::NAME,
            topic: end.at.topic.to_string(),
            partition: end.at.partition,
        };
        let lag = number(end.offset.saturating_sub(position));
        app.ctx.metrics.all().lag.get_or_create(&labels).set(lag);
    }
    Ok(())
}

/// How long ago; 0 for never.
fn age_s<S: Service>(app: &App<S>, since: Option<Timestamp>) -> f64 {
    since.map_or(0.0, |since| app.ctx.clock.now().since(since).as_secs_f64())
}

impl ServiceMetrics {
    fn unmeasured(&self, what: &'static str, error: &dyn std::fmt::Display) {
        tracing::debug!(service = self.service, what, %error, "cannot be measured");
        let labels = UnmeasuredLabels { service: self.service, what };
        self.all().unmeasured.get_or_create(&labels).inc();
    }

    fn connections(&self, pools: &[(&'static str, u32, usize)]) {
        for (pool, size, idle) in pools {
            let set = |state, count: u64| {
                let labels = PoolLabels { service: self.service, pool, state };
                self.all().connections.get_or_create(&labels).set(number(count));
            };
            let idle = *idle as u64;
            set("idle", idle);
            set("used", u64::from(*size).saturating_sub(idle));
        }
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
