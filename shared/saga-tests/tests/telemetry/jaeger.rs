//! Orders read back from a real Jaeger: `TEST_JAEGER` is its query API, `TEST_OTLP_HTTP` and
//! `TEST_OTLP_GRPC` are where it takes spans (`cargo xtask infra up --jaeger`).

mod trace;

use std::{collections::BTreeSet, time::Duration};

use messaging::telemetry::sampling::Sampler;
use platform::telemetry::{self, Settings, Target};
use serde_json::Value;

use self::trace::Trace;
use crate::suite::{Suite, TRIES, variable};

/// Jaeger, as a test sends to it and asks it.
struct Jaeger {
    query: String,
    target: Target,
}

impl Jaeger {
    fn over(test: &str, grpc: bool) -> Option<Self> {
        let variable_of_target = if grpc { "TEST_OTLP_GRPC" } else { "TEST_OTLP_HTTP" };
        let (Some(query), Some(url)) = (variable("TEST_JAEGER"), variable(variable_of_target))
        else {
            println!("skipped {test}: TEST_JAEGER or {variable_of_target} is not set");
            return None;
        };
        let target = if grpc { Target::Grpc(url) } else { Target::http_base(&url) };
        Some(Self { query, target })
    }

    fn settings(&self) -> Settings {
        let (target, delay) = (Some(self.target.clone()), Duration::from_millis(200));
        Settings { target, sampler: Sampler::ALL, queue: 10_000, batch: 512, delay }
    }

    /// A trace, once Jaeger has stored all of it: these steps, every service and no orphan. It
    /// stores batches beside each other, so a span can be there before its parent.
    async fn trace(&self, id: &str, steps: &[&str]) -> Trace {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut last = None;
        for _ in 0..TRIES {
            let url = format!("{}/api/traces/{id}", self.query);
            let answer = client.get(url).send().await.unwrap();
            if answer.status() == 200 {
                let trace = Trace::read(&answer.json::<Value>().await.unwrap());
                let has_steps = steps.iter().all(|step| trace.has(step));
                let has_services = trace.services().is_superset(&SERVICES.into());
                if has_steps && has_services && trace.orphans().is_empty() {
                    return trace;
                }
                last = Some(trace);
            }
        }
        let last = last.map_or_else(String::new, |trace: Trace| {
            format!("orphans: {:?}, {}", trace.orphans(), trace.tree())
        });
        panic!("Jaeger never had all of {steps:?} by {SERVICES:?} in {id}: {last}");
    }
}

async fn timeline(suite: &Suite, order: &str) -> Vec<Value> {
    let answer = suite.get(&format!("/api/v1/orders/{order}/timeline")).await;
    let mut timeline: Value = answer.json().await.unwrap();
    std::mem::take(timeline["events"].as_array_mut().unwrap())
}

/// Waits until the timeline has these events; returns the one trace of them all.
async fn trace_id(suite: &Suite, order: &str, kinds: &[&str]) -> String {
    for _ in 0..TRIES {
        let events = timeline(suite, order).await;
        if kinds.iter().all(|kind| events.iter().any(|event| event["type"] == *kind)) {
            let ids: BTreeSet<_> =
                events.iter().map(|event| event["trace_id"].as_str().unwrap()).collect();
            assert_eq!(ids.len(), 1, "one trace: {events:#?}");
            return ids.into_iter().next().unwrap().to_owned();
        }
    }
    panic!("the timeline never had {kinds:?}");
}

const SERVICES: [&str; 5] = ["inventory", "notification", "order", "recommendation", "shipping"];

async fn delivered_and_cancelled(jaeger: Jaeger) {
    let (telemetry, pipeline) = telemetry::start(&jaeger.settings()).unwrap();
    let suite = Suite::start(telemetry).await;
    let delivered = suite.order("DE").await;
    suite.wait_for(&delivered, "CONFIRMED").await;
    let cancelled = suite.order("DE").await;
    suite.wait_for(&cancelled, "CONFIRMED").await;
    suite.parcel(&delivered, "dispatch").await;
    suite.parcel(&delivered, "deliver").await;
    let path = format!("/api/v1/orders/{cancelled}/cancel");
    assert_eq!(suite.post(&path).send().await.unwrap().status(), 202);
    let good = ["OrderPlaced", "OrderConfirmed", "StockCommitted", "OrderCompleted"];
    let undone = ["ShipmentCancelled", "OrderCancelled", "StockReleased"];
    let ids =
        [trace_id(&suite, &delivered, &good).await, trace_id(&suite, &cancelled, &undone).await];
    // Received, confirmed, shipped, delivered; received, confirmed, cancelled.
    suite.told(&delivered, 4).await;
    suite.told(&cancelled, 3).await;
    suite.stop().await;
    telemetry::stop(pipeline).await;

    let trace = jaeger.trace(&ids[0], &[&good[..], &["NotificationSent"]].concat()).await;
    println!("{}", trace.tree());
    trace.check();
    assert_eq!(trace.services(), SERVICES.into());
    assert_eq!(trace.compensations(), [].into());
    let trace = jaeger.trace(&ids[1], &undone).await;
    println!("{}", trace.tree());
    trace.check();
    assert_eq!(trace.services(), SERVICES.into());
    assert_eq!(trace.compensations(), undone.into());
}

#[actix_web::test]
async fn an_order_in_jaeger_is_one_trace_over_all_services_sent_by_http() {
    if let Some(jaeger) = Jaeger::over("an order in Jaeger, by HTTP", false) {
        delivered_and_cancelled(jaeger).await;
    }
}

#[actix_web::test]
async fn an_order_in_jaeger_is_one_trace_over_all_services_sent_by_grpc() {
    if let Some(jaeger) = Jaeger::over("an order in Jaeger, by gRPC", true) {
        delivered_and_cancelled(jaeger).await;
    }
}
