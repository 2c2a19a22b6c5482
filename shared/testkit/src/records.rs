//! Events as they arrive from the log.

use events::{Codec, Envelope, Event, trace::TraceContext};
use kernel::Clock;
use messaging::record::{Record, TopicPartition};

/// `event` as its owner says it, with a new id and a trace of its own, in the first partition of its topic.
///
/// # Panics
/// When the codec has no schema for it.
pub fn arrived(codec: &Codec, clock: &dyn Clock, event: &Event) -> Record {
    let id = clock.new_id();
    let envelope = Envelope {
        id,
        service: event.contract().owner.to_owned(),
        kind: event.name().to_owned(),
        time: clock.now(),
        subject: event.key().to_owned(),
        correlation_id: event.key().to_owned(),
        causation_id: None,
        trace: Some(TraceContext::root(id)),
    };
    Record {
        at: TopicPartition::new(event.topic().name, 0),
        offset: 0,
        timestamp_ms: clock.now().millis(),
        key: Some(event.key().to_owned().into()),
        value: Some(codec.encode(event).expect("the codec has its schema")),
        headers: envelope.to_headers(),
    }
}
