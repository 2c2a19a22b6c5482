//! CloudEvents 1.0 in Kafka's binary mode: an event's metadata in headers, the trace beside it.

use bytes::Bytes;
use bytestring::ByteString;
use kernel::Timestamp;
use uuid::Uuid;

use crate::trace::TraceContext;

/// Everything known of an event besides its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Unique; what consumers are idempotent by (`ce_id`).
    pub id: Uuid,
    /// The service that said it (`ce_source` is `/shop/<service>`).
    pub service: String,
    /// The bare event name (`ce_type`).
    pub kind: String,
    /// When it happened (`ce_time`).
    pub time: Timestamp,
    /// The aggregate it happened to: an order id or a SKU (`ce_subject`).
    pub subject: String,
    /// What belongs together: the order id, or the SKU (`ce_correlationid`).
    pub correlation_id: String,
    /// The event that caused it, if one did (`ce_causationid`).
    pub causation_id: Option<Uuid>,
    /// Where in which trace it was said (`traceparent`, `tracestate`).
    pub trace: Option<TraceContext>,
}

/// Why headers are no CloudEvent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// A header that every event has is absent or not UTF-8.
    #[error("header {0} is missing")]
    Missing(&'static str),
    /// A header cannot be read.
    #[error("header {0} is not valid")]
    Invalid(&'static str),
}

const SOURCE_PREFIX: &str = "/shop/";

impl Envelope {
    /// The headers as they stand on a record.
    pub fn to_headers(&self) -> Vec<(ByteString, Bytes)> {
        let mut headers = vec![
            header("ce_specversion", "1.0"),
            header("ce_id", self.id.to_string()),
            header("ce_source", format!("{SOURCE_PREFIX}{}", self.service)),
            header("ce_type", self.kind.clone()),
            header("ce_time", self.time.to_string()),
            header("ce_subject", self.subject.clone()),
            header("ce_correlationid", self.correlation_id.clone()),
            header("content-type", "application/avro"),
        ];
        headers.extend(self.causation_id.map(|id| header("ce_causationid", id.to_string())));
        if let Some(trace) = &self.trace {
            headers.push(header("traceparent", trace.traceparent()));
            headers.extend(trace.tracestate().map(|state| header("tracestate", state.to_owned())));
        }
        headers
    }

    /// Reads the headers; `get` finds one by its name.
    ///
    /// # Errors
    /// When a header that every event has is missing or wrong. A wrong trace is no error: it is
    /// left out, as W3C Trace Context asks for.
    pub fn from_headers<'h>(
        get: impl Fn(&'static str) -> Option<&'h str>,
    ) -> Result<Self, EnvelopeError> {
        let need = |name| get(name).ok_or(EnvelopeError::Missing(name));
        let id = |name, text| Uuid::parse_str(text).map_err(|_| EnvelopeError::Invalid(name));
        let source = need("ce_source")?;
        let service = source.strip_prefix(SOURCE_PREFIX).unwrap_or(source);
        let subject = get("ce_subject").unwrap_or_default();
        Ok(Self {
            id: id("ce_id", need("ce_id")?)?,
            service: service.to_owned(),
            kind: need("ce_type")?.to_owned(),
            time: Timestamp::parse(need("ce_time")?).ok_or(EnvelopeError::Invalid("ce_time"))?,
            subject: subject.to_owned(),
            correlation_id: get("ce_correlationid").unwrap_or(subject).to_owned(),
            causation_id: get("ce_causationid")
                .map(|text| id("ce_causationid", text))
                .transpose()?,
            trace: get("traceparent")
                .and_then(|parent| TraceContext::parse(parent, get("tracestate"))),
        })
    }
}

fn header(name: &'static str, value: impl Into<String>) -> (ByteString, Bytes) {
    (ByteString::from_static(name), Bytes::from(value.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        Envelope {
            id: Uuid::from_u128(1),
            service: "order".into(),
            kind: "OrderPlaced".into(),
            time: Timestamp(1_795_248_000_000_000),
            subject: "o-1".into(),
            correlation_id: "o-1".into(),
            causation_id: Some(Uuid::from_u128(2)),
            trace: Some(TraceContext::root(Uuid::from_u128(3))),
        }
    }

    fn read(headers: &[(ByteString, Bytes)]) -> Result<Envelope, EnvelopeError> {
        Envelope::from_headers(|name| {
            let (_, value) = headers.iter().find(|(key, _)| *key == name)?;
            std::str::from_utf8(value).ok()
        })
    }

    #[test]
    fn headers_are_read_as_they_were_written() {
        assert_eq!(read(&envelope().to_headers()).unwrap(), envelope());
    }

    #[test]
    fn an_event_without_an_id_is_none() {
        let headers: Vec<_> =
            envelope().to_headers().into_iter().filter(|(key, _)| key != "ce_id").collect();
        assert_eq!(read(&headers), Err(EnvelopeError::Missing("ce_id")));
    }

    #[test]
    fn a_wrong_trace_is_left_out() {
        let mut headers = envelope().to_headers();
        for (key, value) in &mut headers {
            if key == "traceparent" {
                *value = Bytes::from_static(b"nonsense");
            }
        }
        assert_eq!(read(&headers).unwrap().trace, None);
    }
}
