//! Refusals as RFC 9457 has them: `application/problem+json` with a `type` that never changes.

use std::{error::Error, fmt, ops::Deref};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of every refusal.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What is wrong with one field, parameter or header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Its name or path, such as `lines[0].quantity`.
    #[schema(example = "lines[0].quantity")]
    pub field: String,
    /// What is wrong with it.
    #[schema(example = "must be 1 to 10000")]
    pub detail: String,
}

impl FieldError {
    /// `detail` is wrong with `field`.
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), detail: detail.into() }
    }
}

/// A problem document as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct Document {
    /// Which kind of problem, as `/problems/<slug>`; it never changes.
    #[serde(rename = "type")]
    #[schema(example = "/problems/validation")]
    pub kind: String,
    /// The kind of problem in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time.
    pub detail: String,
    /// Where it went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The fields to correct.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// When to try again, in seconds; also in the header `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

/// A refusal: what handlers and extractors return as their error. Boxed, because it is rare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(Box<Parts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    document: Document,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of a kind of its own, `/problems/<slug>`; the title is the slug in words.
    pub fn new(status: StatusCode, slug: &str, detail: impl Into<String>) -> Self {
        let document = Document {
            kind: format!("/problems/{slug}"),
            title: in_words(slug),
            status: status.as_u16(),
            detail: detail.into(),
            instance: None,
            errors: Vec::new(),
            retry_after: None,
        };
        Self(Box::new(Parts { document, headers: Vec::new() }))
    }

    /// A problem that says no more than its status does, such as `/problems/not-found`.
    pub fn of(status: StatusCode, detail: impl Into<String>) -> Self {
        let reason = status.canonical_reason().unwrap_or("Unknown");
        Self::new(status, &reason.to_lowercase().replace(' ', "-"), detail)
    }

    /// 400: the request cannot be read.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::BAD_REQUEST, detail)
    }

    /// 400: a header is missing or wrong.
    pub fn header(name: &str, detail: impl Into<String>) -> Self {
        let error = FieldError::new(name, detail);
        Self::bad_request(format!("{name} {}", error.detail)).with_errors(vec![error])
    }

    /// 401: who asks is not known; `challenge` becomes `WWW-Authenticate`.
    pub fn unauthorized(detail: impl Into<String>, challenge: &'static str) -> Self {
        Self::of(StatusCode::UNAUTHORIZED, detail)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// 404: what is asked for does not exist.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::NOT_FOUND, detail)
    }

    /// 405: the path exists, for other methods.
    pub fn method_not_allowed(method: &Method, allowed: &[Method]) -> Self {
        let allowed = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let problem = Self::of(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("{method} is not possible here, only {allowed}"),
        );
        match HeaderValue::from_str(&allowed) {
            Ok(value) => problem.with_header(header::ALLOW, value),
            Err(_) => problem,
        }
    }

    /// 409: not in this state; `slug` says why, such as `not-released`.
    pub fn conflict(slug: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, slug, detail)
    }

    /// 413: the body has more than `limit_bytes`.
    pub fn payload_too_large(limit_bytes: usize) -> Self {
        Self::of(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body may have at most {limit_bytes} bytes"),
        )
    }

    /// 415: the body is not of a kind that can be read.
    pub fn unsupported_media_type(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
    }

    /// 422: the request can be read, but these fields are wrong.
    pub fn validation(errors: Vec<FieldError>) -> Self {
        let details: Vec<_> =
            errors.iter().map(|error| format!("{}: {}", error.field, error.detail)).collect();
        Self::unprocessable("validation", details.join("; ")).with_errors(errors)
    }

    /// 422: one field is wrong.
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::validation(vec![FieldError::new(field, detail)])
    }

    /// 422 of a kind of its own, such as `idempotency-key-reused`.
    pub fn unprocessable(slug: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, slug, detail)
    }

    /// 429: too much at once; try again after `retry_after_s` seconds.
    pub fn too_many_requests(detail: impl Into<String>, retry_after_s: u32) -> Self {
        Self::of(StatusCode::TOO_MANY_REQUESTS, detail).with_retry_after(retry_after_s)
    }

    /// 500: our own fault. Logs `error` with its causes, here and only here; the client is told
    /// nothing of it.
    pub fn internal(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = with_causes(error), "a request failed");
        Self::of(StatusCode::INTERNAL_SERVER_ERROR, "the request could not be served")
    }

    /// 503: for now it cannot be served; try again after `retry_after_s` seconds.
    pub fn unavailable(detail: impl Into<String>, retry_after_s: u32) -> Self {
        Self::of(StatusCode::SERVICE_UNAVAILABLE, detail).with_retry_after(retry_after_s)
    }

    /// The same, naming the fields to correct.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.0.document.errors = errors;
        self
    }

    /// The same, naming what it happened to, as a URI reference.
    #[must_use]
    pub fn with_instance(mut self, instance: impl Into<String>) -> Self {
        self.0.document.instance = Some(instance.into());
        self
    }

    /// The same with another header on its response.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    fn with_retry_after(mut self, seconds: u32) -> Self {
        self.0.document.retry_after = Some(seconds);
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }
}

impl Deref for Problem {
    type Target = Document;

    fn deref(&self) -> &Document {
        &self.0.document
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.detail)
    }
}

impl Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        for (name, value) in &self.0.headers {
            response.insert_header((name.clone(), value.clone()));
        }
        // Set before the body, which else would make it `application/json`.
        response.content_type(CONTENT_TYPE).json(&self.0.document)
    }
}

/// `not-released` as `Not released`.
fn in_words(slug: &str) -> String {
    let words = slug.replace('-', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// An error and what caused it, on one line.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests;
