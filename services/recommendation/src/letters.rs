//! Records that can never be learned go to the service's dead letters, each once.
//!
//! Every replica reads every record, and reads it again after a restart, so each looks whether the dead-letter topic has
//! it before it puts it there. Two replicas that meet a record at the same moment may both put it there; a repeated
//! dead letter harms nobody. A redrive sends it to its old topic, from which every replica reads it.

use std::{collections::HashSet, sync::Arc};

use kernel::Clock;
use messaging::{
    dead_letters::{self, DeadLetter, DeadLetters},
    log::{EventLog, LogError},
    record::Record,
};

use crate::app::NAME;

/// Places that are remembered; beyond, a record that is read again may be put there again.
const REMEMBERED: usize = 100_000;

/// The dead letters, as the learner adds to them.
pub struct Letters {
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    /// Where the records stood that are there; `None` until the topic was read.
    known: Option<HashSet<String>>,
}

impl Letters {
    /// The dead letters of this service in `log`. They are read when the first is to be added.
    pub fn new(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>) -> Self {
        Self { log, clock, known: None }
    }

    /// Keeps a record with the reason why it cannot be learned; false when it was kept before.
    ///
    /// # Errors
    /// When the log is out of reach: then it is not kept yet.
    pub async fn keep(&mut self, record: &Record, reason: &str) -> Result<bool, LogError> {
        let known = match &mut self.known {
            Some(known) => known,
            none => none.insert(read(&self.log).await?),
        };
        let place = dead_letters::place(record);
        if known.contains(&place) {
            return Ok(false);
        }
        let outgoing = dead_letters::outgoing(NAME, record, reason, self.clock.now());
        self.log.producer(None).await?.append(vec![outgoing.record]).await?;
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(place);
        Ok(true)
    }
}

async fn read(log: &Arc<dyn EventLog>) -> Result<HashSet<String>, LogError> {
    let Some(letters) = DeadLetters::of(NAME, log.clone()) else { return Ok(HashSet::new()) };
    let kept = letters.list(0, REMEMBERED).await?;
    let place =
        |letter: DeadLetter| format!("{}-{}@{}", letter.topic, letter.partition, letter.offset);
    Ok(kept.iter().map(DeadLetter::from).map(place).collect())
}
