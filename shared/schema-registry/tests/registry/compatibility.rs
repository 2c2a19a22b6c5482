//! Compatibility over HTTP: the shared table, levels, reasons, and what a refused registration
//! looks like.

use serde_json::{Value, json};

use crate::server::{Server, assert_error, body_of, record, unique};

/// The table that the unit tests know; a foreign registry gives Confluent's answer where ours is
/// stricter.
#[tokio::test]
async fn the_registry_judges_every_case_of_the_table() {
    let server = Server::any().await;
    let cases: Vec<Value> = serde_json::from_str(include_str!("../reads.json")).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let subject = unique("table");
        server.register(&subject, &case["writer"]).await;
        server.set_level(&subject, "BACKWARD").await;
        let answer =
            server.is_compatible(&format!("{subject}/versions/latest"), &case["reader"]).await;
        let ours = case["expect"] == json!([]);
        let confluents = case.get("confluent").map_or(ours, |it| it == "compatible");
        if answer != (if server.is_foreign { confluents } else { ours }) {
            wrong.push(format!("{} answered {answer}", case["case"]));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

fn versions() -> [Value; 3] {
    let mut with_default = record("Level", &[("a", "string"), ("b", "string")]);
    with_default["fields"][1]["default"] = json!("");
    let without = record("Level", &[("a", "string"), ("b", "string")]);
    [record("Level", &[("a", "string")]), with_default, without]
}

/// Registers `existing` without a check, then asks whether `new` is accepted at `level`.
async fn check_level(
    server: &Server,
    existing: &[&Value],
    new: &Value,
    level: &str,
    expected: bool,
) {
    let subject = unique("levels");
    server.register(&subject, existing[0]).await;
    server.set_level(&subject, "NONE").await;
    for schema in &existing[1..] {
        server.register(&subject, schema).await;
    }
    server.set_level(&subject, level).await;
    let answer = server.is_compatible(&format!("{subject}/versions"), new).await;
    // Apicurio's test looks at all versions at every level; its registration does not.
    assert!(answer == expected || server.is_foreign, "{level}");
    let (status, body) = server.post_schema(&subject, new).await;
    assert_eq!(status, if expected { 200 } else { 409 }, "{body}");
}

#[tokio::test]
async fn every_level_accepts_and_refuses_as_it_should() {
    let Some(server) = Server::unless_checking().await else { return };
    let [v1, v2, v3] = &versions();
    for (level, backward, forward, across, back_across) in [
        ("NONE", true, true, true, true),
        ("BACKWARD", false, true, true, true),
        ("BACKWARD_TRANSITIVE", false, true, false, true),
        ("FORWARD", true, false, true, true),
        ("FORWARD_TRANSITIVE", true, false, true, false),
        ("FULL", false, false, true, true),
        ("FULL_TRANSITIVE", false, false, false, false),
    ] {
        check_level(&server, &[v1], v3, level, backward).await;
        check_level(&server, &[v3], v1, level, forward).await;
        check_level(&server, &[v1, v2], v3, level, across).await;
        check_level(&server, &[v3, v2], v1, level, back_across).await;
    }
}

#[tokio::test]
async fn reasons_are_given_to_those_who_ask() {
    let server = Server::any().await;
    let subject = unique("reasons");
    server.register(&subject, &record("Reasons", &[("a", "int")])).await;
    server.set_level(&subject, "BACKWARD").await;
    let body = body_of(&record("Reasons", &[("a", "int"), ("b", "int")]));
    let path = format!("/compatibility/subjects/{subject}/versions/latest");
    let (_, short) = server.post(&path, &body).await;
    assert_eq!(short["is_compatible"], false);
    let (_, long) = server.post(&format!("{path}?verbose=true"), &body).await;
    let messages = long["messages"].to_string();
    if !server.is_foreign {
        assert_eq!(short, json!({ "is_compatible": false }));
        assert!(messages.contains("READER_FIELD_MISSING_DEFAULT_VALUE"), "{messages}");
        assert!(messages.contains("/fields/1"), "{messages}");
        assert!(messages.contains("{oldSchemaVersion: 1}"), "{messages}");
        assert!(messages.contains("{compatibility: 'BACKWARD'}"), "{messages}");
        let good = body_of(&record("Reasons", &[("a", "long")]));
        let (_, good) = server.post(&format!("{path}?verbose=true"), &good).await;
        assert_eq!(good, json!({ "is_compatible": true, "messages": [] }));
    }
}

#[tokio::test]
async fn an_incompatible_schema_is_refused_and_nothing_is_stored() {
    let server = Server::any().await;
    let subject = unique("refused");
    let first = record("Refused", &[("a", "int")]);
    server.register(&subject, &first).await;
    server.set_level(&subject, "FULL_TRANSITIVE").await;
    let answer = server.post_schema(&subject, &record("Refused", &[("a", "string")])).await;
    if server.is_foreign {
        assert_eq!(answer.0, 409);
    } else {
        assert!(answer.1["message"].as_str().unwrap().contains("path '/fields/0/type'"));
        assert_error(answer, 409);
    }
    let (_, versions) = server.get(&format!("/subjects/{subject}/versions")).await;
    assert_eq!(versions, json!([1]));
    // What is registered already is not checked again.
    server.register(&subject, &first).await;
}

#[tokio::test]
async fn a_test_against_one_version_looks_at_no_other() {
    let server = Server::any().await;
    let subject = unique("one");
    let [v1, v2, v3] = &versions();
    server.register(&subject, v1).await;
    server.register(&subject, v2).await;
    server.set_level(&subject, "FULL_TRANSITIVE").await;
    assert!(server.is_compatible(&format!("{subject}/versions/2"), v3).await);
    assert!(!server.is_compatible(&format!("{subject}/versions/1"), v3).await);
    assert!(!server.is_compatible(&format!("{subject}/versions"), v3).await);
    let body = body_of(v3);
    let path = format!("/compatibility/subjects/{subject}/versions");
    assert_error(server.post(&format!("{path}/3"), &body).await, 40402);
    let zero = server.post(&format!("{path}/zero"), &body).await;
    assert_error(zero, if server.is_foreign { 40402 } else { 42202 });
    assert_error(server.post(&format!("{path}/1"), &json!({ "schema": "{" })).await, 42201);
}

#[tokio::test]
async fn a_subject_that_is_not_there_accepts_any_schema() {
    let server = Server::ours().await;
    let schema = record("Fresh", &[]);
    assert!(server.is_compatible("fresh/versions", &schema).await);
    assert!(server.is_compatible("fresh/versions/latest", &schema).await);
    let path = "/compatibility/subjects/fresh/versions/1";
    assert_error(server.post(path, &body_of(&schema)).await, 40402);
    let (_, body) = server
        .post("/compatibility/subjects/fresh/versions?verbose=true", &json!({ "schema": "{" }))
        .await;
    assert_eq!(body["is_compatible"], false);
    assert!(body["messages"][0].as_str().unwrap().contains("Invalid schema"));
}
