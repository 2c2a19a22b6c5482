//! One order is one trace over all services, whatever it goes through.

use std::collections::{BTreeSet, HashSet};

use kernel::OrderId;
use messaging::telemetry::sampling::Sampler;
use opentelemetry::trace::{SpanId, SpanKind, TraceId};
use opentelemetry_sdk::trace::SpanData;
use order_service::domain::Status;
use saga_tests::{wishes::Wish, world::PATIENCE};
use testkit::{
    Spans,
    spans::{attribute, orphans, service, tree},
};

use crate::scene::{Scene, block_on};

async fn scene(spans: &Spans) -> Scene {
    Scene::observed(2, spans.telemetry(Sampler::ALL)).await
}

/// The one trace of an order; it is whole.
fn trace_of(spans: &Spans, order: OrderId) -> Vec<SpanData> {
    let traces = spans.traces_with("order.id", &order.to_string());
    assert_eq!(traces.len(), 1, "one trace an order");
    let trace = spans.trace(*traces.iter().next().unwrap());
    assert!(orphans(&trace).is_empty(), "{:#?}", orphans(&trace));
    let roots = trace.iter().filter(|span| span.parent_span_id == SpanId::INVALID);
    assert_eq!(roots.count(), 1, "{:#?}", tree(&trace));
    for span in &trace {
        let parent = trace.iter().find(|s| s.span_context.span_id() == span.parent_span_id);
        let in_order = parent.is_none_or(|parent| parent.start_time <= span.start_time);
        assert!(in_order, "{} begins before its cause: {:#?}", span.name, tree(&trace));
    }
    trace
}

fn has(lines: &[String], line: &str) -> bool {
    lines.iter().any(|known| known.trim_start() == line)
}

/// How deep a line of a tree is.
fn depth(lines: &[String], line: &str) -> usize {
    let found = lines.iter().find(|known| known.trim_start() == line);
    let found = found.unwrap_or_else(|| panic!("no {line} in {lines:#?}"));
    (found.len() - found.trim_start().len()) / 2
}

#[test]
fn a_delivered_order_is_one_trace_over_all_services() {
    block_on(async {
        let spans = Spans::default();
        let mut scene = scene(&spans).await;
        let order = scene.order_mug("a").await;
        scene.settle(1).await.unwrap();
        scene.wish(Wish::Dispatch("a".into()));
        scene.settle(1).await.unwrap();
        scene.wish(Wish::Deliver("a".into()));
        scene.settle(1).await.unwrap();
        assert_eq!(scene.status(order).await, Status::Delivered);

        let trace = trace_of(&spans, order);
        let services: BTreeSet<_> = trace.iter().map(service).collect();
        assert_eq!(services, BTreeSet::from(["inventory", "order", "shipping"]));
        let lines = tree(&trace);
        let path = [
            "request (order)",
            "create shop.orders (order) OrderPlaced",
            "process shop.orders (inventory) OrderPlaced",
            "create shop.inventory (inventory) StockReserved",
            "process shop.inventory (shipping) StockReserved",
            "create shop.shipping (shipping) ShipmentScheduled",
            "process shop.shipping (order) ShipmentScheduled",
            "create shop.orders (order) OrderConfirmed",
            "process shop.orders (shipping) OrderConfirmed",
        ];
        for (step, line) in path.iter().enumerate() {
            assert_eq!(depth(&lines, line), step, "{line} in {lines:#?}");
        }
        for line in [
            "send shop.orders (order) OrderPlaced",
            "receive shop.orders (inventory) OrderPlaced",
            "create shop.shipping (shipping) ShipmentDispatched",
            "create shop.inventory (inventory) StockCommitted",
            "create shop.orders (order) OrderCompleted",
        ] {
            assert!(has(&lines, line), "{line} is not in {lines:#?}");
        }
        assert!(trace.iter().all(|span| attribute(span, "saga.compensation").is_none()));
    });
}

