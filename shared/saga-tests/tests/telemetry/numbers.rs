//! What is at `/metrics`: exactly what ARCHITECTURE.md says, of bounded cardinality.

use std::collections::BTreeSet;

use messaging::telemetry::sampling::Sampler;
use testkit::Spans;

use crate::suite::Suite;

/// What alerts and dashboards ask for: a name, the labels it must have, and who asks.
const ASKED: &str = include_str!("../../../../infra/prometheus/metrics.txt");
const DOCUMENT: &str = include_str!("../../../../ARCHITECTURE.md");

/// The names and types of all metrics in a scrape, counters with their `_total`.
fn exported(text: &str) -> BTreeSet<(String, String)> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| {
            let (name, kind) = line.split_once(' ').unwrap();
            let suffix = if kind == "counter" { "_total" } else { "" };
            (format!("{name}{suffix}"), kind.to_owned())
        })
        .collect()
}

/// The same of the table in the document.
fn documented() -> BTreeSet<(String, String)> {
    let (_, section) = DOCUMENT.split_once("\n## Metrics\n").expect("a section on metrics");
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (name, rest) = row.split_once("` | ").unwrap();
        (name.to_owned(), rest.split(" | ").next().unwrap().to_owned())
    })
    .collect()
}

async fn scraped() -> String {
    let spans = Spans::default();
    let suite = Suite::start(spans.telemetry(Sampler::ALL)).await;
    let delivered = suite.order("DE").await;
    suite.wait_for(&delivered, "CONFIRMED").await;
    suite.parcel(&delivered, "dispatch").await;
    suite.wait_for(&delivered, "SHIPPED").await;
    suite.parcel(&delivered, "deliver").await;
    suite.wait_for(&delivered, "DELIVERED").await;
    let refused = suite.order("AQ").await;
    suite.wait_for(&refused, "CANCELLED").await;
    suite.told(&refused, 2).await;
    assert_eq!(suite.get("/nothing/here").await.status(), 404);
    let text = suite.metrics().await;
    suite.stop().await;
    text
}

#[actix_web::test]
async fn what_is_exported_is_what_the_table_says() {
    let text = scraped().await;
    // The exporter's own are there when there is one.
    let (mut exported, documented) = (exported(&text), documented());
    for name in ["shop_spans_dropped_total", "shop_spans_exported_total"] {
        exported.insert((name.to_owned(), "counter".to_owned()));
    }
    let missing: Vec<_> = documented.difference(&exported).collect();
    let unknown: Vec<_> = exported.difference(&documented).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "missing {missing:?}, not in the table {unknown:?}"
    );
    assert!(text.ends_with("# EOF\n"));
}

/// The recommendation service's own are not these services'; the exporter's are there with one.
fn is_of_others(name: &str) -> bool {
    name.starts_with("shop_recommendation_") || name.starts_with("shop_spans_")
}

#[actix_web::test]
async fn every_query_of_alerts_and_dashboards_finds_its_metric_and_its_labels() {
    let text = scraped().await;
    let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let asked = ASKED.lines().filter(|line| !is_of_others(line));
    let mut count = 0;
    for line in asked {
        let [name, labels, who] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let has_labels = |sample: &&&str| {
            let labels = labels.split(',').filter(|label| *label != "-");
            labels.into_iter().all(|label| sample.contains(&format!("{label}=\"")))
        };
        let of_name = |sample: &&&str| sample.starts_with(&format!("{name}{{"));
        let found = samples.iter().filter(of_name).find(has_labels);
        assert!(found.is_some(), "{who} asks for {name} by {labels}, which is not exported");
        count += 1;
    }
    assert!(count > 20, "{count} are asked for");
}

#[actix_web::test]
async fn the_numbers_of_two_orders_are_right_and_name_no_order() {
    let text = scraped().await;
    let has = |start: &str, value: &str| {
        let found = text
            .lines()
            .any(|line| line.starts_with(start) && line.split(' ').nth(1) == Some(value));
        assert!(found, "no {start} {value} in {text}");
    };
    has(r#"shop_saga_duration_seconds_count{service="order",outcome="delivered"}"#, "1");
    has(r#"shop_saga_duration_seconds_count{service="order",outcome="cancelled"}"#, "1");
    has(r#"shop_sagas_in_flight{service="order"}"#, "0");
    has(
        r#"shop_events_produced_total{service="order",topic="shop.orders",type="OrderPlaced"}"#,
        "2",
    );
    has(
        r#"shop_events_consumed_total{service="inventory",topic="shop.orders",type="OrderPlaced"}"#,
        "2",
    );
    has(r#"shop_dead_letters_total{service="order"}"#, "0");
    has(r#"shop_leader{service="shipping",duty="relay"}"#, "1");
    has(
        r#"http_server_request_duration_seconds_count{service="order",http_request_method="POST",http_route="/api/v1/orders",http_response_status_code="201"}"#,
        "2",
    );
    has(
        r#"http_server_request_duration_seconds_count{service="platform",http_request_method="GET",http_route="unmatched",http_response_status_code="404"}"#,
        "1",
    );
    let exemplars = text.lines().filter(|line| line.contains("# {trace_id=\""));
    assert!(exemplars.count() > 5, "{text}");
    let id_like = |word: &str| word.len() == 36 && word.matches('-').count() == 4;
    assert!(!text.split(['"', '/', ' ']).any(id_like), "{text}");
}
