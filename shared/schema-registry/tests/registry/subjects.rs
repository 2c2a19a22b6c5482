//! Registering, looking up and listing.

use serde_json::{Value, json};

use crate::server::{Server, assert_error, body_of, record, unique};

#[tokio::test]
async fn a_registered_schema_is_found_by_version_id_and_text() {
    let server = Server::any().await;
    let subject = unique("shop.orders-shop.test.Placed");
    let schema = record("Placed", &[("a", "int")]);
    let id = server.register(&subject, &schema).await;
    for version in ["1", "latest", "-1"] {
        let (status, body) = server.get(&format!("/subjects/{subject}/versions/{version}")).await;
        assert_eq!((status, &body["subject"], &body["version"]), (200, &json!(subject), &json!(1)));
        assert_eq!(body["id"], id);
        assert_eq!(parsed(&body["schema"]), schema);
    }
    let (_, body) = server.get(&format!("/schemas/ids/{id}")).await;
    assert_eq!(parsed(&body["schema"]), schema);
    let (_, text) = server.get(&format!("/subjects/{subject}/versions/1/schema")).await;
    assert_eq!(text, schema);
    let (status, found) = server.post(&format!("/subjects/{subject}"), &body_of(&schema)).await;
    assert_eq!((status, &found["id"], &found["version"]), (200, &json!(id), &json!(1)));
    assert_eq!(server.get(&format!("/subjects/{subject}/versions")).await, (200, json!([1])));
}

