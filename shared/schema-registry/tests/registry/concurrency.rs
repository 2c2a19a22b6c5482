//! Many at once: ids stay stable, versions have no gaps.

use std::collections::BTreeSet;

use futures::future::join_all;
use schema_registry::{CompatibilityLevel, Registry, Visibility};
use serde_json::{Value, json};

use crate::server::{Server, record, unique};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_schema_registered_by_many_has_one_id_and_one_version() {
    let server = Server::any().await;
    let subject = unique("same");
    let schema = record(&unique("Same").replace('-', "_"), &[("a", "int")]);
    let ids = join_all((0..32).map(|_| server.register(&subject, &schema))).await;
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 1);
    let (_, versions) = server.get(&format!("/subjects/{subject}/versions")).await;
    assert_eq!(versions, json!([1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn different_schemas_registered_at_once_have_different_ids_and_versions_without_gaps() {
    let server = Server::any().await;
    let subject = unique("different");
    let name = unique("Different").replace('-', "_");
    let schemas: Vec<_> = (0..32).map(|field| with_optional(&name, field)).collect();
    let ids = join_all(schemas.iter().map(|schema| server.register(&subject, schema))).await;
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 32);
    let (_, versions) = server.get(&format!("/subjects/{subject}/versions")).await;
    assert_eq!(versions, json!((1..=32).collect::<Vec<_>>()));
}

/// Each of these is compatible with all others.
fn with_optional(name: &str, field: u8) -> Value {
    let mut schema = record(name, &[(&format!("f{field}"), "int")]);
    schema["fields"][0]["default"] = json!(0);
    schema
}

#[tokio::test(flavor = "multi_thread")]
async fn two_registries_on_one_file_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    let mut registries = Vec::new();
    for _ in 0..2 {
        let registry = Registry::open(&path).await.unwrap();
        registries.push(registry.with_default_level(CompatibilityLevel::None));
    }
    let texts: Vec<_> =
        (0..40).map(|n| record("Turns", &[(&format!("f{}", n / 2), "int")]).to_string()).collect();
    let work = texts.iter().enumerate().map(|(n, text)| registries[n % 2].register("s", text));
    let ids: BTreeSet<_> = join_all(work).await.into_iter().map(|it| it.unwrap().id).collect();
    assert_eq!(ids.len(), 20);
    let versions = registries[0].versions("s", Visibility::Live).await.unwrap();
    assert_eq!(versions, (1..=20).collect::<Vec<_>>());
}
