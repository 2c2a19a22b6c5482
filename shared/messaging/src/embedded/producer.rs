//! A producer: checks the records and hands them to the writer.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Core,
    commit::{Fence, Work, new_record_size},
};
use crate::{
    log::{LogError, Producer},
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
}

#[async_trait]
impl Producer for EmbeddedProducer {
    async fn append(&self, records: Vec<NewRecord>) -> Result<(), LogError> {
        records.iter().try_for_each(check)?;
        self.core.writer.submit(Work::Append(self.fence.clone(), records)).await
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