fn parsed(text: &Value) -> Value {
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn registering_again_changes_nothing_and_neither_does_whitespace() {
    let Some(server) = Server::unless_foreign("Apicurio counts whitespace").await else { return };
    let subject = unique("again");
    let schema = record("Again", &[("a", "int")]);
    let id = server.register(&subject, &schema).await;
    assert_eq!(server.register(&subject, &schema).await, id);
    let spaced = json!({ "schema": serde_json::to_string_pretty(&schema).unwrap() });
    let path = format!("/subjects/{subject}/versions");
    assert_eq!(server.post(&path, &spaced).await.1["id"], id);
    assert_eq!(server.get(&path).await, (200, json!([1])));
}

#[tokio::test]
async fn a_schema_has_one_id_under_every_subject() {
    let Some(server) = Server::unless_foreign("some registries give an id per subject").await
    else {
        return;
    };
    let (one, other) = (unique("one"), unique("other"));
    let schema = record("Shared", &[("a", "int")]);
    let id = server.register(&one, &schema).await;
    assert_eq!(server.register(&other, &schema).await, id);
    let (_, subjects) = server.get(&format!("/schemas/ids/{id}/subjects")).await;
    assert_eq!(subjects, json!([one, other]));
    let (_, versions) = server.get(&format!("/schemas/ids/{id}/versions")).await;
    let expected = json!([{ "subject": one, "version": 1 }, { "subject": other, "version": 1 }]);
    assert_eq!(versions, expected);
}

#[tokio::test]
async fn a_doc_or_a_default_makes_another_schema() {
    let server = Server::any().await;
    let subject = unique("docs");
    let plain = record("Docs", &[("a", "int")]);
    let mut documented = plain.clone();
    documented["fields"][0]["doc"] = json!("the a");
    let mut defaulted = plain.clone();
    defaulted["fields"][0]["default"] = json!(0);
    let mut ids = Vec::new();
    for schema in [&plain, &documented, &defaulted] {
        ids.push(server.register(&subject, schema).await);
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
    let (_, versions) = server.get(&format!("/subjects/{subject}/versions")).await;
    assert_eq!(versions, json!([1, 2, 3]));
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_missing() {
    let server = Server::any().await;
    let (subject, missing) = (unique("there"), unique("missing"));
    let schema = record("There", &[("a", "int")]);
    server.register(&subject, &schema).await;
    assert_error(server.get(&format!("/subjects/{missing}/versions")).await, 40401);
    assert_error(server.get(&format!("/subjects/{missing}/versions/1")).await, 40401);
    assert_error(server.get(&format!("/subjects/{subject}/versions/2")).await, 40402);
    assert_error(server.get("/schemas/ids/2000000000").await, 40403);
    let body = body_of(&schema);
    assert_error(server.post(&format!("/subjects/{missing}"), &body).await, 40401);
    let other = body_of(&record("There", &[("b", "int")]));
    assert_error(server.post(&format!("/subjects/{subject}"), &other).await, 40403);
}

#[tokio::test]
async fn a_version_is_a_positive_number_or_latest() {
    let Some(server) = Server::unless_foreign("Apicurio says 40402 for most of these").await else {
        return;
    };
    let subject = unique("versions");
    server.register(&subject, &record("Versions", &[])).await;
    for bad in ["0", "-2", "earliest", "2147483648"] {
        assert_error(server.get(&format!("/subjects/{subject}/versions/{bad}")).await, 42202);
    }
}

#[tokio::test]
async fn what_is_not_an_id_is_not_found() {
    let server = Server::ours().await;
    for id in ["2147483648", "99999999999999999999", "abc", "-1"] {
        assert_error(server.get(&format!("/schemas/ids/{id}")).await, 40403);
    }
}

#[tokio::test]
async fn a_subject_may_have_any_printable_name() {
    let server = Server::any().await;
    for (name, escaped) in [
        ("a.b-c_d", "a.b-c_d"),
        ("a/b", "a%2Fb"),
        ("a b", "a%20b"),
        ("50%", "50%25"),
        ("a%2Fb", "a%252Fb"),
        ("größe", "gr%C3%B6%C3%9Fe"),
    ] {
        let suffix = unique("");
        let (name, escaped) = (format!("{name}{suffix}"), format!("{escaped}{suffix}"));
        server.register(&escaped, &record("Named", &[])).await;
        let (_, body) = server.get(&format!("/subjects/{escaped}/versions/latest")).await;
        assert_eq!(body["subject"], name);
        let (_, subjects) = server.get("/subjects").await;
        assert!(subjects.as_array().unwrap().contains(&json!(name)), "{name}");
    }
}

#[tokio::test]
async fn names_that_cannot_be_printed_are_refused() {
    let server = Server::ours().await;
    let body = body_of(&record("Named", &[]));
    for name in ["a%0Ab".to_owned(), "%00".to_owned(), "x".repeat(1001)] {
        assert_error(server.post(&format!("/subjects/{name}/versions"), &body).await, 42208);
    }
}

#[tokio::test]
async fn lists_can_be_filtered_and_paged() {
    let server = Server::ours().await;
    for subject in ["b", "a_1", "a_2", "a%25"] {
        server.register(subject, &record("Listed", &[])).await;
    }
    server
        .register(
            "b",
            &json!({ "type": "record", "name": "Listed", "namespace": "shop.test",
        "fields": [{ "name": "a", "type": "int", "default": 0 }] }),
        )
        .await;
    assert_eq!(server.get("/subjects").await.1, json!(["a%", "a_1", "a_2", "b"]));
    assert_eq!(server.get("/subjects?subjectPrefix=a_").await.1, json!(["a_1", "a_2"]));
    assert_eq!(server.get("/subjects?offset=1&limit=2").await.1, json!(["a_1", "a_2"]));
    assert_eq!(server.get("/subjects?offset=9&limit=-1").await.1, json!([]));
    assert_eq!(named(&server.get("/schemas").await.1), ["a%:1", "a_1:1", "a_2:1", "b:1", "b:2"]);
    let latest = server.get("/schemas?latestOnly=true&subjectPrefix=b").await.1;
    assert_eq!(named(&latest), ["b:2"]);
    assert_eq!(named(&server.get("/schemas?offset=3&limit=1").await.1), ["b:1"]);
}

fn named(schemas: &Value) -> Vec<String> {
    let schemas = schemas.as_array().unwrap().iter();
    schemas.map(|it| format!("{}:{}", it["subject"].as_str().unwrap(), it["version"])).collect()
}
