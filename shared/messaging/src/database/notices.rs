//! Signals between replicas, by PostgreSQL's LISTEN and NOTIFY.
//!
//! Not in the transaction that caused them: a transaction that notifies takes a lock that all
//! others of the server wait for when they commit. So a replica tells what it has committed
//! afterwards, many commits at once; one that dies in between leaves the others to look for
//! themselves, which the relay does every second and a stream with each heartbeat.

use std::sync::Arc;

use sea_orm::{
    DatabaseConnection,
    sqlx::{self, PgPool, postgres::PgListener},
};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    retry::Backoff,
    signal::{Away, News, Signals},
};

const CHANNEL: &str = "shop";
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
    changed: Option<Vec<String>>,
}

impl Notice {
    /// As many payloads as it takes to name what has changed.
    fn payloads(from: Uuid, news: News) -> Vec<String> {
        let News { outbox, deadlines, changed } = news;
        let parts = match changed {
            Some(ids) => parts(ids).into_iter().map(Some).collect(),
            None => vec![None],
        };
        let notice = |changed| Self { from, outbox, deadlines, changed };
        // Text in a struct of ours always becomes JSON.
        let text = |changed| serde_json::to_string(&notice(changed)).unwrap_or_default();
        parts.into_iter().map(text).collect()
    }

    fn news(self) -> News {
        let changed = self.changed.map(|ids| ids.into_iter().collect());
        News { outbox: self.outbox, deadlines: self.deadlines, changed }
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

/// Carries signals to and from the other replicas until it is dropped.
pub fn carry(pool: &DatabaseConnection, signals: &Signals, away: Arc<Away>) -> Arc<JoinSet<()>> {
    // Not an id of anything, only of this pool.
    let me = Uuid::from_u128(rand::random());
    let pool = pool.get_postgres_connection_pool();
    let mut tasks = JoinSet::new();
    tasks.spawn(tell(pool.clone(), me, away));
    tasks.spawn(listen(pool.clone(), me, signals.clone()));
    Arc::new(tasks)
}

async fn tell(pool: PgPool, me: Uuid, away: Arc<Away>) {
    let mut backoff = Backoff::default();
    loop {
        let payloads = Notice::payloads(me, away.take().await);
        let notify = sqlx::query("SELECT pg_notify($1, payload) FROM unnest($2) AS payload");
        let notify = notify.bind(CHANNEL).bind(&payloads);
        match notify.execute(&pool).await {
            Ok(_) => backoff.reset(),
            // The others look for themselves; commits fail as well, and say why.
            Err(error) => {
                tracing::debug!(%error, "the other replicas were not told");
                backoff.wait().await;
            }
        }
    }
}

async fn listen(pool: PgPool, me: Uuid, signals: Signals) {
    let mut backoff = Backoff::default();
    loop {
        if let Err(error) = hear(&pool, me, &signals, &mut backoff).await {
            tracing::debug!(%error, "cannot hear the other replicas");
            backoff.wait().await;
        }
    }
}

async fn hear(
    pool: &PgPool,
    me: Uuid,
    signals: &Signals,
    backoff: &mut Backoff,
) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    backoff.reset();
    loop {
        // What was said while nobody listened is lost.
        signals.heard(News::anything());
        while let Some(notification) = listener.try_recv().await? {
            match serde_json::from_str::<Notice>(notification.payload()) {
                Ok(notice) if notice.from == me => {}
                Ok(notice) => signals.heard(notice.news()),
                // Of another version: it may mean anything.
                Err(_) => signals.heard(News::anything()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_arrives_as_it_was_sent() {
        let news = News::new(true, false, ["a\"b".to_owned(), "ü".repeat(100)]);
        assert_eq!(arrived(news.clone()), [news]);
        assert_eq!(arrived(News::anything()), [News::anything()]);
    }

    #[test]
    fn what_is_too_long_for_one_payload_arrives_in_several() {
        let ids = (0..400).map(|id| format!("{id}{}", "\"ü".repeat(90)));
        let news = News::new(false, true, ids);
        let all = arrived(news.clone());
        assert!(all.len() > 1 && all.iter().all(|one| one.deadlines && !one.outbox));
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
