//! The spans of requests.

use events::trace::TraceContext;
use messaging::{record::NewRecord, telemetry::sampling::Sampler};
use opentelemetry::trace::{SpanId, SpanKind, Status, TraceId};
use opentelemetry_sdk::trace::SpanData;
use testkit::{
    Spans,
    spans::{attribute, service},
};

use crate::suite::{Suite, TRIES};

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";

fn requests(spans: &Spans, name: &str) -> Vec<SpanData> {
    let is_it = |span: &SpanData| span.span_kind == SpanKind::Server && span.name == name;
    spans.all().into_iter().filter(is_it).collect()
}

fn trace_of(spans: &Spans, order: &str) -> TraceId {
    let all = spans.all();
    let is_it = |span: &&SpanData| {
        span.name == "create shop.orders" && attribute(span, "order.id").as_deref() == Some(order)
    };
    all.iter().find(is_it).unwrap().span_context.trace_id()
}

fn links(span: &SpanData) -> Vec<TraceId> {
    span.links.iter().map(|link| link.span_context.trace_id()).collect()
}

#[actix_web::test]
async fn a_request_is_a_span_of_its_service_by_route_and_names_its_order() {
    let spans = Spans::default();
    let suite = Suite::start(spans.telemetry(Sampler::ALL)).await;
    let order = suite.order("DE").await;
    suite.get(&format!("/api/v1/orders/{order}?x=ada@example.org")).await;
    suite.get("/metrics").await;
    suite.get("/health/live").await;
    suite.stop().await;

    let placed = requests(&spans, "POST /api/v1/orders");
    let placed = placed.iter().find(|span| attribute(span, "order.id").is_some()).unwrap();
    assert_eq!(attribute(placed, "order.id"), Some(order.clone()));
    assert_eq!(attribute(placed, "http.response.status_code").as_deref(), Some("201"));
    assert_eq!(service(placed), "order");
    let stocked = &requests(&spans, "POST /api/v1/products/{sku}/stock")[0];
    assert_eq!(service(stocked), "inventory");
    let shown = &requests(&spans, "GET /api/v1/orders/{id}")[0];
    assert_eq!(attribute(shown, "url.path"), Some(format!("/api/v1/orders/{order}")));
    assert_eq!((attribute(shown, "url.query"), &shown.status), (None, &Status::Unset));
    assert!(!format!("{:?}", spans.all()).contains("ada@example.org"));
    // What probes and scrapes ask all the time is not worth a trace.
    assert!(requests(&spans, "GET /metrics").is_empty());
    assert!(requests(&spans, "GET /health/live").is_empty());
}

#[actix_web::test]
async fn a_request_joins_its_callers_trace_and_follows_its_decision() {
    let spans = Spans::default();
    let suite = Suite::start(spans.telemetry(Sampler::ALL)).await;
    let call = |flags: &str| {
        let request = suite.client.get(format!("{}/api/v1/orders", suite.url));
        request.header("traceparent", format!("{CALLER}-{flags}")).send()
    };
    call("00").await.unwrap();
    assert!(requests(&spans, "GET /api/v1/orders").is_empty());
    call("01").await.unwrap();
    suite.stop().await;
    let found = requests(&spans, "GET /api/v1/orders");
    let caller = TraceContext::parse(&format!("{CALLER}-01"), None).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].span_context.trace_id(), TraceId::from(caller.trace_number()));
    assert_eq!(found[0].parent_span_id, SpanId::from(caller.span_number()));
    assert!(found[0].parent_span_is_remote);
    assert_ne!(found[0].span_context.span_id(), found[0].parent_span_id);
}

#[actix_web::test]
async fn a_later_request_about_an_order_links_to_the_orders_trace() {
    let spans = Spans::default();
    let suite = Suite::start(spans.telemetry(Sampler::ALL)).await;
    let order = suite.order("DE").await;
    suite.wait_for(&order, "CONFIRMED").await;
    suite.parcel(&order, "dispatch").await;
    suite.stop().await;
    let found = requests(&spans, "POST /api/v1/shipments/{id}/dispatch");
    let dispatch = found
        .iter()
        .find(|span| attribute(span, "http.response.status_code").as_deref() == Some("200"));
    let (dispatch, trace) = (dispatch.unwrap(), trace_of(&spans, &order));
    assert_ne!(dispatch.span_context.trace_id(), trace);
    assert_eq!(links(dispatch), [trace]);
    assert_eq!(attribute(dispatch, "order.id"), Some(order));
}

#[actix_web::test]
async fn a_redrive_links_to_the_trace_of_the_record_that_failed() {
    let spans = Spans::default();
    let suite = Suite::start(spans.telemetry(Sampler::ALL)).await;
    let rubbish = NewRecord {
        topic: "shop.shipping".into(),
        key: "o-1".into(),
        value: Some("no Avro".into()),
        headers: vec![("traceparent".into(), format!("{CALLER}-01").into())],
    };
    suite.log.producer(None).await.unwrap().append(vec![rubbish]).await.unwrap();
    let letters = "/api/v1/operations/dead-letters/order";
    for tries in 0.. {
        assert!(tries < TRIES, "never a dead letter");
        let list: serde_json::Value = suite.get(letters).await.json().await.unwrap();
        if list["items"].as_array().is_some_and(|items| !items.is_empty()) {
            break;
        }
    }
    let answer = suite.post(&format!("{letters}/0/redrive")).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    suite.stop().await;

    let original = TraceContext::parse(&format!("{CALLER}-01"), None).unwrap();
    let original = TraceId::from(original.trace_number());
    let route = "POST /api/v1/operations/dead-letters/{service}/{id}/redrive";
    let redrive = &requests(&spans, route)[0];
    assert_eq!((service(redrive), links(redrive)), ("order", vec![original]));
    let trace = spans.trace(original);
    let failed = trace.iter().find(|span| span.name == "process shop.shipping").unwrap();
    assert_eq!(attribute(failed, "error.type").as_deref(), Some("dead_letter"));
    assert!(matches!(failed.status, Status::Error { .. }), "{:?}", failed.status);
    assert!(trace.iter().any(|span| span.name == "send shop.order.dead-letters"));
}
