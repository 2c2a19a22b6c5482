//! Appending: a record has its place in the log, and members of groups see it, before it is on disk.
//!
//! That is safe for them: their positions are written with the records or after them, so a crash that loses
//! a record loses every position behind it as well. Whoever appended it has not been told that it is on disk,
//! and appends it again. All other readers see only what is on disk. Why: `infra/decisions/0011-shown-before-written.md`.

use std::sync::Arc;

use tokio::sync::Notify;

use super::{
    state::{Sees, State},
    store::{Entry, size_of},
};
use crate::{
    log::LogError,
    record::{NewRecord, Record},
};

/// Which producer appends.
#[derive(Clone, Debug)]
pub struct Fence {
    /// Its identity.
    pub identity: Arc<str>,
    /// Its turn among the producers of that identity.
    pub epoch: u64,
}

/// The bytes that count for the limit of a record's size.
pub fn new_record_size(record: &NewRecord) -> usize {
    size_of(&record.key, record.value.as_deref(), &record.headers)
}

/// Gives `records` their places: all of them or none. Says who must be woken.
///
/// # Errors
/// When the producer was fenced, or a topic is unknown.
pub fn append(
    state: &mut State,
    fence: Option<&Fence>,
    records: Vec<NewRecord>,
    now_ms: i64,
) -> Result<Vec<Arc<Notify>>, LogError> {
    if let Some(Fence { identity, epoch }) = fence
        && !state.is_newest(identity, *epoch)
    {
        return Err(LogError::Fenced(identity.to_string()));
    }
    if let Some(unknown) = records.iter().find(|new| state.topic(&new.topic).is_none()) {
        return Err(LogError::UnknownTopic(unknown.topic.clone()));
    }
    let mut touched = Vec::with_capacity(records.len());
    for new in records {
        let size = new_record_size(&new) as u64;
        let NewRecord { topic, key, value, headers } = new;
        let Some((partition, at, tip)) = state.place(&topic, &key) else { continue };
        // The clock may step back; the log does not, so that a time finds one offset.
        let timestamp_ms = now_ms.max(tip.timestamp_ms);
        let record = Record { at, offset: tip.end, timestamp_ms, key: Some(key), value, headers };
        let total_bytes = tip.total_bytes + size;
        state.show(Entry { partition, total_bytes, record: Arc::new(record) });
        touched.push(partition);
    }
    Ok(state.readers(touched, Sees::Appended))
}