#[test]
fn the_requests_of_later_links_to_the_orders_trace_and_its_events_are_in_it() {
    block_on(async {
        let spans = Spans::default();
        let mut scene = scene(&spans).await;
        let order = scene.order_mug("a").await;
        scene.settle(1).await.unwrap();
        scene.wish(Wish::Cancel("a".into()));
        scene.settle(1).await.unwrap();
        assert_eq!(scene.status(order).await, Status::Cancelled);

        let trace = trace_of(&spans, order);
        let lines = tree(&trace);
        for line in [
            "create shop.orders (order) OrderCancellationRequested",
            "create shop.shipping (shipping) ShipmentCancelled",
            "create shop.orders (order) OrderCancelled",
            "create shop.inventory (inventory) StockReleased",
        ] {
            assert!(has(&lines, line), "{line} is not in {lines:#?}");
        }
        let undone: BTreeSet<_> = trace
            .iter()
            .filter(|span| attribute(span, "saga.compensation").as_deref() == Some("true"))
            .filter_map(|span| attribute(span, "saga.step"))
            .collect();
        let expected = ["OrderCancelled", "ShipmentCancelled", "StockReleased"];
        assert_eq!(undone, expected.map(str::to_owned).into());

        let id = trace[0].span_context.trace_id();
        let links_to = |span: &SpanData, id: TraceId| {
            span.links.iter().any(|link| link.span_context.trace_id() == id)
        };
        let requests = spans.all().into_iter().filter(|span| span.span_kind == SpanKind::Server);
        let cancel: Vec<_> = requests
            .filter(|span| span.span_context.trace_id() != id && links_to(span, id))
            .collect();
        assert_eq!(cancel.len(), 1, "one request continued the order's trace");
    });
}

#[test]
fn a_deadline_continues_the_orders_trace() {
    block_on(async {
        let spans = Spans::default();
        let mut scene = scene(&spans).await;
        let order = scene.order_mug("a").await;
        scene.advance(PATIENCE);
        assert_eq!(scene.fire("order").await.unwrap(), 1);
        scene.settle(1).await.unwrap();
        let lines = tree(&trace_of(&spans, order));
        let placed = depth(&lines, "create shop.orders (order) OrderPlaced");
        let cancelled = depth(&lines, "create shop.orders (order) OrderCancelled");
        assert_eq!(cancelled, placed + 1, "{lines:#?}");
    });
}

#[test]
fn a_transactions_span_begins_a_trace_of_its_own_and_links_to_all_that_share_it() {
    block_on(async {
        let spans = Spans::default();
        let mut scene = scene(&spans).await;
        let (a, b) = (scene.order_mug("a").await, scene.order_mug("b").await);
        scene.say("order").await.unwrap();
        scene.hear("inventory", "shop.orders").await.unwrap();

        let is_batch = |span: &&SpanData| {
            span.name == "transaction inventory"
                && attribute(span, "messaging.batch.message_count").as_deref() == Some("2")
        };
        let all = spans.all();
        let batch = all.iter().find(is_batch).expect("one transaction for both records");
        assert_eq!(batch.parent_span_id, SpanId::INVALID);
        let links: HashSet<_> =
            batch.links.iter().map(|link| link.span_context.trace_id()).collect();
        let orders = [a, b].map(|order| {
            let traces = spans.traces_with("order.id", &order.to_string());
            traces.into_iter().next().unwrap()
        });
        assert_eq!(links, HashSet::from(orders));
        assert!(!links.contains(&batch.span_context.trace_id()));
        for order in orders {
            let trace = spans.trace(order);
            let process = trace.iter().find(|span| span.name == "process shop.orders").unwrap();
            assert_eq!(process.links[0].span_context, batch.span_context);
        }
    });
}

#[test]
fn a_trace_that_is_not_sampled_has_no_spans_at_all() {
    block_on(async {
        let spans = Spans::default();
        let never = Sampler::named("parentbased_always_off", None).unwrap();
        let mut scene = Scene::observed(2, spans.telemetry(never)).await;
        let order = scene.order_mug("a").await;
        scene.settle(1).await.unwrap();
        assert_eq!(scene.status(order).await, Status::Confirmed);
        assert_eq!(spans.all(), []);
    });
}

#[test]
fn spans_name_nobody() {
    block_on(async {
        let spans = Spans::default();
        let mut scene = scene(&spans).await;
        scene.order_mug("a").await;
        scene.settle(1).await.unwrap();
        let text = format!("{:?}", spans.all());
        assert!(text.len() > 10_000, "there are spans");
        // The customer, and the address.
        for personal in ["\"ada\"", "Ada", "Lovelace", "Inselstr", "10179"] {
            assert!(!text.contains(personal), "{personal} is in a span");
        }
    });
}
