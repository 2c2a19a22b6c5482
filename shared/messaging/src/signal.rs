//! What a commit wakes: the relay, the deadlines, and whoever watches an aggregate; here, and by
//! way of the database on the other replicas.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, broadcast};

/// How many changes a slow watcher may fall behind before it re-reads everything.
const WATCH_CAPACITY: usize = 1024;
/// How many changed aggregates the other replicas are told by name.
const NAMED_LIMIT: usize = 500;

/// The signals of one database. Cheap to clone.
#[derive(Clone)]
pub struct Signals {
    /// Rows were added to the outbox.
    pub outbox: Arc<Notify>,
    /// Deadlines were set or the clock was moved.
    pub deadlines: Arc<Notify>,
    changes: broadcast::Sender<Changed>,
    away: Option<Arc<Away>>,
}

/// What may look different now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The aggregate with this id.
    One(String),
    /// Any: news were lost.
    Any,
}

/// What commits did, to be told to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Rows were added to the outbox.
    pub outbox: bool,
    /// Deadlines were set or cleared.
    pub deadlines: bool,
    /// The aggregates that changed; `None` when they are too many to name.
    pub changed: Option<BTreeSet<String>>,
}

impl News {
    /// News of a commit.
    pub fn new(outbox: bool, deadlines: bool, changed: impl IntoIterator<Item = String>) -> Self {
        Self { outbox, deadlines, changed: Some(changed.into_iter().collect()) }
    }

    /// Whatever there may be: after a time without news.
    pub fn anything() -> Self {
        Self { outbox: true, deadlines: true, changed: None }
    }

    fn is_empty(&self) -> bool {
        !self.outbox && !self.deadlines && self.changed.as_ref().is_some_and(BTreeSet::is_empty)
    }

    fn add(&mut self, other: &Self) {
        self.outbox |= other.outbox;
        self.deadlines |= other.deadlines;
        self.changed = match (self.changed.take(), &other.changed) {
            (Some(mut all), Some(more)) if all.len() + more.len() <= NAMED_LIMIT => {
                all.extend(more.iter().cloned());
                Some(all)
            }
            _ => None,
        };
    }
}

/// News on their way to the other replicas. However many commits there are meanwhile, what waits
/// is one message, so that telling is never what a commit waits for.
#[derive(Default)]
pub struct Away {
    waiting: Mutex<Option<News>>,
    woken: Notify,
}

impl Away {
    fn add(&self, news: &News) {
        let mut waiting = self.waiting();
        match &mut *waiting {
            Some(all) => all.add(news),
            None => *waiting = Some(news.clone()),
        }
        drop(waiting);
        self.woken.notify_one();
    }

    /// Waits for news and takes them.
    pub async fn take(&self) -> News {
        loop {
            let taken = self.waiting().take();
            match taken {
                Some(news) => return news,
                None => self.woken.notified().await,
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Option<News>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            outbox: Arc::default(),
            deadlines: Arc::default(),
            changes: broadcast::Sender::new(WATCH_CAPACITY),
            away: None,
        }
    }
}

impl Signals {
    /// Signals that other replicas are told of as well, by whoever empties the second value.
    pub fn shared() -> (Self, Arc<Away>) {
        let away = Arc::<Away>::default();
        (Self { away: Some(away.clone()), ..Self::default() }, away)
    }

    /// Watches for changed aggregates. A receiver that lagged has to re-read what it watches.
    pub fn watch(&self) -> broadcast::Receiver<Changed> {
        self.changes.subscribe()
    }

    /// Tells everybody what was committed here.
    pub fn committed(&self, news: News) {
        if news.is_empty() {
            return;
        }
        if let Some(away) = &self.away {
            away.add(&news);
        }
        self.heard(news);
    }

    /// Wakes those who wait in this process.
    pub fn heard(&self, news: News) {
        if news.outbox {
            self.outbox.notify_one();
        }
        if news.deadlines {
            self.deadlines.notify_one();
        }
        if self.changes.receiver_count() == 0 {
            return;
        }
        let changed = match news.changed {
            Some(ids) => ids.into_iter().map(Changed::One).collect(),
            None => vec![Changed::Any],
        };
        for one in changed {
            // The last watcher may have gone meanwhile: then nobody waits.
            drop(self.changes.send(one));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(ids: std::ops::Range<usize>) -> News {
        News::new(true, false, ids.map(|id| id.to_string()))
    }

    #[tokio::test]
    async fn what_waits_to_be_told_is_one_message() {
        let (signals, away) = Signals::shared();
        signals.committed(news(0..2));
        signals.committed(News::new(false, true, ["1".to_owned()]));
        let all = away.take().await;
        assert_eq!(all, News { outbox: true, deadlines: true, changed: news(0..2).changed });
    }

    #[tokio::test]
    async fn too_many_to_name_are_any() {
        let (signals, away) = Signals::shared();
        let mut watcher = signals.watch();
        signals.committed(news(0..NAMED_LIMIT));
        signals.committed(news(NAMED_LIMIT..NAMED_LIMIT + 1));
        assert_eq!(away.take().await.changed, None);
        assert_eq!(watcher.recv().await.unwrap(), Changed::One("0".into()), "here all are named");
        signals.heard(News::anything());
        let mut last = watcher.recv().await.unwrap();
        while let Ok(next) = watcher.try_recv() {
            last = next;
        }
        assert_eq!(last, Changed::Any);
    }

    #[tokio::test]
    async fn a_commit_that_changed_nothing_is_no_news() {
        let (signals, away) = Signals::shared();
        signals.committed(News::new(false, false, []));
        signals.committed(news(0..1));
        assert_eq!(away.take().await, news(0..1));
    }
}
