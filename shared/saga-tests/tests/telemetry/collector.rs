//! Nobody waits for a collector, and what does not reach it is counted.

use std::{net::TcpListener, time::Duration};

use messaging::telemetry::sampling::Sampler;
use platform::telemetry::{self, Settings, Target};

use crate::suite::Suite;

fn settings(target: Target, queue: usize) -> Settings {
    let (sampler, delay) = (Sampler::ALL, Duration::from_millis(10));
    Settings { target: Some(target), sampler, queue, batch: 64, delay }
}

/// The value of a sample at `/metrics`.
pub fn number(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
    let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

#[actix_web::test]
async fn orders_go_on_while_the_collector_does_not_answer_and_what_is_dropped_is_counted() {
    // It accepts connections, and never says a word.
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let target = Target::http_base(&format!("http://{}", silent.local_addr().unwrap()));
    let (telemetry, pipeline) = telemetry::start(&settings(target, 100)).unwrap();
    let suite = Suite::start(telemetry).await;
    for _ in 0..20 {
        let order = suite.order("DE").await;
        suite.wait_for(&order, "CONFIRMED").await;
    }
    let text = suite.metrics().await;
    assert!(number(&text, "shop_spans_dropped_total") > 100.0, "{text}");
    assert_eq!(number(&text, "shop_spans_exported_total"), 0.0);
    suite.stop().await;
    drop(pipeline);
}

#[actix_web::test]
async fn without_a_target_nothing_is_exported() {
    let off = Settings { target: None, ..settings(Target::Http(String::new()), 1) };
    let (telemetry, pipeline) = telemetry::start(&off).unwrap();
    assert!(pipeline.is_none());
    assert!(!telemetry.tracer("order").is_on());
}
