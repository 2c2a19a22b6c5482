//! What a commit wakes: the relay, the deadlines, and whoever watches an aggregate; here, and by
//! way of the database on the other replicas.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kernel::Timestamp;
use tokio::sync::{Notify, watch};

/// How many changed aggregates the other replicas are told by name, however much there is to tell:
/// beyond it, everybody who watches anything looks.
const NAMED_LIMIT: usize = 10_000;

/// A deadline that may be any.
pub const AT_ANY_TIME: Timestamp = Timestamp(i64::MIN);

/// The signals of one database. Cheap to clone.
#[derive(Clone, Default)]
pub struct Signals {
    /// Rows were added to the outbox.
    pub outbox: Arc<Notify>,
    /// Deadlines were set that are earlier than the next one known, or the clock was moved.
    pub deadlines: Arc<Notify>,
    /// The next one known.
    next_deadline: Arc<Mutex<Option<Timestamp>>>,
    /// Some aggregate was changed, for those who look for work in all of them.
    pub changes: watch::Sender<()>,
    watched: Arc<Watched>,
    away: Option<Arc<Away>>,
}

/// The aggregates that somebody watches: a change wakes who watches it, and nobody else.
#[derive(Default)]
struct Watched(Mutex<HashMap<String, watch::Sender<()>>>);

impl Watched {
    fn all(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches one aggregate.
pub struct Watcher {
    id: String,
    /// `None` only while it is being dropped.
    changes: Option<watch::Receiver<()>>,
    watched: Arc<Watched>,
}

impl Watcher {
    /// Waits until the aggregate has changed, or may have, since it was asked last.
    pub async fn changed(&mut self) {
        if let Some(changes) = &mut self.changes {
            // The sender stays as long as somebody watches.
            changes.changed().await.ok();
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut all = self.watched.all();
        drop(self.changes.take());
        if all.get(&self.id).is_some_and(|changes| changes.receiver_count() == 0) {
            all.remove(&self.id);
        }
    }
}

/// What commits did, to be told to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Rows were added to the outbox.
    pub outbox: bool,
    /// The earliest deadline that was set.
    pub deadline: Option<Timestamp>,
    /// The aggregates that changed; `None` when they are too many to name.
    pub changed: Option<BTreeSet<String>>,
}

impl News {
    /// News of a commit.
    pub fn new(
        outbox: bool,
        deadline: Option<Timestamp>,
        changed: impl IntoIterator<Item = String>,
    ) -> Self {
        Self { outbox, deadline, changed: Some(changed.into_iter().collect()) }
    }

    /// Nothing but that somebody is there.
    pub fn nothing() -> Self {
        Self::new(false, None, [])
    }

    /// Whatever there may be: after a time without news.
    pub fn anything() -> Self {
        Self { outbox: true, deadline: Some(AT_ANY_TIME), changed: None }
    }

    fn is_empty(&self) -> bool {
        !self.outbox
            && self.deadline.is_none()
            && self.changed.as_ref().is_some_and(BTreeSet::is_empty)
    }

    fn add(&mut self, other: &Self) {
        self.outbox |= other.outbox;
        self.deadline = self.deadline.into_iter().chain(other.deadline).min();
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
    /// Adds to what waits.
    pub fn add(&self, news: &News) {
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

impl Signals {
    /// Signals that other replicas are told of as well, by whoever empties the second value.
    pub fn shared() -> (Self, Arc<Away>) {
        let away = Arc::<Away>::default();
        (Self { away: Some(away.clone()), ..Self::default() }, away)
    }

    /// Watches an aggregate from now on.
    pub fn watch(&self, id: String) -> Watcher {
        let mut all = self.watched.all();
        let changes = all.entry(id.clone()).or_insert_with(|| watch::Sender::new(())).subscribe();
        drop(all);
        Watcher { id, changes: Some(changes), watched: self.watched.clone() }
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

    /// The next deadline is known, or not any more: whoever looks for it says so before as well as after, so that he
    /// hears of all that are set meanwhile.
    pub fn set_next_deadline(&self, next: Option<Timestamp>) {
        *self.next_deadline() = next;
    }

    fn next_deadline(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.next_deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those who wait in this process.
    pub fn heard(&self, news: News) {
        if news.outbox {
            self.outbox.notify_one();
        }
        let next = *self.next_deadline();
        if news.deadline.is_some_and(|set| next.is_none_or(|next| set < next)) {
            self.deadlines.notify_one();
        }
        if news.changed.as_ref().is_none_or(|changed| !changed.is_empty()) {
            self.changes.send_replace(());
        }
        let watched = self.watched.all();
        match news.changed {
            Some(ids) => {
                ids.iter().filter_map(|id| watched.get(id)).for_each(|one| one.send_replace(()));
            }
            None => watched.values().for_each(|one| one.send_replace(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn news(ids: std::ops::Range<usize>) -> News {
        News::new(true, None, ids.map(|id| id.to_string()))
    }

    #[tokio::test]
    async fn what_waits_to_be_told_is_one_message() {
        let (signals, away) = Signals::shared();
        signals.committed(news(0..2));
        for deadline in [3, 2, 4] {
            signals.committed(News::new(false, Some(Timestamp(deadline)), ["1".to_owned()]));
        }
        let all = away.take().await;
        let deadline = Some(Timestamp(2));
        assert_eq!(all, News { outbox: true, deadline, changed: news(0..2).changed });
    }

    #[tokio::test]
    async fn too_many_to_name_are_any() {
        let (signals, away) = Signals::shared();
        signals.committed(news(0..NAMED_LIMIT));
        signals.committed(news(NAMED_LIMIT..NAMED_LIMIT + 1));
        assert_eq!(away.take().await.changed, None);
    }

    #[tokio::test]
    async fn a_change_wakes_who_watches_it_and_nobody_else() {
        let signals = Signals::default();
        let [mut one, mut same, mut other] = ["1", "1", "2"].map(|id| signals.watch(id.to_owned()));
        signals.committed(news(1..2));
        one.changed().await;
        same.changed().await;
        assert!(other.changed().now_or_never().is_none());
        assert!(one.changed().now_or_never().is_none(), "once");
        signals.heard(News::anything());
        one.changed().await;
        other.changed().await;
    }

    #[tokio::test]
    async fn only_a_deadline_before_the_next_one_known_is_told() {
        let signals = Signals::default();
        let is_told_of = |deadline| {
            signals.committed(News::new(false, Some(deadline), []));
            signals.deadlines.notified().now_or_never().is_some()
        };
        assert!(is_told_of(Timestamp(5)), "none is known");
        signals.set_next_deadline(Some(Timestamp(5)));
        assert!(!is_told_of(Timestamp(5)));
        assert!(is_told_of(Timestamp(4)));
        assert!(is_told_of(AT_ANY_TIME));
        signals.set_next_deadline(None);
        assert!(is_told_of(Timestamp(6)));
    }

    #[tokio::test]
    async fn who_is_gone_is_forgotten() {
        let signals = Signals::default();
        let [one, same] = ["1", "1"].map(|id| signals.watch(id.to_owned()));
        drop(one);
        assert_eq!(signals.watched.all().len(), 1);
        drop(same);
        assert!(signals.watched.all().is_empty());
    }

    #[tokio::test]
    async fn a_commit_that_changed_nothing_is_no_news() {
        let (signals, away) = Signals::shared();
        signals.committed(News::new(false, None, []));
        signals.committed(news(0..1));
        assert_eq!(away.take().await, news(0..1));
    }
}
