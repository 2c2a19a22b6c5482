//! Appends that nobody waits for, one after the other: what is begun during one shares the next.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures::FutureExt as _;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use crate::{
    log::{LogError, Receipt},
    record::NewRecord,
};

/// Appends that may wait; one more waits to be added.
const CAPACITY: usize = 16;
/// How long the first waits for others, and lets those go first for whom somebody waits.
const GATHER: Duration = Duration::from_millis(20);

/// Where they wait. It ends with the first that fails: nothing may come before it that was begun
/// after it, and whoever appends it again does so with another producer.
pub struct Lane {
    waiting: mpsc::Sender<Pending>,
    failure: Arc<OnceLock<LogError>>,
}

struct Pending {
    records: Vec<NewRecord>,
    is_urgent: bool,
    done: oneshot::Sender<Result<(), LogError>>,
}

impl Lane {
    /// A lane of what is appended by `append`; its task works off what was added, also when the lane is dropped.
    pub fn new<A>(append: impl Fn(Vec<NewRecord>) -> A + Send + 'static) -> Self
    where
        A: Future<Output = Result<(), LogError>> + Send,
    {
        let (sender, mut waiting) = mpsc::channel(CAPACITY);
        let failure = Arc::<OnceLock<LogError>>::default();
        let failed = Arc::clone(&failure);
        tokio::spawn(async move {
            while failed.get().is_none()
                && let Some((records, all)) = gather(&mut waiting).await
            {
                let result = append(records).await;
                if let Err(error) = &result {
                    failed.get_or_init(|| error.clone());
                    waiting.close();
                }
                for done in all {
                    // Who no longer waits need not be told.
                    done.send(result.clone()).ok();
                }
            }
        });
        Self { waiting: sender, failure }
    }

    /// Adds records behind all others; an urgent append is not gathered.
    ///
    /// # Errors
    /// That of the one that has failed, as the receipt's.
    pub async fn add(&self, records: Vec<NewRecord>, is_urgent: bool) -> Result<Receipt, LogError> {
        let (done, receipt) = oneshot::channel();
        let added = self.waiting.send(Pending { records, is_urgent, done }).await;
        added.map_err(|_| failed(&self.failure))?;
        let failure = Arc::clone(&self.failure);
        Ok(receipt.map(move |result| result.unwrap_or_else(|_| Err(failed(&failure)))).boxed())
    }
}

fn failed(failure: &OnceLock<LogError>) -> LogError {
    let panicked = || LogError::Unavailable("an append before this one has panicked".into());
    failure.get().cloned().unwrap_or_else(panicked)
}

type Gathered = (Vec<NewRecord>, Vec<oneshot::Sender<Result<(), LogError>>>);

async fn gather(waiting: &mut mpsc::Receiver<Pending>) -> Option<Gathered> {
    let Pending { mut records, is_urgent, done } = waiting.recv().await?;
    let (mut all, mut is_urgent) = (vec![done], is_urgent);
    let until = Instant::now() + GATHER;
    while !is_urgent && all.len() < CAPACITY {
        let Ok(Some(next)) = timeout_at(until, waiting.recv()).await else { break };
        records.extend(next.records);
        all.push(next.done);
        is_urgent = next.is_urgent;
    }
    Some((records, all))
}

#[cfg(test)]
mod tests {
    use tokio::sync::Mutex;

    use super::*;

    fn record(value: &str) -> NewRecord {
        NewRecord {
            topic: "topic".into(),
            key: "key".into(),
            value: Some(value.to_owned().into()),
            headers: Vec::new(),
        }
    }

    fn values(records: &[NewRecord]) -> Vec<String> {
        let value = |new: &NewRecord| String::from_utf8(new.value.clone().unwrap().to_vec());
        records.iter().map(|new| value(new).unwrap()).collect()
    }

    #[tokio::test]
    async fn what_is_begun_during_an_append_shares_the_next() {
        let (sender, mut appended) = mpsc::unbounded_channel();
        let turn = Arc::new(Mutex::new(()));
        let held = turn.clone().lock_owned().await;
        let lane = Lane::new(move |records| {
            sender.send(values(&records)).unwrap();
            let turn = turn.clone();
            async move {
                drop(turn.lock().await);
                Ok(())
            }
        });
        let first = lane.add(vec![record("1")], true).await.unwrap();
        assert_eq!(appended.recv().await.unwrap(), ["1"]);
        let second = lane.add(vec![record("2"), record("3")], false).await.unwrap();
        let third = lane.add(vec![record("4")], false).await.unwrap();
        drop(held);
        assert!(first.await.is_ok() && second.await.is_ok() && third.await.is_ok());
        assert_eq!(appended.recv().await.unwrap(), ["2", "3", "4"]);
    }

    #[tokio::test]
    async fn nothing_is_appended_behind_a_failure() {
        let (sender, mut appended) = mpsc::unbounded_channel();
        let lane = Lane::new(move |records| {
            sender.send(values(&records)).unwrap();
            async { Err(LogError::Unavailable("away".into())) }
        });
        let first = lane.add(vec![record("1")], true).await.unwrap();
        let second = lane.add(vec![record("2")], true).await;
        let away = "the event log is out of reach: away";
        assert_eq!(first.await.unwrap_err().to_string(), away);
        if let Ok(second) = second {
            assert_eq!(second.await.unwrap_err().to_string(), away);
        }
        assert_eq!(appended.recv().await.unwrap(), ["1"]);
        assert!(appended.recv().await.is_none());
        let third = lane.add(vec![record("3")], true).await;
        assert_eq!(third.err().unwrap().to_string(), away);
    }
}
