//! Compatibility levels: global, per subject, and the modes that we don't have.

use schema_registry::{CompatibilityLevel, Registry};
use serde_json::json;

use crate::server::{Server, assert_error, record, unique};

#[tokio::test]
async fn a_subject_follows_the_global_level_until_it_has_its_own() {
    let reason = "Apicurio answers the global level where Confluent says 40408";
    let Some(server) = Server::unless_foreign(reason).await else { return };
    let subject = unique("level");
    server.register(&subject, &record("Level", &[])).await;
    let path = format!("/config/{subject}");
    assert_error(server.get(&path).await, 40408);
    let (_, global) = server.get("/config").await;
    let (_, inherited) = server.get(&format!("{path}?defaultToGlobal=true")).await;
    assert_eq!(inherited["compatibilityLevel"], global["compatibilityLevel"]);
    server.set_level(&subject, "FORWARD_TRANSITIVE").await;
    assert_eq!(server.get(&path).await.1["compatibilityLevel"], "FORWARD_TRANSITIVE");
    assert_eq!(server.delete(&path).await.0, 200);
    assert_error(server.get(&path).await, 40408);
}

#[tokio::test]
async fn every_level_can_be_set_and_no_other() {
    let server = Server::any().await;
    let subject = unique("every");
    server.register(&subject, &record("Every", &[])).await;
    for level in CompatibilityLevel::ALL {
        if server.is_foreign && level == CompatibilityLevel::None {
            continue; // In Apicurio this means the global level.
        }
        server.set_level(&subject, level.as_str()).await;
        let (_, body) = server.get(&format!("/config/{subject}")).await;
        assert_eq!(body["compatibilityLevel"], level.as_str());
    }
    let bad = json!({ "compatibility": "SIDEWAYS" });
    if !server.is_foreign {
        assert_error(server.put(&format!("/config/{subject}"), &bad).await, 42203);
        assert_error(server.put("/config", &bad).await, 42203);
    }
}

#[tokio::test]
async fn the_global_level_is_full_transitive_until_it_is_set() {
    let server = Server::ours().await;
    let default = (200, json!({ "compatibilityLevel": "FULL_TRANSITIVE" }));
    assert_eq!(server.get("/config").await, default);
    let body = json!({ "compatibility": "BACKWARD" });
    assert_eq!(server.put("/config", &body).await, (200, body));
    let set = (200, json!({ "compatibilityLevel": "BACKWARD" }));
    assert_eq!(server.get("/config").await, set);
    assert_eq!(server.get("/config/anything?defaultToGlobal=true").await, set);
    assert_eq!(server.delete("/config").await, set);
    assert_eq!(server.get("/config").await, default);
}

#[tokio::test]
async fn another_default_level_can_be_chosen_on_opening() {
    let registry = Registry::in_memory().await.unwrap();
    let server = Server::serving(registry.with_default_level(CompatibilityLevel::None));
    assert_eq!(server.get("/config").await.1, json!({ "compatibilityLevel": "NONE" }));
}

#[tokio::test]
async fn a_level_may_be_set_before_the_subject_exists_and_in_small_letters() {
    let server = Server::ours().await;
    let body = json!({ "compatibility": "none" });
    assert_eq!(server.put("/config/new", &body).await.1, json!({ "compatibility": "NONE" }));
    server.register("new", &record("New", &[("a", "int")])).await;
    server.register("new", &record("New", &[("b", "string")])).await;
    assert_error(server.delete("/config/other").await, 40401);
    assert_error(server.put("/config/new", &json!({ "normalize": true })).await, 422);
}

#[tokio::test]
async fn the_mode_is_always_readwrite() {
    let server = Server::ours().await;
    assert_eq!(server.get("/mode").await, (200, json!({ "mode": "READWRITE" })));
    assert_error(server.get("/mode/s").await, 40409);
    assert_eq!(server.get("/mode/s?defaultToGlobal=true").await.1["mode"], "READWRITE");
}
