use clap::{CommandFactory as _, Parser as _};

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("load-tests").chain(line.split_whitespace()))
}

fn refused(line: &str) -> String {
    parse(line).unwrap_err().to_string()
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn a_whole_command_line_is_read() {
    let cli = parse(
        "checkout --rate 200 --duration 60s --order http://127.0.0.1:8101,http://127.0.0.1:8102/ \
         --expect saga.p99<30ms --expect errors<1 --pid order=17,18",
    )
    .unwrap();
    assert!(matches!(cli.scenario(), Scenario::Checkout(_)));
    let options = cli.scenario().options();
    assert_eq!(Some(200.0), options.pace.rate);
    assert_eq!(Some(Duration::from_secs(60)), options.pace.duration);
    assert_eq!(["http://127.0.0.1:8101", "http://127.0.0.1:8102"], *options.sites.order);
    assert_eq!(2, options.expect.len());
    assert_eq!(Watched { name: Some("order".to_owned()), pid: 17 }, options.sites.pid[0]);
    assert_eq!(Watched { name: None, pid: 18 }, options.sites.pid[1]);
}

#[test]
fn a_wrong_value_is_refused_and_its_flag_is_named() {
    for (line, flag, why) in [
        ("checkout --rate 0", "--rate", "more than 0"),
        ("checkout --rate fast", "--rate", "a number"),
        ("checkout --duration 60", "--duration", "with a unit"),
        ("checkout --duration 25h", "--duration", "24h"),
        ("checkout --duration 0s", "--duration", "more than 0"),
        ("checkout --target 127.0.0.1:8080", "--target", "URL"),
        ("checkout --order http://127.0.0.1:8080/api", "--order", "must be like"),
        ("checkout --expect saga.p99", "--expect", "such as"),
        ("checkout --expect saga.p42<3ms", "--expect", "saga.p42"),
        ("checkout --pid shop=x", "--pid", "process id"),
        ("checkout --wait forever", "--wait", "stream"),
        ("flash-sale --hot 0", "--hot", "1..=1000"),
        ("replay clicks.txt --speed 0", "--speed", "more than 0"),
    ] {
        let message = refused(line);
        assert!(message.contains(flag) && message.contains(why), "{line}: {message}");
    }
}

#[test]
fn only_one_pace_at_a_time() {
    assert!(refused("checkout --rate 5 --clients 5").contains("--clients"));
    assert!(refused("checkout --orders 5 --clients 5").contains("--orders"));
}

#[test]
fn who_starts_a_shop_names_no_other() {
    assert!(refused("checkout --spawn embedded --target http://127.0.0.1:1").contains("--spawn"));
}

#[test]
fn times_have_units() {
    for (text, ms) in [("500ms", 500), ("60s", 60_000), ("1.5s", 1500), ("10m", 600_000)] {
        assert_eq!(Ok(Duration::from_millis(ms)), values::duration(text));
    }
}
