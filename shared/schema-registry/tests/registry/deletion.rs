//! Deleting: out of sight first, for good second.

use serde_json::{Value, json};

use crate::server::{Server, assert_error, body_of, record, unique};

/// Two versions, of which the second has a field more.
async fn with_two_versions(server: &Server, subject: &str) -> (Value, Value) {
    let name = unique("Deleted").replace('-', "_");
    let first = record(&name, &[("a", "int")]);
    let mut second = record(&name, &[("a", "int"), ("b", "int")]);
    second["fields"][1]["default"] = json!(0);
    server.register(subject, &first).await;
    server.register(subject, &second).await;
    (first, second)
}

#[tokio::test]
async fn a_deleted_subject_is_out_of_sight_but_its_ids_are_still_read() {
    let server = Server::any().await;
    let subject = unique("deleted");
    let (first, _) = with_two_versions(&server, &subject).await;
    let (_, before) = server.get(&format!("/subjects/{subject}/versions/1")).await;
    assert_eq!(server.delete(&format!("/subjects/{subject}")).await, (200, json!([1, 2])));
    assert_error(server.get(&format!("/subjects/{subject}/versions")).await, 40401);
    assert_error(server.get(&format!("/subjects/{subject}/versions/1")).await, 40401);
    let lookup = server.post(&format!("/subjects/{subject}"), &body_of(&first)).await;
    assert_error(lookup, if server.is_foreign { 40403 } else { 40401 });
    let (status, _) = server.get(&format!("/schemas/ids/{}?deleted=true", before["id"])).await;
    assert_eq!(status, 200);
    let (_, subjects) = server.get("/subjects").await;
    assert!(!subjects.as_array().unwrap().contains(&json!(subject)));
}

#[tokio::test]
async fn deleted_versions_can_be_asked_for() {
    let Some(server) = Server::unless_foreign("not every registry shows deleted versions").await
    else {
        return;
    };
    let subject = unique("asked");
    let (first, _) = with_two_versions(&server, &subject).await;
    server.delete(&format!("/subjects/{subject}")).await;
    let versions = format!("/subjects/{subject}/versions");
    assert_eq!(server.get(&format!("{versions}?deleted=true")).await.1, json!([1, 2]));
    assert_eq!(server.get(&format!("{versions}/1?deleted=true")).await.1["version"], 1);
    assert_eq!(server.get("/subjects?deleted=true").await.1, json!([subject]));
    let lookup = format!("/subjects/{subject}?deleted=true");
    let (_, found) = server.post(&lookup, &body_of(&first)).await;
    assert_eq!(found["version"], 1);
    let uses = format!("/schemas/ids/{}/versions", found["id"]);
    assert_eq!(server.get(&uses).await.1, json!([]));
    let expected = json!([{ "subject": subject, "version": 1 }]);
    assert_eq!(server.get(&format!("{uses}?deleted=true")).await.1, expected);
}

#[tokio::test]
async fn a_schema_that_comes_back_has_its_old_id_and_a_new_version() {
    let Some(server) = Server::unless_foreign("not every registry keeps ids and versions").await
    else {
        return;
    };
    let subject = unique("back");
    let (first, _) = with_two_versions(&server, &subject).await;
    let (_, before) = server.get(&format!("/subjects/{subject}/versions/1")).await;
    server.delete(&format!("/subjects/{subject}")).await;
    assert_eq!(server.register(&subject, &first).await, before["id"]);
    let (_, versions) = server.get(&format!("/subjects/{subject}/versions")).await;
    assert_eq!(versions, json!([3]));
}

#[tokio::test]
async fn a_deleted_version_no_longer_counts_for_compatibility() {
    let Some(server) = Server::unless_checking().await else { return };
    let subject = unique("counts");
    server.register(&subject, &record("Counts", &[("a", "int")])).await;
    server.set_level(&subject, "NONE").await;
    let text = record("Counts", &[("a", "string")]);
    server.register(&subject, &text).await;
    server.set_level(&subject, "FULL_TRANSITIVE").await;
    assert!(!server.is_compatible(&format!("{subject}/versions"), &text).await);
    assert_eq!(server.delete(&format!("/subjects/{subject}/versions/1")).await, (200, json!(1)));
    assert!(server.is_compatible(&format!("{subject}/versions"), &text).await);
}

#[tokio::test]
async fn a_subject_is_deleted_softly_once_and_then_for_good() {
    let Some(server) = Server::unless_foreign("codes of repeated deletions differ").await else {
        return;
    };
    let subject = unique("good");
    let (first, _) = with_two_versions(&server, &subject).await;
    let (_, before) = server.get(&format!("/subjects/{subject}/versions/1")).await;
    let (path, for_good) =
        (format!("/subjects/{subject}"), format!("/subjects/{subject}?permanent=true"));
    assert_error(server.delete(&for_good).await, 40405);
    assert_eq!(server.delete(&path).await.0, 200);
    assert_error(server.delete(&path).await, 40404);
    assert_eq!(server.delete(&for_good).await, (200, json!([1, 2])));
    assert_error(server.delete(&for_good).await, 40401);
    assert_error(server.delete(&path).await, 40401);
    assert_error(server.get(&format!("/schemas/ids/{}", before["id"])).await, 40403);
    // The id of an erased schema may still stand in front of some message: nobody else may get it.
    assert!(server.register(&subject, &first).await > before["id"].as_i64().unwrap() + 1);
}

#[tokio::test]
async fn a_version_is_deleted_softly_once_and_then_for_good() {
    let Some(server) = Server::unless_foreign("codes of repeated deletions differ").await else {
        return;
    };
    let subject = unique("version");
    with_two_versions(&server, &subject).await;
    let path = format!("/subjects/{subject}/versions/1");
    assert_error(server.delete(&format!("{path}?permanent=true")).await, 40407);
    assert_eq!(server.delete(&path).await, (200, json!(1)));
    assert_error(server.delete(&path).await, 40406);
    assert_error(server.get(&path).await, 40402);
    assert_eq!(server.delete(&format!("{path}?permanent=true")).await, (200, json!(1)));
    assert_error(server.delete(&path).await, 40402);
    assert_eq!(server.delete(&format!("/subjects/{subject}/versions/latest")).await.1, 2);
    assert_error(server.delete(&format!("/subjects/{}/versions/1", unique("none"))).await, 40401);
    assert_error(server.delete(&format!("/subjects/{subject}/versions/zero")).await, 42202);
}

#[tokio::test]
async fn a_schema_that_is_used_elsewhere_outlives_a_subject() {
    let server = Server::ours().await;
    let schema = record("Elsewhere", &[]);
    let id = server.register("one", &schema).await;
    server.register("other", &schema).await;
    server.delete("/subjects/one").await;
    server.delete("/subjects/one?permanent=true").await;
    assert_eq!(server.get(&format!("/schemas/ids/{id}")).await.0, 200);
    assert_eq!(server.get(&format!("/schemas/ids/{id}/subjects")).await.1, json!(["other"]));
}

#[tokio::test]
async fn a_subject_loses_its_level_with_its_last_version() {
    let server = Server::ours().await;
    server.register("s", &record("Levelled", &[])).await;
    server.set_level("s", "NONE").await;
    server.delete("/subjects/s/versions/1").await;
    assert_error(server.get("/config/s").await, 40408);
}
