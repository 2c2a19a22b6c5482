//! The suite of the event log, on every log there is.
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]

mod embedded;
mod log_suite;

use std::sync::Arc;

use async_trait::async_trait;
use log_suite::{Harness, TestClock};
use messaging::{
    embedded::{EmbeddedLog, Settings},
    log::EventLog,
};
use tempfile::TempDir;

log_suite!(embedded_on_disk, OnDisk);
log_suite!(embedded_without_a_tail, OnDisk<0>);
log_suite!(embedded_in_memory, InMemory);

/// Without a tail every record is read from the disk.
struct OnDisk<const TAIL_BYTES: usize = 4_194_304> {
    dir: TempDir,
    log: Option<EmbeddedLog>,
}

impl<const TAIL_BYTES: usize> OnDisk<TAIL_BYTES> {
    fn open(dir: &TempDir) -> EmbeddedLog {
        let settings = Settings::new(TestClock::ticking());
        EmbeddedLog::open(dir.path(), Settings { tail_bytes: TAIL_BYTES, ..settings }).unwrap()
    }
}

#[async_trait]
impl<const TAIL_BYTES: usize> Harness for OnDisk<TAIL_BYTES> {
    async fn start() -> Result<Self, String> {
        let dir = TempDir::new().unwrap();
        let log = Some(Self::open(&dir));
        Ok(Self { dir, log })
    }

    fn log(&self) -> Arc<dyn EventLog> {
        Arc::new(self.log.clone().unwrap())
    }

    async fn restart(&mut self) {
        // Dropping the last one closes it.
        self.log = None;
        self.log = Some(Self::open(&self.dir));
    }
}

/// What it holds dies with it, so a restart is none.
struct InMemory(EmbeddedLog);

#[async_trait]
impl Harness for InMemory {
    async fn start() -> Result<Self, String> {
        Ok(Self(EmbeddedLog::in_memory(TestClock::ticking())))
    }

    fn log(&self) -> Arc<dyn EventLog> {
        Arc::new(self.0.clone())
    }

    async fn restart(&mut self) {}
}
