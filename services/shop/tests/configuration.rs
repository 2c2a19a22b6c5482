//! The documentation of the environment variables: whole and true.

use std::{fs, path::Path};

use platform::{
    distributed::SECURITY,
    environment::{Variable, markdown},
    service, telemetry,
};

const TABLES: [(&str, &[Variable]); 9] = [
    ("Every service", service::VARIABLES),
    ("Services with a database", service::DATABASE),
    ("Log-in and encryption", SECURITY),
    ("Traces", telemetry::VARIABLES),
    ("order-service", order_service::VARIABLES),
    ("inventory-service", inventory_service::VARIABLES),
    ("shipping-service", shipping_service::VARIABLES),
    ("notification-service", notification_service::VARIABLES),
    ("recommendation-service", recommendation_service::VARIABLES),
];

#[test]
fn every_variable_is_documented_with_its_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/configuration.md");
    let text = fs::read_to_string(&path).expect("the documentation");
    let table = |(title, variables): &(&str, &[Variable])| {
        let rows = markdown(variables);
        format!("## {title}\n\n| variable | default | meaning |\n|---|---|---|\n{rows}")
    };
    let tables: Vec<_> = TABLES.iter().map(table).collect();
    let expected = tables.join("\n");
    let start = text.find("## ").unwrap_or(text.len());
    assert_eq!(&text[start..], expected, "infra/configuration.md should end with this");
}
