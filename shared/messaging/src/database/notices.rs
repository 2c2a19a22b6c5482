//! Signals between replicas, by PostgreSQL's LISTEN and NOTIFY.
//!
//! Not in the transaction that caused them: a transaction that notifies takes a lock that all
//! others of the server wait for when they commit. So a replica tells what it has committed
//! afterwards, many commits at once; one that dies in between leaves the others to look for
//! themselves, which the relay does every second and a stream with each heartbeat.
//!
//! Telling costs the server as much as a small transaction, so a replica that is alone tells nobody. Each
//! says every [`HELLO`] that it is there; one that hears of another for the first time has it look at
//! everything, and tells it what it commits from then on.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use kernel::Timestamp;
use sea_orm::{
    DatabaseConnection,
    sqlx::{self, PgPool, postgres::PgListener},
};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    retry::Backoff,
    signal::{AT_ANY_TIME, Away, News, Signals},
};

const CHANNEL: &str = "shop";
/// How often a replica says that it is there.
const HELLO: Duration = Duration::from_secs(5);
/// Whoever says nothing for so long is gone.
const GONE_AFTER: Duration = Duration::from_secs(16);
/// PostgreSQL takes less than 8,000 bytes.
const PAYLOAD_LIMIT: usize = 7_900;
/// What a payload holds beside the aggregates that changed is less than this.
const FRAME: usize = 200;

/// What one replica tells the others.
#[derive(Deserialize, Serialize)]
struct Notice {
    /// Who tells, so as not to hear itself.
    from: Uuid,
    outbox: bool,
    deadlines: bool,
    /// The earliest of them, in microseconds since 1970; of a replica that does not say, it may be any.
    #[serde(default)]
    deadline: Option<i64>,
    changed: Option<Vec<String>>,
}

impl Notice {
    /// As many payloads as it takes to name what has changed.
    fn payloads(from: Uuid, news: News) -> Vec<String> {
        let News { outbox, deadline, changed } = news;
        let (deadlines, deadline) = (deadline.is_some(), deadline.map(|deadline| deadline.0));
        let parts = match changed {
            Some(ids) => parts(ids).into_iter().map(Some).collect(),
            None => vec![None],
        };
        let notice = |changed| Self { from, outbox, deadlines, deadline, changed };
        // Text in a struct of ours always becomes JSON.
        let text = |changed| serde_json::to_string(&notice(changed)).unwrap_or_default();
        parts.into_iter().map(text).collect()
    }

    fn news(self) -> News {
        let changed = self.changed.map(|ids| ids.into_iter().collect());
        let deadline = self.deadline.map(Timestamp).or(self.deadlines.then_some(AT_ANY_TIME));
        News { outbox: self.outbox, deadline, changed }
    }
}

/// The ids in lists that fit into a payload each; there is at least one list.
fn parts(ids: impl IntoIterator<Item = String>) -> Vec<Vec<String>> {
    let (mut parts, mut size) = (vec![Vec::new()], 0);
    for id in ids {
        // As JSON has it: quoted, escaped, and behind a comma.
        let more = serde_json::to_string(&id).map_or(0, |text| text.len()) + 1;
        if size + more > PAYLOAD_LIMIT - FRAME && size > 0 {
            parts.push(Vec::new());
            size = 0;
        }
        size += more;
        parts.last_mut().expect("there is one").push(id);
    }
    parts
}

/// When another replica was heard of, or may have said something unheard.
struct Others(Mutex<Instant>);

impl Others {
    /// Nobody was heard yet: there may be some.
    fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// One was heard, or could not have been; returns whether nobody was told before.
    fn heard(&self) -> bool {
        let mut heard_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = mem::replace(&mut *heard_at, Instant::now());
        before.elapsed() >= GONE_AFTER
    }

    fn are_there(&self) -> bool {
        let heard_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard_at.elapsed() < GONE_AFTER
    }
}

/// One replica's ear and mouth.
#[derive(Clone)]
struct Notices {
    pool: PgPool,
    me: Uuid,
    signals: Signals,
    away: Arc<Away>,
    others: Arc<Others>,
}

