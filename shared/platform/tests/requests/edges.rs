//! Unknown paths and methods, operators, traces, the description, and errors that others made.

use serde_json::json;

use crate::{answered, app, client::Call, refused};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[actix_web::test]
async fn an_unknown_path_is_not_found() {
    let to = app::start(None);
    for path in ["/", "/nowhere", "/orders/", "/api/v1/orders"] {
        let answer = refused(to, Call::get(path), 404, "").await;
        assert_eq!(answer.body["type"], "/problems/not-found");
    }
}

#[actix_web::test]
async fn an_unknown_method_says_which_are_allowed() {
    let to = app::start(None);
    for (method, path, allowed) in [
        ("DELETE", "/orders", "GET, POST"),
        ("GET", "/orders/42", "PUT"),
        ("PATCH", "/orders/42/cancel", "POST"),
        ("BREW", "/trace", "GET"),
    ] {
        let answer = refused(to, Call::new(method, path), 405, "").await;
        assert_eq!(answer.header("Allow"), allowed, "{method} {path}");
    }
}

#[actix_web::test]
async fn errors_of_actix_itself_are_problem_documents() {
    let to = app::start(None);
    let answer = refused(to, Call::new("POST", "/plain").json("{"), 400, "").await;
    assert_eq!(answer.body["type"], "/problems/bad-request");
    let answer = refused(to, Call::get("/broken"), 500, "").await;
    assert!(!answer.body.to_string().contains("1234"), "{answer:?}");
}

#[actix_web::test]
async fn errors_in_another_format_stay_as_they_are() {
    let answer = Call::get("/subjects").send(app::start(None)).await;
    assert_eq!((answer.status, answer.body), (404, json!({ "error_code": 40401 })));
}

#[actix_web::test]
async fn an_operator_shows_the_token_when_one_is_configured() {
    let to = app::start(Some("secret"));
    let operate = || Call::new("POST", "/operations");
    for shown in ["secret", "Bearer", "Bearer ", "Bearer secre", "Bearer secret1", "Basic secret"] {
        let answer = refused(to, operate().header("Authorization", shown), 401, "").await;
        assert!(answer.header("WWW-Authenticate").starts_with("Bearer realm="), "{shown}");
    }
    refused(to, operate(), 401, "").await;
    for shown in ["Bearer secret", "bearer  secret"] {
        answered(to, operate().header("Authorization", shown), json!("done")).await;
    }
    answered(app::start(None), operate(), json!("done")).await;
}

#[actix_web::test]
async fn a_request_belongs_to_its_callers_trace() {
    let to = app::start(None);
    let call = Call::get("/trace").header("traceparent", PARENT);
    let call = call.header("tracestate", "a=1").header("tracestate", "b=2");
    answered(to, call, json!({ "parent": PARENT, "state": "a=1,b=2" })).await;
}

#[actix_web::test]
async fn a_request_without_a_valid_trace_begins_one() {
    let to = app::start(None);
    let twice = Call::get("/trace").header("traceparent", PARENT).header("traceparent", PARENT);
    let wrong =
        Call::get("/trace").header("traceparent", "00-nonsense").header("tracestate", "a=1");
    for call in [Call::get("/trace"), twice, wrong] {
        let answer = call.send(to).await;
        let parent = answer.body["parent"].as_str().unwrap();
        assert_eq!((parent.len(), parent == PARENT), (PARENT.len(), false));
        assert_eq!(answer.body["state"], json!(null));
    }
}

#[actix_web::test]
async fn the_description_is_openapi_3_1_with_problems_in_it() {
    let answer = Call::get("/api/openapi.json").send(app::start(None)).await;
    assert_eq!(answer.body["openapi"], "3.1.0");
    let refusal = &answer.body["paths"]["/orders"]["post"]["responses"]["4XX"];
    let schema = &refusal["content"]["application/problem+json"]["schema"]["$ref"];
    assert_eq!(schema, "#/components/schemas/Problem");
    assert!(answer.body["components"]["schemas"]["Problem"]["properties"]["type"].is_object());
    assert!(answer.body["components"]["schemas"]["FieldError"].is_object());
    assert_eq!(answer.body["components"]["securitySchemes"]["operator"]["scheme"], "bearer");
}

#[actix_web::test]
async fn the_description_knows_bodies_pages_and_the_types_of_the_kernel() {
    let answer = Call::get("/api/openapi.json").send(app::start(None)).await;
    let schemas = &answer.body["components"]["schemas"];
    assert_eq!(schemas["Line"]["properties"]["sku"]["$ref"], "#/components/schemas/Sku");
    assert_eq!(schemas["Sku"]["type"], "string");
    assert_eq!(schemas["Sku"]["maxLength"], 100);
    assert!(schemas["Paged_Line"]["properties"]["items"].is_object(), "{schemas}");
    let parameters = answer.body["paths"]["/orders"]["get"]["parameters"].to_string();
    assert!(parameters.contains("after") && parameters.contains("limit"), "{parameters}");
}

#[actix_web::test]
async fn the_page_to_try_the_calls_is_served() {
    let to = app::start(None);
    let answer = Call::get("/api/docs").send(to).await;
    assert_eq!((answer.status, answer.header("Location")), (307, "/api/docs/"));
    let answer = Call::get("/api/docs/").send(to).await;
    assert_eq!((answer.status, answer.header("Content-Type")), (200, "text/html"));
    let answer = Call::get("/api/docs/swagger-initializer.js").send(to).await;
    assert!(answer.body.as_str().unwrap().contains("/api/openapi.json"));
}
