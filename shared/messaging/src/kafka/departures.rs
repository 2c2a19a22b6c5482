//! Consumers that were dropped and have not left their group yet: what they had stored is not
//! committed before they have.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::Notify, time::timeout};

use super::config::QUERY_TIMEOUT;

/// How many consumers of each group are leaving.
#[derive(Default)]
pub struct Departures {
    counts: Mutex<HashMap<String, usize>>,
    changed: Notify,
}

/// A departure that goes on; dropping it ends it.
pub struct Departure {
    departures: Arc<Departures>,
    group: String,
}

impl Departures {
    /// A consumer of `group` begins to leave.
    pub fn begin(self: &Arc<Self>, group: &str) -> Departure {
        *self.counts().entry(group.to_owned()).or_default() += 1;
        Departure { departures: Arc::clone(self), group: group.to_owned() }
    }

    /// Waits until those that leave `group` have left, or for a while.
    pub async fn over(&self, group: &str) {
        let over = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if !self.counts().contains_key(group) {
                    return;
                }
                changed.await;
            }
        };
        // Whoever waits longer gets what is committed so far.
        drop(timeout(QUERY_TIMEOUT, over).await);
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        let mut counts = self.departures.counts();
        if let Some(count) = counts.get_mut(&self.group) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.group);
            }
        }
        drop(counts);
        self.departures.changed.notify_waiters();
    }
}
