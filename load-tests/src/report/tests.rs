use std::collections::BTreeMap;

use super::*;
use crate::{
    checker::{Kind, Violation},
    expect::Verdict,
    outcome::About,
    recorder::{Counts, Summary},
    sampler::{Sample, Usage},
};

const TITLES: [&str; 8] = [
    "Latency over time: saga",
    "Throughput",
    "Saga duration by outcome",
    "Consumer lag",
    "Outbox depth",
    "CPU per process",
    "Memory per process",
    "Errors by kind",
];

fn sample(seconds: f64, errors: u64) -> Sample {
    let times =
        Summary { count: 20, p50: 3.0, p95: 5.0, p99: 9.0, max: 12.0, ..Summary::default() };
    let one = |name: &str, value| BTreeMap::from([(name.to_owned(), value)]);
    let usage = Usage { cpu: 0.5, memory: 1e8 };
    let errors = BTreeMap::from([("order: 500".to_owned(), errors)]);
    Sample {
        seconds,
        times: BTreeMap::from([("saga".to_owned(), times)]),
        counts: Counts { errors, ..Counts::default() },
        lag: one("inventory", 3.0),
        outbox: one("order", 7.0),
        processes: BTreeMap::from([("shop".to_owned(), usage)]),
        steal: Some(0.1),
        ..Sample::default()
    }
}

fn outcome() -> Outcome {
    let curve = vec![(0.0, 1.0), (0.5, 3.0), (1.0, 12.0)];
    Outcome {
        about: About {
            command: "checkout --expect 'saga.p99<30ms'".to_owned(),
            ..About::default()
        },
        operations: BTreeMap::from([("saga".to_owned(), Summary::default())]),
        distributions: BTreeMap::from([("saga.confirmed".to_owned(), curve)]),
        samples: vec![sample(1.0, 2), sample(2.0, 5)],
        ..Outcome::default()
    }
}

#[test]
fn every_plot_is_there_and_drawn() {
    let page = page(&outcome());
    for title in TITLES {
        let section = page.split("<section>").find(|section| section.contains(title)).unwrap();
        assert!(section.contains("class=\"line\""), "{title}: {section}");
    }
    for name in ["p99", "CONFIRMED", "inventory", "order: 500", "shop", "stolen by the hypervisor"]
    {
        assert!(page.contains(&format!("<title>{name}</title>")), "{name}");
    }
}

#[test]
fn a_run_without_anything_has_all_plots_and_says_so() {
    let page = page(&Outcome::default());
    for title in TITLES {
        let section = page.split("<section>").find(|section| section.contains(title)).unwrap();
        assert!(section.contains("Nothing was measured"), "{title}: {section}");
    }
    assert!(!page.contains("NaN"));
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let page = page(&outcome());
    for word in ["<script", "<link", "src=", "url(", "@import", "href="] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.contains("'saga.p99&lt;30ms'"), "the command line is text");
}

#[test]
fn errors_are_shown_second_by_second() {
    let plots = plots::all(&outcome());
    let errors = plots.iter().find(|plot| plot.title == "Errors by kind").unwrap();
    assert_eq!(vec![(1.0, 2.0), (2.0, 3.0)], errors.lines[0].points);
}

#[test]
fn a_failed_run_says_why_at_the_top() {
    let verdict = Verdict { expected: "errors<1".to_owned(), actual: Some(2.0), held: false };
    let violation = Violation { kind: Kind::Lost, detail: "order 7".to_owned() };
    let failed = Outcome { verdicts: vec![verdict], violations: vec![violation], ..outcome() };
    let page = page(&failed);
    let top = page.split("<section>").next().unwrap();
    for part in ["failed", "FAILS  errors&lt;1  (is 2.000)", "Lost: order 7"] {
        assert!(top.contains(part), "{part} is missing in {top}");
    }
}
