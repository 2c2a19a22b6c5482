//! What was acknowledged is there after a restart.

use schema_registry::{
    CompatibilityLevel, Deletion, Registry, RegistryError, Selector, Visibility,
};

use crate::server::{Server, record, unique};

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a folder's #1 50%?.db");
    let (first, second) = (record("Kept", &[("a", "int")]), record("Kept", &[("a", "string")]));
    let server = Server::serving(Registry::open(&path).await.unwrap());
    let subject = unique("kept");
    let id = server.register(&subject, &first).await;
    server.set_level(&subject, "NONE").await;
    server.delete(&format!("/subjects/{subject}/versions/1")).await;
    server.set_level(&subject, "NONE").await;
    server.stop().await;

    let server = Server::serving(Registry::open(&path).await.unwrap());
    assert_eq!(server.get(&format!("/schemas/ids/{id}")).await.0, 200);
    assert_eq!(server.get(&format!("/config/{subject}")).await.1["compatibilityLevel"], "NONE");
    assert_eq!(server.register(&subject, &second).await, id + 1);
    assert_eq!(server.get(&format!("/subjects/{subject}/versions/latest")).await.1["version"], 2);
    assert!(path.exists());
}

#[tokio::test]
async fn what_was_acknowledged_is_in_the_file_though_nobody_closed_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    let text = record("Killed", &[]).to_string();
    let killed = Registry::open(&path).await.unwrap();
    let before = killed.register("s", &text).await.unwrap();
    let after = Registry::open(&path).await.unwrap();
    let found = after.version("s", Selector::Latest, Visibility::Live).await.unwrap();
    assert_eq!(found, before);
}

#[tokio::test]
async fn the_id_of_an_erased_schema_is_not_given_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    let text = record("Erased", &[]).to_string();
    let registry = Registry::open(&path).await.unwrap();
    let before = registry.register("s", &text).await.unwrap();
    registry.delete_subject("s", Deletion::Soft).await.unwrap();
    registry.delete_subject("s", Deletion::Permanent).await.unwrap();
    registry.close().await.unwrap();
    let registry = Registry::open(&path).await.unwrap();
    assert_eq!(registry.register("s", &text).await.unwrap().id, before.id + 1);
}

#[tokio::test]
async fn a_closed_or_broken_database_is_an_error_that_can_be_retried() {
    let registry = Registry::in_memory().await.unwrap();
    registry.ping().await.unwrap();
    registry.close().await.unwrap();
    let error = registry.ping().await.unwrap_err();
    assert!(error.is_retryable() && error.code() == 50001);
    let server = Server::serving(registry);
    crate::server::assert_error(server.get("/subjects").await, 50001);
    let missing = std::path::Path::new("/nowhere/at/all/registry.db");
    assert!(matches!(Registry::open(missing).await, Err(RegistryError::Store(_))));
}

#[tokio::test]
async fn levels_outlive_a_restart_and_the_default_does_not_overrule_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    let registry = Registry::open(&path).await.unwrap();
    registry.set_global_level(CompatibilityLevel::Forward).await.unwrap();
    registry.close().await.unwrap();
    let registry = Registry::open(&path).await.unwrap();
    let registry = registry.with_default_level(CompatibilityLevel::None);
    assert_eq!(registry.global_level().await.unwrap(), CompatibilityLevel::Forward);
}
