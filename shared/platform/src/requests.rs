//! What is told of requests: a span each, and numbers by route and status. Names are those of
//! OpenTelemetry's semantic conventions for HTTP.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use actix_web::{
    App as ActixApp, Error, HttpRequest,
    dev::ServiceResponse,
    http::{Method, StatusCode},
};
use events::trace::TraceContext;
use kernel::{Clock as _, Timestamp};
use messaging::{
    metrics::{TraceLabel, TracedHistogram, quick_seconds},
    telemetry::{Span, Tracer, notes::Noted},
};
use opentelemetry::{
    KeyValue,
    trace::{SpanKind, Status},
};
use prometheus_client::{encoding::EncodeLabelSet, metrics::family::Family};
use utoipa_actix_web::AppExt as _;

use crate::{SystemClock, host::Hosted};

/// The route of what no handler answers, and the service of what belongs to none.
const UNMATCHED: &str = "unmatched";
const PLATFORM: &str = "platform";
/// Any method that HTTP does not define, as the conventions have it.
const OTHER_METHOD: &str = "_OTHER";

/// Observes the requests of one listener.
pub struct Requests {
    tracers: HashMap<&'static str, Tracer>,
    /// Which service answers a route.
    routes: HashMap<String, &'static str>,
    durations: Family<Labels, TracedHistogram, fn() -> TracedHistogram>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    service: &'static str,
    http_request_method: &'static str,
    http_route: String,
    http_response_status_code: u16,
}

/// A request that has begun.
#[derive(Clone, Debug)]
pub struct Started {
    trace: TraceContext,
    caller: Option<TraceContext>,
    at: Timestamp,
    since: Instant,
}

impl Started {
    /// It begins now; `caller` is the context that it came with, `trace` the one it goes on with.
    pub fn now(trace: TraceContext, caller: Option<TraceContext>) -> Self {
        Self { trace, caller, at: SystemClock.now(), since: Instant::now() }
    }
}

impl Requests {
    /// Observes the calls of `services`.
    pub fn of(services: &[Arc<dyn Hosted>]) -> Self {
        let metrics = services.first().map(|service| service.metrics().process().clone());
        let durations = metrics.unwrap_or_default().register(
            "http_server_request_duration_seconds",
            "From a request's head to its answer's",
            || {
                let new: fn() -> TracedHistogram = || TracedHistogram::new(quick_seconds());
                Family::new_with_constructor(new)
            },
        );
        let routes = services.iter().flat_map(|service| {
            let name = service.name();
            routes(&**service).into_iter().map(move |route| (route, name))
        });
        let tracers = services.iter().map(|service| (service.name(), service.tracer()));
        Self { tracers: tracers.collect(), routes: routes.collect(), durations }
    }

    /// Decides for all services which traces are recorded.
    pub fn tracer(&self) -> Tracer {
        self.tracers.values().next().cloned().unwrap_or_default()
    }

    /// Tells how a request was answered.
    pub fn observe<B>(
        &self,
        started: Started,
        answer: &Result<ServiceResponse<B>, Error>,
        noted: Noted,
    ) {
        let took = started.since.elapsed();
        let (labels, request) = match answer {
            Ok(response) => (self.labels(response), Some(response.request())),
            Err(error) => (unanswered(error.as_response_error().status_code()), None),
        };
        let exemplar = TraceLabel::of(&started.trace);
        let durations = self.durations.get_or_create_owned(&labels);
        durations.observe(took.as_secs_f64(), exemplar, None);
        let tracer = self.tracers.get(labels.service).filter(|t| t.records(&started.trace));
        if let (Some(tracer), Some(request)) = (tracer, request) {
            let end = started.at.plus(took);
            tracer.end(span(&labels, request, started, noted), end);
        }
    }

    fn labels<B>(&self, response: &ServiceResponse<B>) -> Labels {
        let request = response.request();
        let route = request.match_pattern();
        let by_route = route.as_ref().and_then(|route| self.routes.get(route)).copied();
        // The operators' calls name the service that they are about.
        let by_name = || {
            let name = request.match_info().get("service")?;
            self.tracers.keys().find(|service| **service == name).copied()
        };
        Labels {
            service: by_route.or_else(by_name).unwrap_or(PLATFORM),
            http_request_method: method(request.method()),
            http_route: route.unwrap_or_else(|| UNMATCHED.to_owned()),
            http_response_status_code: response.status().as_u16(),
        }
    }
}

fn unanswered(status: StatusCode) -> Labels {
    Labels {
        service: PLATFORM,
        http_request_method: OTHER_METHOD,
        http_route: UNMATCHED.to_owned(),
        http_response_status_code: status.as_u16(),
    }
}

fn routes(service: &dyn Hosted) -> Vec<String> {
    let app = ActixApp::new().into_utoipa_app();
    let (_, api) = app.configure(|config| service.routes(config)).split_for_parts();
    api.paths.paths.into_keys().collect()
}

fn method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] =
        ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or(OTHER_METHOD)
}

/// Paths name orders and products; queries and clients' addresses, which name people, are left out.
fn span(labels: &Labels, request: &HttpRequest, started: Started, noted: Noted) -> Span {
    let Started { trace, caller, at, .. } = started;
    let name = format!("{} {}", labels.http_request_method, labels.http_route);
    let mut span = Span::new(name, SpanKind::Server, trace, caller, at);
    let (server, status) = (request.app_config().local_addr(), labels.http_response_status_code);
    span.attributes = vec![
        KeyValue::new("http.request.method", labels.http_request_method),
        KeyValue::new("http.route", labels.http_route.clone()),
        KeyValue::new("http.response.status_code", i64::from(status)),
        KeyValue::new("url.path", request.path().to_owned()),
        KeyValue::new("url.scheme", "http"),
        KeyValue::new("server.address", server.ip().to_string()),
        KeyValue::new("server.port", i64::from(server.port())),
    ];
    span.attributes.extend(noted.order_id.map(|id| KeyValue::new("order.id", id)));
    span.links = noted.links;
    if status >= 500 {
        span.attributes.push(KeyValue::new("error.type", status.to_string()));
        span.status = Status::error("");
    }
    span
}
