//! A log that is out of reach: what is said stays in the outbox, where a test can look at it, and
//! only what a test hands over is heard.

use std::{future::pending, sync::Arc, time::Duration};

use async_trait::async_trait;
use events::topics::Topic;
use messaging::{
    log::{Consumer, EventLog, LogError, Producer},
    record::{NewRecord, Position},
};
use tokio::sync::Semaphore;

#[derive(Default)]
pub struct OutOfReach {
    /// The log takes an append per permit after all, and keeps none.
    pub appends: Option<Arc<Semaphore>>,
}

struct Slow(Arc<Semaphore>);

#[async_trait]
impl Producer for Slow {
    async fn append(&self, _: Vec<NewRecord>) -> Result<(), LogError> {
        match self.0.acquire().await {
            Ok(permit) => permit.forget(),
            Err(_) => return away(),
        }
        Ok(())
    }
}

fn away<T>() -> Result<T, LogError> {
    Err(LogError::Unavailable("as this test wants it".into()))
}

#[async_trait]
impl EventLog for OutOfReach {
    async fn ensure_topics(&self, _: &[&Topic]) -> Result<(), LogError> {
        away()
    }

    async fn producer(&self, _: Option<&str>) -> Result<Box<dyn Producer>, LogError> {
        match &self.appends {
            Some(appends) => Ok(Box::new(Slow(appends.clone()))),
            None => pending().await,
        }
    }

    async fn subscribe(
        &self,
        _: &str,
        _: &[&str],
        _: Duration,
    ) -> Result<Box<dyn Consumer>, LogError> {
        pending().await
    }

    async fn assign(&self, _: &[Position], _: Duration) -> Result<Box<dyn Consumer>, LogError> {
        pending().await
    }

    /// Never known: so the gate stays closed and no deadline fires by itself.
    async fn end_positions(&self, _: &[&str]) -> Result<Vec<Position>, LogError> {
        pending().await
    }

    async fn first_positions(&self, _: &[&str]) -> Result<Vec<Position>, LogError> {
        pending().await
    }

    async fn positions_at(&self, _: &str, _: i64) -> Result<Vec<Position>, LogError> {
        away()
    }

    async fn committed(&self, _: &str, _: &[&str]) -> Result<Vec<Position>, LogError> {
        away()
    }

    async fn ping(&self) -> Result<(), LogError> {
        away()
    }
}
