//! The spans of one who reads events without a transaction, as a model does that is kept in memory.

use events::{Envelope, Event};
use kernel::Timestamp;

use super::{Span, Tracer, batch, new_span_id};
use crate::record::Record;

/// An event that is being taken in; `None` when its trace isn't recorded.
pub struct Reading(Option<Span>, Span);

impl Reading {
    /// Begins now.
    pub fn begin(
        tracer: &Tracer,
        reader: &'static str,
        record: &Record,
        event: &Event,
        now: Timestamp,
    ) -> Option<Self> {
        let parent = record.trace().filter(|trace| tracer.records(trace))?;
        let envelope = Envelope::from_headers(|name| record.header(name)).ok()?;
        let context = parent.with_span(new_span_id());
        let about = batch::about(&envelope, event);
        let (receive, process) = batch::spans_of(reader, record, context, Some(parent), now, about);
        Some(Self(receive, process))
    }

    /// Hands the spans over.
    pub fn end(self, tracer: &Tracer, now: Timestamp) {
        let Self(receive, process) = self;
        if let Some(receive) = receive {
            tracer.end(receive, process.start);
        }
        tracer.end(process, now);
    }
}
