//! A producer: checks the records, shows them and has them written.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Core,
    append::{Fence, append, new_record_size},
    commit::Work,
    writer::Room,
};
use crate::{
    log::{LogError, Producer, Receipt},
    record::NewRecord,
};

/// The largest record, as Kafka's `max.message.bytes` by default.
const MAX_RECORD_BYTES: usize = 1 << 20;

/// The producer; with an identity it can be fenced.
pub struct EmbeddedProducer {
    core: Arc<Core>,
    fence: Option<Fence>,
}

impl EmbeddedProducer {
    /// A producer; it fences the earlier ones of its `identity`, and returns when what they had
    /// under way is decided.
    ///
    /// # Errors
    /// When the log is closed.
    pub async fn new(core: Arc<Core>, identity: Option<&str>) -> Result<Self, LogError> {
        let fence = identity.map(|identity| Fence {
            identity: identity.into(),
            epoch: core.shared.lock().next_epoch(identity),
        });
        if fence.as_ref().is_some_and(|fence| fence.epoch > 1) {
            core.writer.submit(Work::Flush).await?;
        }
        Ok(Self { core, fence })
    }

    /// Shows `records`, once there is room for them to wait until they are written.
    async fn show(&self, records: Vec<NewRecord>) -> Result<Room, LogError> {
        records.iter().try_for_each(check)?;
        let core = &self.core;
        let room = core.writer.room(records.iter().map(new_record_size).sum()).await?;
        // What cannot be written is kept and tried again, so no more may come in meanwhile.
        core.probe().await?;
        let now_ms = core.clock.now().millis();
        let readers = append(&mut core.shared.lock(), self.fence.as_ref(), records, now_ms)?;
        readers.iter().for_each(|reader| reader.notify_one());
        Ok(room)
    }
}

#[async_trait]
impl Producer for EmbeddedProducer {
    async fn append(&self, records: Vec<NewRecord>) -> Result<(), LogError> {
        let room = self.show(records).await?;
        self.core.writer.write(room).await
    }

    async fn begin(&self, records: Vec<NewRecord>) -> Result<Receipt, LogError> {
        let room = self.show(records).await?;
        self.core.writer.write_soon(room)
    }
}

fn check(record: &NewRecord) -> Result<(), LogError> {
    let bytes = new_record_size(record);
    if bytes <= MAX_RECORD_BYTES {
        return Ok(());
    }
    Err(LogError::Refused(format!(
        "{bytes} bytes for {}, at most {MAX_RECORD_BYTES} are allowed",
        record.topic
    )))
}
