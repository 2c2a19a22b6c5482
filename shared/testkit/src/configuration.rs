//! What every service's binary does with a configuration that cannot be used.

use std::process::{Command, Output};

/// Checks the binary at this path.
///
/// # Panics
/// When it starts all the same, or does not name the variable that is wrong.
pub fn check(binary: &str) {
    for (variables, named) in [
        (&[][..], "SHOP_KAFKA is not set"),
        (&[("SHOP_KAFKA", "kafka:9092")], "SHOP_REGISTRY is not set"),
        (&[("SHOP_LISTEN", "everywhere")], "SHOP_LISTEN=\"everywhere\""),
        (&[("SHOP_LISTEN", "0.0.0.0:80")], "SHOP_OPERATOR_TOKEN"),
        (&[("SHOP_KAFAK", "kafka:9092")], "SHOP_KAFAK"),
    ] {
        let output = start(binary, variables);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{variables:?}");
        assert!(error.contains(named), "{named}: {error}");
    }
}

fn start(binary: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary);
    command.env_clear().envs(variables.iter().copied()).output().expect("it starts and ends")
}
