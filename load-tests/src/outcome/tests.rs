use std::time::{Duration, Instant};

use super::*;
use crate::{
    checker::Kind,
    ledger::{self, Entry},
    recorder::SAGA,
};

/// Two sagas, of which one was heard to end half a second after the first began.
fn measured(violations: Vec<Violation>) -> Measured {
    let now = Instant::now();
    let entry = |after_ms, end| Entry {
        lines: vec![(0, 1)],
        intended: now + Duration::from_millis(after_ms),
        measured: true,
        id: Some(String::new()),
        end,
    };
    let end = (ledger::Outcome::Confirmed, now + Duration::from_millis(500));
    let warm_up = Entry { measured: false, ..entry(0, Some(end)) };
    let entries = vec![warm_up, entry(0, Some(end)), entry(400, Some(end)), entry(300, None)];
    Measured { entries, violations, ..Measured::default() }
}

fn outcome(violations: Vec<Violation>, expectations: &[&str]) -> Outcome {
    let recorder = Recorder::default();
    recorder.took(SAGA, Duration::from_millis(20));
    recorder.failed("order: 500");
    let expectations: Vec<_> = expectations.iter().map(|e| e.parse().unwrap()).collect();
    let about = About { seconds: 2.0, ..About::default() };
    Outcome::new(about, &recorder, measured(violations), &expectations)
}

#[test]
fn throughput_is_ended_sagas_from_the_first_request_to_the_last_end() {
    let figures = outcome(Vec::new(), &[]).figures;
    assert_eq!((2.0, 4.0), (figures["sagas"], figures["sagas_per_s"]));
}

#[test]
fn a_run_passes_when_everything_holds() {
    assert!(outcome(Vec::new(), &["saga.p99<30ms", "errors<=1"]).passed);
    assert!(!outcome(Vec::new(), &["saga.p99<30ms", "errors<1"]).passed);
}

#[test]
fn a_fast_run_that_lost_an_order_fails() {
    let lost = Violation { kind: Kind::Lost, detail: "order 7".to_owned() };
    let outcome = outcome(vec![lost; 30], &["saga.p99<30ms"]);
    assert!(!outcome.passed);
    assert_eq!(30.0, outcome.figures["lost"]);
    let text = outcome.to_string();
    for part in
        ["VIOLATED  Lost: order 7", "and 10 more", "holds  saga.p99<30ms", "order: 500", "FAILED"]
    {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

#[test]
fn every_figure_can_be_expected() {
    for name in outcome(Vec::new(), &[]).figures.keys() {
        let written = ["<1", "<1ms", "<1MB"].map(|bound| format!("{name}{bound}"));
        assert!(written.iter().any(|text| text.parse::<Expectation>().is_ok()), "{name}");
    }
}

#[test]
fn a_distribution_is_drawn_no_further_than_it_was_measured() {
    let recorder = Recorder::default();
    for ms in 1..=100 {
        recorder.took(SAGA, Duration::from_millis(ms));
    }
    let outcome = Outcome::new(About::default(), &recorder, Measured::default(), &[]);
    let (quantile, ms) = *outcome.distributions[SAGA].last().unwrap();
    assert!((quantile - 0.99).abs() < 1e-9 && (ms - 100.0).abs() < 0.1, "{quantile} {ms}");
}
