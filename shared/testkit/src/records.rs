//! Events on their way to the log and from it.

use std::sync::atomic::{AtomicU64, Ordering};

use events::{Codec, Envelope, Event, trace::TraceContext};
use kernel::Clock;
use messaging::record::{NewRecord, Record, TopicPartition};
use uuid::Uuid;

use crate::clock::START;

/// `event` as its owner says it because of the event `cause`, with a new id and a trace of its own.
///
/// # Panics
/// When the codec has no schema for it.
pub fn outgoing(codec: &Codec, clock: &dyn Clock, event: &Event, cause: Option<Uuid>) -> NewRecord {
    let id = clock.new_id();
    let envelope = Envelope {
        id,
        service: event.contract().owner.to_owned(),
        kind: event.name().to_owned(),
        time: clock.now(),
        subject: event.key().to_owned(),
        correlation_id: event.key().to_owned(),
        causation_id: cause,
        trace: Some(TraceContext::root(id)),
    };
    NewRecord {
        topic: event.topic().name.to_owned(),
        key: event.key().to_owned().into(),
        value: Some(codec.encode(event).expect("the codec has its schema")),
        headers: envelope.to_headers(),
    }
}

/// A record as it arrives, in the first partition of its topic; each has another offset.
pub fn arrived(NewRecord { topic, key, value, headers }: NewRecord) -> Record {
    static OFFSETS: AtomicU64 = AtomicU64::new(0);
    Record {
        at: TopicPartition::new(topic, 0),
        offset: OFFSETS.fetch_add(1, Ordering::Relaxed),
        timestamp_ms: START.millis(),
        key: Some(key),
        value,
        headers,
    }
}
