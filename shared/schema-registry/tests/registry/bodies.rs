//! What a request may carry, and how a refusal looks.

use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{Server, assert_error, body_of, record, reply, unique};

async fn post_as(server: &Server, content_type: Option<&str>, body: &str) -> (u16, Value) {
    let path = format!("/subjects/{}/versions", unique("body"));
    let mut request = server.request(Method::POST, &path).body(body.to_owned());
    if let Some(content_type) = content_type {
        request = request.header("Content-Type", content_type);
    }
    reply(request).await
}

#[tokio::test]
async fn every_kind_of_json_content_is_read() {
    let server = Server::any().await;
    let body = body_of(&record("Body", &[])).to_string();
    for content_type in [
        "application/json",
        "application/json; charset=utf-8",
        "application/vnd.schemaregistry.v1+json",
        "application/vnd.schemaregistry+json",
    ] {
        assert_eq!(post_as(&server, Some(content_type), &body).await.0, 200, "{content_type}");
    }
}

#[tokio::test]
async fn answers_have_the_content_type_of_the_api() {
    let server = Server::ours().await;
    for path in ["/subjects", "/config", "/schemas/ids/7", "/nowhere"] {
        let response = server.request(Method::GET, path).send().await.unwrap();
        let content_type = response.headers()["content-type"].to_str().unwrap();
        assert_eq!(content_type, "application/vnd.schemaregistry.v1+json", "{path}");
    }
}

#[tokio::test]
async fn bodies_that_are_not_json_or_too_big_are_refused() {
    let server = Server::ours().await;
    let body = body_of(&record("Body", &[])).to_string();
    for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        assert_error(post_as(&server, content_type, &body).await, 415);
    }
    assert_error(post_as(&server, Some("application/json"), "{").await, 400);
    assert_error(post_as(&server, Some("application/json"), r#"{"schema": 7}"#).await, 422);
    let huge = json!({ "schema": "x".repeat(1024 * 1024) }).to_string();
    assert_error(post_as(&server, Some("application/json"), &huge).await, 413);
}

#[tokio::test]
async fn schemas_that_are_not_valid_are_refused() {
    let server = Server::any().await;
    for schema in [r#"{"type":"record"}"#, "{", "\"strin\"", ""] {
        if server.is_foreign && schema != r#"{"type":"record"}"# {
            continue; // Apicurio accepts some of these as a first version.
        }
        let body = json!({ "schema": schema }).to_string();
        assert_error(post_as(&server, Some("application/json"), &body).await, 42201);
    }
}

#[tokio::test]
async fn what_we_do_not_have_is_refused_and_not_ignored() {
    let server = Server::ours().await;
    let schema = record("Body", &[]).to_string();
    let reference = json!([{ "name": "x", "subject": "x", "version": 1 }]);
    for (body, code) in [
        (json!({ "schema": schema, "schemaType": "JSON" }), 42201),
        (json!({ "schema": schema, "schemaType": "PROTOBUF" }), 42201),
        (json!({ "schema": schema, "references": reference }), 42201),
        (json!({ "schema": schema, "metadata": { "properties": { "a": "b" } } }), 42201),
        (json!({ "schema": schema, "ruleSet": { "domainRules": [] } }), 42201),
        (json!({ "schema": schema, "id": 7 }), 42205),
        (json!({ "schema": schema, "unheard": true }), 422),
        (json!({}), 42201),
    ] {
        let answer = post_as(&server, Some("application/json"), &body.to_string()).await;
        assert_error(answer, code);
    }
}

#[tokio::test]
async fn what_clients_send_without_meaning_it_is_accepted() {
    let server = Server::any().await;
    let schema = record("Body", &[]).to_string();
    let body = json!({ "schema": schema, "schemaType": "AVRO", "references": [] });
    assert_eq!(post_as(&server, Some("application/json"), &body.to_string()).await.0, 200);
    if !server.is_foreign {
        let body = json!({ "schema": schema, "references": null, "metadata": null, "id": -1, "version": 0 });
        assert_eq!(post_as(&server, Some("application/json"), &body.to_string()).await.0, 200);
    }
}

#[tokio::test]
async fn the_small_questions_are_answered() {
    let server = Server::any().await;
    let (_, types) = server.get("/schemas/types").await;
    assert!(types.as_array().unwrap().contains(&json!("AVRO")));
    if !server.is_foreign {
        assert_eq!(server.get("/").await, (200, json!({})));
        assert_error(server.get("/nowhere").await, 404);
        assert_error(server.get("/subjects?deleted=perhaps").await, 400);
    }
}
