//! Bodies: broken, too long, of another kind or shape; and those that may be left out.

use actix_web::{FromRequest, dev::Payload, test::TestRequest};
use futures::stream::pending;
use platform::{Body, json::MAX_BODY_BYTES};
use serde_json::json;

use crate::{answered, app, client::Call, refused};

const ORDER: &str = "/orders/0197c9a0-7c1e-7d4b-9f32-5f0c5f5d8a11";
const GOOD: &str = r#"{"customer_id": "c", "lines": [{"sku": "s", "quantity": 1}]}"#;

fn put() -> Call {
    Call::new("PUT", ORDER)
}

fn cancel() -> Call {
    Call::new("POST", &format!("{ORDER}/cancel"))
}

/// An order whose only line is this.
fn with_line(line: &str) -> Call {
    put().json(format!(r#"{{"customer_id": "c", "lines": [{line}]}}"#))
}

/// An order of exactly this many bytes.
fn of_size(bytes: usize) -> String {
    format!("{GOOD}{}", " ".repeat(bytes - GOOD.len()))
}

#[actix_web::test]
async fn a_good_body_is_read_whatever_its_content_type_says_besides() {
    let (to, answer) = (app::start(None), json!({ "id": &ORDER[8..], "lines": 1 }));
    for kind in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
        answered(to, put().header("Content-Type", kind).body(GOOD), answer.clone()).await;
    }
    answered(to, put().json(GOOD).chunked(), answer).await;
}

#[actix_web::test]
async fn a_body_that_is_no_json_is_a_bad_request_that_says_where() {
    let to = app::start(None);
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    let bodies: [(&[u8], &str); 11] = [
        (b"", "empty"),
        (b"  ", "line 1 column 2"),
        (b"{\n  \"lines\": [,]\n}", "line 2 column 13"),
        (b"{\"customer_id\": \"c\"", "line 1 column 19"),
        (b"{\"unknown\": 1, broken", "line 1 column 16"),
        (br#"{"customer_id": "c", "lines": []} {}"#, "line 1 column 35"),
        (b"{\n\"customer_id\": \"\xff\"}", "invalid UTF-8 at line 2 column 17"),
        (br#"{"customer_id": "\ud800", "lines": []}"#, "line 1 column"),
        (b"nonsense", "line 1 column 2"),
        (&deep("[", "]").into_bytes(), "too deep a nesting at line 1 column 65"),
        (&deep("{\"customer_id\":", "}").into_bytes(), "too deep a nesting at line 1"),
    ];
    for (body, place) in bodies {
        let answer = refused(to, put().json(body), 400, "").await;
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(place), "{detail}");
        assert_eq!(answer.body["type"], "/problems/bad-request");
    }
}

#[actix_web::test]
async fn brackets_in_a_text_are_no_nesting() {
    let to = app::start(None);
    let reason = format!(r#"\"{}\\"#, "[".repeat(100));
    let body = format!(r#"{{"reason": "{reason}"}}"#);
    answered(to, cancel().json(body), json!({ "reason": format!("\"{}\\", "[".repeat(100)) }))
        .await;
}

#[actix_web::test]
async fn a_body_of_another_kind_is_an_unsupported_media_type() {
    let to = app::start(None);
    refused(to, put().body(GOOD), 415, "").await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        refused(to, put().header("Content-Type", kind).body(GOOD), 415, "").await;
    }
    refused(to, put().header("Content-Encoding", "gzip").json(GOOD), 415, "").await;
}

#[actix_web::test]
async fn a_body_may_have_256_kib_and_no_byte_more() {
    let (to, answer) = (app::start(None), json!({ "id": &ORDER[8..], "lines": 1 }));
    let (full, over) = (of_size(MAX_BODY_BYTES), of_size(MAX_BODY_BYTES + 1));
    answered(to, put().json(&full), answer.clone()).await;
    answered(to, put().json(&full).chunked(), answer).await;
    refused(to, put().json(&over), 413, "").await;
    refused(to, put().json(&over).chunked(), 413, "").await;
}

#[actix_web::test]
async fn a_body_of_20_mib_is_refused_without_breaking_the_connection_under_the_answer() {
    let (to, huge) = (app::start(None), of_size(20 << 20));
    refused(to, put().json(&huge), 413, "").await;
    refused(to, put().json(&huge).chunked(), 413, "").await;
}

#[actix_web::test]
async fn json_of_another_shape_names_the_field() {
    let to = app::start(None);
    for (body, field) in [
        ("[]", "body"),
        ("null", "body"),
        ("\"text\"", "body"),
        ("{}", "customer_id"),
        (r#"{"customer_id": 7}"#, "customer_id"),
        (r#"{"customer_id": ""}"#, "customer_id"),
        (r#"{"customer_id": "a\nb"}"#, "customer_id"),
        (r#"{"customer_id": "c", "customer_id": "c"}"#, "customer_id"),
        (r#"{"customer_id": "c"}"#, "lines"),
        (r#"{"customer_id": "c", "lines": {}}"#, "lines"),
        (r#"{"customer_id": "c", "lines": [], "x\u0000": 1}"#, "body"),
        (r#"{"customer_id": "c", "lines": [], "colour": [[1e400]]}"#, "colour"),
        (r#"{"customer_id": "c", "lines": [], "weight": 1e400}"#, "weight"),
    ] {
        let answer = refused(to, put().json(body), 422, field).await;
        assert_eq!(answer.body["type"], "/problems/validation");
    }
}

#[actix_web::test]
async fn json_of_another_shape_deep_inside_names_the_whole_path() {
    let to = app::start(None);
    refused(to, with_line(r#"{"sku": "s"}"#), 422, "lines[0].quantity").await;
    refused(to, with_line(r#"{"sku": "s", "quantity": 1, "no": 2}"#), 422, "lines[0].no").await;
    refused(to, with_line(r#"{"sku": "\u0000", "quantity": 1}"#), 422, "lines[0].sku").await;
    for number in ["-1", "65536", "2147483648", "1e400", "1.5", "1e2", "\"1\"", "null", "[]"] {
        let line =
            format!(r#"{{"sku": "s", "quantity": 1}}, {{"sku": "s", "quantity": {number}}}"#);
        refused(to, with_line(&line), 422, "lines[1].quantity").await;
    }
}

#[actix_web::test]
async fn a_long_unknown_field_is_not_sent_back() {
    let to = app::start(None);
    let body = format!(r#"{{"{}": 1}}"#, "k".repeat(200_000));
    let answer = put().json(body).send(to).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.to_string().len() < 2_000);
}

#[actix_web::test]
async fn a_body_that_may_be_left_out_needs_no_content_type_then() {
    let to = app::start(None);
    answered(to, cancel(), json!({ "reason": null })).await;
    answered(to, cancel().chunked(), json!({ "reason": null })).await;
    answered(to, cancel().json(""), json!({ "reason": null })).await;
    answered(to, cancel().json(r#"{"reason": "late"}"#), json!({ "reason": "late" })).await;
    refused(to, cancel().body("{}"), 415, "").await;
    refused(to, cancel().json("{"), 400, "").await;
    refused(to, cancel().json(r#"{"raeson": "late"}"#), 422, "raeson").await;
    refused(to, cancel().json(of_size(MAX_BODY_BYTES + 1)).chunked(), 413, "").await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_given_up() {
    let request = TestRequest::default().to_http_request();
    let mut payload: Payload = Payload::Stream { payload: Box::pin(pending()) };
    let problem = Body::<()>::from_request(&request, &mut payload).await.err().unwrap();
    assert_eq!(problem.status, 408);
}
