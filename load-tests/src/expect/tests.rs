use super::*;

fn judge(expectation: &str, name: &str, actual: f64) -> bool {
    let expectation: Expectation = expectation.parse().unwrap();
    expectation.judge(&Figures::from([(name.to_owned(), actual)])).held
}

#[test]
fn a_figure_is_compared_in_its_own_unit() {
    for (expectation, name, actual, held) in [
        ("saga.p99<30ms", "saga.p99", 29.9, true),
        ("saga.p99<30ms", "saga.p99", 30.0, false),
        ("saga.p99<=30ms", "saga.p99", 30.0, true),
        ("saga.p99 < 0.03s", "saga.p99", 31.0, false),
        ("order.p50<500us", "order.p50", 0.4, true),
        ("sagas_per_s>1000", "sagas_per_s", 1000.0, false),
        ("sagas_per_s>=1000", "sagas_per_s", 1000.0, true),
        ("saga.confirmed.count>=3", "saga.confirmed.count", 3.0, true),
        ("memory.max<300MB", "memory.max", 299e6, true),
        ("memory.max<0.2GB", "memory.max", 299e6, false),
        ("errors<1", "errors", 0.0, true),
    ] {
        assert_eq!(held, judge(expectation, name, actual), "{expectation} with {actual}");
    }
}

#[test]
fn what_was_not_measured_fails() {
    let expectation: Expectation = "saga.p99<30ms".parse().unwrap();
    let verdict = expectation.judge(&Figures::new());
    assert!(!verdict.held);
    assert_eq!("FAILS  saga.p99<30ms  (was not measured)", verdict.to_string());
}

#[test]
fn a_wrong_expectation_is_refused_with_a_reason() {
    for (text, why) in [
        ("saga.p99", "such as"),
        ("saga.p99<30", "unit: us, ms, s"),
        ("saga.p99<fast", "no number"),
        ("saga.p98<30ms", "nothing is called saga.p98"),
        ("errors<1ms", "without a unit"),
        ("<5", "nothing is called"),
        ("memory.max<300", "unit: KB, MB, GB"),
    ] {
        let error = text.parse::<Expectation>().unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}
