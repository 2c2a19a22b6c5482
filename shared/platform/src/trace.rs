//! The trace that a request belongs to: the caller's, or a new one that begins here.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::header::HeaderMap,
    middleware::Next,
    web::Data,
};
use events::trace::TraceContext;
use kernel::Clock;
use messaging::telemetry::notes::{self, Notes};
use tracing::Instrument;

use crate::{
    SystemClock,
    requests::{Requests, Started},
};

/// The request's trace context, the same for all who ask during one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace(pub TraceContext);

impl FromRequest for Trace {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let known = request.extensions().get::<Self>().cloned();
        let trace = known.unwrap_or_else(|| {
            let trace = begin(callers(request.headers()), None, request.app_data());
            request.extensions_mut().insert(trace.clone());
            trace
        });
        ready(Ok(trace))
    }
}

/// A middleware (`actix_web::middleware::from_fn`) that puts everything logged during a request
/// under a span with its trace id, and observes the request if the listener has [`Requests`].
///
/// # Errors
/// Those of the services behind it.
pub async fn traced<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let requests = request.app_data::<Data<Requests>>().cloned();
    let caller = callers(request.headers());
    let trace =
        begin(caller.clone(), requests.as_ref().map(|requests| &***requests), request.app_data());
    let span = tracing::info_span!(
        "request",
        method = request.method().as_str(),
        path = request.path(),
        trace_id = trace.0.trace_id(),
        span_id = trace.0.span_id(),
    );
    request.extensions_mut().insert(trace.clone());
    let (notes, started) = (Arc::<Notes>::default(), Started::now(trace.0, caller));
    let answer = notes::taking(notes.clone(), next.call(request)).instrument(span).await;
    if let Some(requests) = requests {
        requests.observe(started, &answer, notes.noted());
    }
    answer
}

/// Tests hand their clock in as application data, `Data<dyn Clock>`, and know the ids beforehand.
fn begin(
    caller: Option<TraceContext>,
    requests: Option<&Requests>,
    clock: Option<&Data<dyn Clock>>,
) -> Trace {
    let tracer = requests.map(Requests::tracer).unwrap_or_default();
    Trace(match caller {
        Some(caller) => tracer.joined(caller),
        None => tracer.root(clock.map_or_else(|| SystemClock.new_id(), |clock| clock.new_id())),
    })
}

/// The caller's context; `None` if there is none, or an invalid one (W3C Trace Context, 4.3).
fn callers(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all("traceparent");
    let parent = parents.next()?.to_str().ok()?;
    if parents.next().is_some() {
        return None;
    }
    // Several `tracestate` headers are one list (3.3.1.1).
    let states: Vec<_> =
        headers.get_all("tracestate").filter_map(|state| state.to_str().ok()).collect();
    TraceContext::parse(parent, Some(&states.join(",")))
}
