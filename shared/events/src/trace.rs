//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>): what one trace is followed by.

use uuid::Uuid;

/// Where in which trace something happened; travels in headers, outbox rows and aggregates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    flags: u8,
    /// Vendors' own additions, carried as they came.
    state: Option<String>,
}

/// The flag that the trace is recorded.
const SAMPLED: u8 = 1;

/// The longest `tracestate` that is carried, in bytes (the specification asks for at least 512).
const MAX_STATE_BYTES: usize = 512;

impl TraceContext {
    /// A new, sampled trace that begins here; `id` must be random in its lower half.
    pub fn root(id: Uuid) -> Self {
        let (_, span_id) = id.as_u64_pair();
        Self { trace_id: id.as_u128(), span_id, flags: SAMPLED, state: None }
    }

    /// Reads the two headers; `None` when `traceparent` is not valid.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let version = hex(parts.next()?, 2)?;
        let trace_id = hex(parts.next()?, 32)?;
        let span_id = u64::try_from(hex(parts.next()?, 16)?).ok()?;
        let flags = u8::try_from(hex(parts.next()?, 2)?).ok()?;
        let too_long = version == 0 && parts.next().is_some();
        if version == 0xff || too_long || trace_id == 0 || span_id == 0 {
            return None;
        }
        let state = tracestate.filter(|state| !state.is_empty() && state.len() <= MAX_STATE_BYTES);
        Some(Self { trace_id, span_id, flags, state: state.map(str::to_owned) })
    }

    /// The same trace, one step further; `id` must be random in its lower half.
    #[must_use]
    pub fn child(&self, id: Uuid) -> Self {
        let (_, span_id) = id.as_u64_pair();
        Self { span_id, ..self.clone() }
    }

    /// The same trace, in the span with this id.
    #[must_use]
    pub fn with_span(&self, span_id: u64) -> Self {
        Self { span_id, ..self.clone() }
    }

    /// The same with this decision whether the trace is recorded.
    #[must_use]
    pub fn with_sampled(mut self, sampled: bool) -> Self {
        self.flags = (self.flags & !SAMPLED) | u8::from(sampled);
        self
    }

    /// Whether the trace is recorded: who began it has decided, everybody follows.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The `traceparent` header.
    pub fn traceparent(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }

    /// The `tracestate` header, if any.
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The trace's id, 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// The span's id, 16 hexadecimal digits.
    pub fn span_id(&self) -> String {
        format!("{:016x}", self.span_id)
    }

    /// The trace's id as a number.
    pub fn trace_number(&self) -> u128 {
        self.trace_id
    }

    /// The span's id as a number.
    pub fn span_number(&self) -> u64 {
        self.span_id
    }
}

/// Exactly `digits` lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let valid = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != digits || !text.bytes().all(valid) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_is_read_and_written() {
        let context = TraceContext::parse(PARENT, Some("a=b")).unwrap();
        assert_eq!(context.traceparent(), PARENT);
        assert_eq!(context.tracestate(), Some("a=b"));
        assert_eq!(context.trace_id(), "0af7651916cd43dd8448eb211c80319c");
    }

    #[test]
    fn a_child_stays_in_the_trace() {
        let context = TraceContext::parse(PARENT, None).unwrap();
        let child = context.child(Uuid::from_u128(42));
        assert_eq!(child.trace_id(), context.trace_id());
        assert_ne!(child.traceparent(), context.traceparent());
    }

    #[test]
    fn a_child_is_recorded_when_its_parent_is() {
        let context = TraceContext::parse(PARENT, None).unwrap();
        assert!(context.is_sampled() && context.child(Uuid::from_u128(42)).is_sampled());
        let context = context.with_sampled(false);
        assert!(context.traceparent().ends_with("-00"));
        assert!(!context.with_span(7).is_sampled());
        assert!(context.with_sampled(true).is_sampled());
    }

    #[test]
    fn what_the_specification_forbids_is_refused() {
        for wrong in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(TraceContext::parse(wrong, None), None, "{wrong}");
        }
    }
}
