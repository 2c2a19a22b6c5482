//! Holds deadlines back after a start or an outage of the log, until the consumers have read what
//! was there: an order whose answer is only unread must not be cancelled.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    log::{EventLog, LogError},
    record::Position,
};

/// How often the group's progress is looked at while the gate is closed.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Open while deadlines may fire.
pub struct Gate {
    log: Arc<dyn EventLog>,
    group: &'static str,
    topics: Vec<&'static str>,
    /// Where the topics ended when the gate was closed; unknown while the log is away.
    target: Mutex<Option<Vec<Position>>>,
    open: AtomicBool,
}

impl Gate {
    /// A closed gate: it opens when `group` has read all that `topics` hold now.
    pub fn new(log: Arc<dyn EventLog>, group: &'static str, topics: Vec<&'static str>) -> Self {
        Self { log, group, topics, target: Mutex::default(), open: AtomicBool::new(false) }
    }

    /// Closes it after an outage; it opens again by itself.
    pub fn close(&self) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.open.store(false, Ordering::Release);
    }

    /// Waits until it is open.
    pub async fn opened(&self) {
        while !self.is_open() {
            if !self.try_open().await.unwrap_or(false) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }

    /// Opens it if the group has read what was there when it was closed.
    async fn try_open(&self) -> Result<bool, LogError> {
        let target = self.target.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ends = match target {
            Some(ends) => ends,
            None => {
                let ends = self.log.end_positions(&self.topics).await?;
                *self.target.lock().unwrap_or_else(PoisonError::into_inner) = Some(ends.clone());
                ends
            }
        };
        let reached = has_reached(&*self.log, self.group, &self.topics, &ends).await?;
        // Closed again while we asked: then there is another target.
        let target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        let open = reached && target.as_ref() == Some(&ends);
        self.open.store(open, Ordering::Release);
        Ok(open)
    }

    /// Whether it was closed since [`Gate::opened`].
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }
}

/// Whether `group` has committed everything before `ends`.
///
/// # Errors
/// When the log is out of reach.
pub async fn has_reached(
    log: &dyn EventLog,
    group: &str,
    topics: &[&str],
    ends: &[Position],
) -> Result<bool, LogError> {
    let committed = log.committed(group, topics).await?;
    let firsts = log.first_positions(topics).await?;
    let offset = |positions: &[Position], end: &Position| {
        positions.iter().find(|position| position.at == end.at).map(|position| position.offset)
    };
    Ok(ends.iter().all(|end| {
        // Without a commit, the group stands at the beginning.
        let reached = offset(&committed, end).or_else(|| offset(&firsts, end));
        reached.is_some_and(|reached| reached >= end.offset)
    }))
}
