//! What a service does that a server turns away: it says so, and ends.

use std::{process::Command, time::Instant};

use crate::{fleet::binary, servers::Servers};

/// Starts a service with wrong passwords, one after the other.
pub fn refused(servers: &Servers, service: &str) {
    let database = format!("{}/nowhere", servers.postgres);
    let (_, address) = servers.postgres.rsplit_once('@').unwrap();
    let wrong = format!("postgres://shop:wrong@{address}/nowhere");
    let kafka = [("SHOP_KAFKA", servers.kafka.as_str()), ("SHOP_DATABASE", &wrong)];
    ends(servers, service, &kafka, "SHOP_DATABASE");
    let Some(sasl) = &servers.kafka_with_login else {
        println!("skipped a wrong password for Kafka: TEST_KAFKA_SASL is not set");
        return;
    };
    for mechanism in ["plain", "scram-sha-512"] {
        let variables = [
            ("SHOP_KAFKA", sasl.address.as_str()),
            ("SHOP_KAFKA_TLS", "true"),
            ("SHOP_KAFKA_CA_FILE", &sasl.ca_file),
            ("SHOP_KAFKA_SASL", mechanism),
            ("SHOP_KAFKA_USER", "shop"),
            ("SHOP_KAFKA_PASSWORD", "wrong"),
            ("SHOP_DATABASE", &database),
        ];
        ends(servers, service, &variables, "Kafka");
    }
}

fn ends(servers: &Servers, service: &str, variables: &[(&str, &str)], named: &str) {
    let begun_at = Instant::now();
    let mut command = Command::new(binary(service));
    command.env("SHOP_LISTEN", "127.0.0.1:0").env("SHOP_REGISTRY", &servers.registry);
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    let last = error.lines().last().unwrap_or_default();
    println!("{service} after {:.1} s: {last}", begun_at.elapsed().as_secs_f64());
    assert!(!output.status.success() && last.contains(named), "{error}");
    assert!(!error.contains("wrong@"), "a password is shown: {error}");
}
