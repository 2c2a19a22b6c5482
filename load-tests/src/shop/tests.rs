use clap::Parser as _;

use super::*;
use crate::cli::Cli;

fn shop(flags: &str) -> Result<Shop> {
    let line = format!("load-tests checkout {flags}");
    let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
    Shop::new(&cli.scenario().options().sites, Duration::from_secs(1))
}

#[test]
fn only_this_machine_is_loaded_unless_told() {
    for url in ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "http://127.8.0.1"] {
        shop(&format!("--target {url}")).unwrap();
    }
    for url in ["http://10.0.0.1:1", "http://example.com", "http://localhost.example.com"] {
        let error = shop(&format!("--inventory {url}")).unwrap_err().to_string();
        assert!(error.contains("--inventory") && error.contains("--allow-remote"), "{error}");
        shop(&format!("--inventory {url} --allow-remote")).unwrap();
    }
}

#[test]
fn a_service_that_is_named_is_asked_itself() {
    let shop = shop("--order http://127.0.0.1:2,http://127.0.0.1:3 --shipping http://127.0.0.1:4")
        .unwrap();
    let url = |service| {
        let call = Call::get("order", service, "/x");
        shop.request(&call).build().unwrap().url().to_string()
    };
    let orders = BTreeSet::from([url(Service::Order), url(Service::Order)]);
    assert_eq!(2, orders.len(), "replicas in turn: {orders:?}");
    assert_eq!("http://127.0.0.1:8080/x", url(Service::Inventory));
    assert_eq!(4, shop.all().len());
}

#[test]
fn retry_after_is_followed_within_reason() {
    for (header, expected) in [
        (Some("2"), 2000),
        (Some("0"), 10),
        (Some("9999"), 30_000),
        (None, 100),
        (Some("soon"), 100),
    ] {
        assert_eq!(Duration::from_millis(expected), pause(header), "{header:?}");
    }
}
