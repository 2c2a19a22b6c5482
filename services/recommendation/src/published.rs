//! Where answers find the pool, and others how far it is.

use std::sync::{Arc, PoisonError, RwLock};

use messaging::record::Position;
use tokio::sync::watch;

use crate::pool::Pool;

/// The pool that answers, and how far the newest one is.
#[derive(Default)]
pub struct Published {
    pool: RwLock<Option<Arc<Pool>>>,
    progress: watch::Sender<Progress>,
}

/// How far the learner is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Whether the pool that answers is one that is being fed, and has learned all that was in the log at the start.
    pub is_ready: bool,
    /// The positions before which everything is learned.
    pub positions: Vec<Position>,
}

impl Published {
    /// The pool that answers; `None` until everything was learned once that was in the log at the start.
    pub fn pool(&self) -> Option<Arc<Pool>> {
        self.pool.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on this pool answers.
    pub fn publish(&self, pool: Arc<Pool>) {
        *self.pool.write().unwrap_or_else(PoisonError::into_inner) = Some(pool);
        self.progress.send_modify(|progress| progress.is_ready = true);
    }

    /// The pool that answers is not fed any more, until another is published.
    pub fn unready(&self) {
        self.progress.send_modify(|progress| progress.is_ready = false);
    }

    /// Whether a pool answers that is being fed.
    pub fn is_ready(&self) -> bool {
        self.progress.borrow().is_ready
    }

    /// Everything before these positions is learned.
    pub fn read_up_to(&self, positions: Vec<Position>) {
        self.progress.send_modify(|progress| progress.positions = positions);
    }

    /// How far it is, and what changes of that.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }
}
