//! A producer that fails when a test wants it to, in all the ways a log can fail.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use messaging::{
    log::{LogError, Producer},
    record::NewRecord,
};

/// How an append fails. What the caller is told is the same: the log is out of reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AppendFault {
    /// It does not.
    #[default]
    None,
    /// Before anything is written.
    Refused,
    /// After this many records.
    Torn(usize),
    /// After all of them: only the acknowledgement is lost.
    Unacknowledged,
}

/// Wraps a producer; the next append fails as it was told, the others pass.
pub struct FaultyProducer {
    inner: Arc<dyn Producer>,
    next: Mutex<AppendFault>,
}

impl FaultyProducer {
    /// A producer whose next append has this fault.
    pub fn new(inner: Arc<dyn Producer>, next: AppendFault) -> Self {
        Self { inner, next: Mutex::new(next) }
    }
}

#[async_trait]
impl Producer for FaultyProducer {
    async fn append(&self, mut records: Vec<NewRecord>) -> Result<(), LogError> {
        let fault = std::mem::take(&mut *self.next.lock().unwrap_or_else(PoisonError::into_inner));
        match fault {
            AppendFault::None => return self.inner.append(records).await,
            AppendFault::Refused => records.clear(),
            AppendFault::Torn(count) => records.truncate(count),
            AppendFault::Unacknowledged => {}
        }
        self.inner.append(records).await?;
        Err(LogError::Unavailable(format!("planted: {fault:?}")))
    }
}
