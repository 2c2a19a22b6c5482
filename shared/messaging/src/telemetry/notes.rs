//! What a request's own span has to be told by those who do what it asks for: which trace it
//! continued, and which order it was about.

use std::sync::{Arc, Mutex, PoisonError};

use events::trace::TraceContext;

tokio::task_local! {
    static NOTES: Arc<Notes>;
}

/// The notes of one request.
#[derive(Debug, Default)]
pub struct Notes(Mutex<Noted>);

/// What was noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// The traces that the request went on with, or sent on their way again.
    pub links: Vec<TraceContext>,
    /// The order that it was about.
    pub order_id: Option<String>,
}

impl Notes {
    /// What was noted so far.
    pub fn noted(&self) -> Noted {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds to it.
    pub fn add(&self, more: Noted) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for link in more.links {
            if !noted.links.contains(&link) {
                noted.links.push(link);
            }
        }
        noted.order_id = noted.order_id.take().or(more.order_id);
    }
}

/// Does `work`, the handling of one request, with notes taken.
pub async fn taking<F: Future>(notes: Arc<Notes>, work: F) -> F::Output {
    NOTES.scope(notes, work).await
}

/// The notes of the request that this task handles, if any are taken.
pub fn current() -> Option<Arc<Notes>> {
    NOTES.try_with(Clone::clone).ok()
}

/// Notes that the request has to do with another trace.
pub fn link(to: TraceContext) {
    if let Some(notes) = current() {
        notes.add(Noted { links: vec![to], order_id: None });
    }
}
