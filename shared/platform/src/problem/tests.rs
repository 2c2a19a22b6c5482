//! The kinds of problems and their responses.

use actix_web::http::header::HeaderMap;

use super::*;

/// The status, the slug, and the value of one header that a problem's response has.
#[track_caller]
fn check(problem: &Problem, status: u16, slug: &str, header: Option<(HeaderName, &str)>) {
    let response = problem.error_response();
    let headers: &HeaderMap = response.headers();
    assert_eq!(response.status().as_u16(), status);
    assert_eq!(problem.kind, format!("/problems/{slug}"));
    assert_eq!(
        headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes),
        Some(&b"application/problem+json"[..])
    );
    if let Some((name, value)) = header {
        assert_eq!(headers.get(name).map(HeaderValue::as_bytes), Some(value.as_bytes()));
    }
}

#[test]
fn each_kind_has_its_status_its_type_and_its_header() {
    let retry = Some((header::RETRY_AFTER, "7"));
    let allow = Some((header::ALLOW, "GET, PUT"));
    let bearer = Some((header::WWW_AUTHENTICATE, "Bearer"));
    let methods = [Method::GET, Method::PUT];
    check(&Problem::bad_request("d"), 400, "bad-request", None);
    check(&Problem::unauthorized("d", "Bearer"), 401, "unauthorized", bearer);
    check(&Problem::not_found("d"), 404, "not-found", None);
    check(&Problem::method_not_allowed(&Method::POST, &methods), 405, "method-not-allowed", allow);
    check(&Problem::conflict("not-released", "d"), 409, "not-released", None);
    check(&Problem::payload_too_large(1), 413, "payload-too-large", None);
    check(&Problem::unsupported_media_type("d"), 415, "unsupported-media-type", None);
    check(&Problem::field("sku", "d"), 422, "validation", None);
    check(&Problem::too_many_requests("d", 7), 429, "too-many-requests", retry.clone());
    check(&Problem::internal(&fmt::Error), 500, "internal-server-error", None);
    check(&Problem::unavailable("d", 7), 503, "service-unavailable", retry);
}

#[test]
fn the_title_is_the_slug_in_words() {
    assert_eq!(Problem::conflict("not-released", "d").title, "Not released");
}

#[test]
fn our_own_faults_stay_with_us() {
    let problem = Problem::internal(&std::io::Error::other("password is 1234"));
    assert!(!format!("{problem:?}").contains("1234"));
}

#[test]
fn causes_are_logged_in_one_line() {
    #[derive(Debug, thiserror::Error)]
    #[error("store the order")]
    struct Outer(#[source] fmt::Error);
    let line = with_causes(&Outer(fmt::Error));
    assert_eq!(line, format!("store the order: {}", fmt::Error));
}