/// Carries signals to and from the other replicas until it is dropped.
pub fn carry(pool: &DatabaseConnection, signals: &Signals, away: Arc<Away>) -> Arc<JoinSet<()>> {
    let notices = Notices {
        pool: pool.get_postgres_connection_pool().clone(),
        // Not an id of anything, only of this pool.
        me: Uuid::from_u128(rand::random()),
        signals: signals.clone(),
        away,
        others: Arc::new(Others::new()),
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(notices.clone().tell());
    tasks.spawn(notices.listen());
    Arc::new(tasks)
}

impl Notices {
    async fn tell(self) {
        let mut backoff = Backoff::default();
        let mut hello = tokio::time::interval(HELLO);
        loop {
            let news = tokio::select! {
                news = self.away.take() => if self.others.are_there() { news } else { continue },
                _ = hello.tick() => News::nothing(),
            };
            match self.notify(news).await {
                Ok(()) => backoff.reset(),
                // The others look for themselves; commits fail as well, and say why.
                Err(error) => {
                    tracing::debug!(%error, "the other replicas were not told");
                    backoff.wait().await;
                }
            }
        }
    }

    async fn notify(&self, news: News) -> Result<(), sqlx::Error> {
        let payloads = Notice::payloads(self.me, news);
        let notify = sqlx::query("SELECT pg_notify($1, payload) FROM unnest($2) AS payload");
        notify.bind(CHANNEL).bind(&payloads).execute(&self.pool).await.map(drop)
    }

    async fn listen(self) {
        let mut backoff = Backoff::default();
        loop {
            if let Err(error) = self.hear(&mut backoff).await {
                self.others.heard();
                tracing::debug!(%error, "cannot hear the other replicas");
                backoff.wait().await;
            }
        }
    }

    async fn hear(&self, backoff: &mut Backoff) -> Result<(), sqlx::Error> {
        self.others.heard();
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen(CHANNEL).await?;
        backoff.reset();
        // Others answer, if there are any, and tell what they commit from then on.
        self.notify(News::nothing()).await?;
        loop {
            // What was said while nobody listened is lost.
            self.signals.heard(News::anything());
            // At least itself is heard, unless the connection is dead.
            let deaf = |_| sqlx::Error::PoolTimedOut;
            while let Some(notification) =
                tokio::time::timeout(GONE_AFTER, listener.try_recv()).await.map_err(deaf)??
            {
                self.heard(notification.payload());
            }
        }
    }

    fn heard(&self, payload: &str) {
        let news = match serde_json::from_str::<Notice>(payload) {
            Ok(notice) if notice.from == self.me => return,
            Ok(notice) => notice.news(),
            // Of another version: it may mean anything.
            Err(_) => News::anything(),
        };
        if self.others.heard() {
            self.away.add(&News::anything());
        }
        self.signals.heard(news);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_arrives_as_it_was_sent() {
        let news = News::new(true, Some(Timestamp(7)), ["a\"b".to_owned(), "ü".repeat(100)]);
        assert_eq!(arrived(news.clone()), [news]);
        assert_eq!(arrived(News::anything()), [News::anything()]);
    }

    #[test]
    fn what_is_too_long_for_one_payload_arrives_in_several() {
        let ids = (0..400).map(|id| format!("{id}{}", "\"ü".repeat(90)));
        let news = News::new(false, Some(AT_ANY_TIME), ids);
        let all = arrived(news.clone());
        assert!(all.len() > 1 && all.iter().all(|one| one.deadline.is_some() && !one.outbox));
        let changed = all.into_iter().flat_map(|one| one.changed.unwrap()).collect();
        assert_eq!(Some(changed), news.changed);
    }

    fn arrived(news: News) -> Vec<News> {
        let payloads = Notice::payloads(Uuid::nil(), news);
        let arrive = |payload: String| {
            assert!(payload.len() <= PAYLOAD_LIMIT);
            serde_json::from_str::<Notice>(&payload).unwrap().news()
        };
        payloads.into_iter().map(arrive).collect()
    }
}
