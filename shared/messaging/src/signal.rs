//! What a commit wakes: the relay, the deadlines, and whoever watches an aggregate.

use std::sync::Arc;

use tokio::sync::{Notify, broadcast};

/// How many changes a slow watcher may fall behind before it re-reads everything.
const WATCH_CAPACITY: usize = 1024;

/// The signals of one database. Cheap to clone.
#[derive(Clone)]
pub struct Signals {
    /// Rows were added to the outbox.
    pub outbox: Arc<Notify>,
    /// Deadlines were set or the clock was moved.
    pub deadlines: Arc<Notify>,
    changes: broadcast::Sender<String>,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            outbox: Arc::default(),
            deadlines: Arc::default(),
            changes: broadcast::Sender::new(WATCH_CAPACITY),
        }
    }
}

impl Signals {
    /// Watches for changed aggregates; what is received is the aggregate's id. A receiver that
    /// lagged has to re-read what it watches.
    pub fn watch(&self) -> broadcast::Receiver<String> {
        self.changes.subscribe()
    }

    /// Tells the watchers that these aggregates changed.
    pub fn changed(&self, ids: impl IntoIterator<Item = String>) {
        if self.changes.receiver_count() == 0 {
            return;
        }
        for id in ids {
            // The last watcher may have gone meanwhile: then nobody waits.
            drop(self.changes.send(id));
        }
    }
}
