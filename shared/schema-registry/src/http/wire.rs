//! What goes over the wire: bodies, query flags, errors and the content type.

use std::fmt;

use actix_web::error::{JsonPayloadError, QueryPayloadError};
use actix_web::http::StatusCode;
use actix_web::web::{JsonConfig, PathConfig, QueryConfig};
use actix_web::{HttpResponse, ResponseError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::compatibility::CompatibilityLevel;
use crate::error::RegistryError;
use crate::subject::{Deletion, Visibility};

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// A schema of this size describes thousands of fields.
const BODY_LIMIT_BYTES: usize = 1024 * 1024;

/// Entries of a list; Confluent's own limit for schemas.
const PAGE_LIMIT: usize = 1000;

/// The body of a registration, a lookup and a compatibility test.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SchemaBody {
    schema: Option<String>,
    schema_type: Option<String>,
    #[serde(default)]
    references: Value,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    rule_set: Value,
    id: Option<i64>,
    version: Option<i64>,
    /// Part of a version as it is read back; a client may send the whole of it.
    #[serde(rename = "subject")]
    _subject: Option<String>,
}

impl SchemaBody {
    /// The text, unless the body asks for what we don't have.
    pub(super) fn avro(&self) -> Result<&str, RegistryError> {
        let refuse = |reason: String| Err(RegistryError::InvalidSchema(reason));
        if let Some(other) =
            self.schema_type.as_deref().filter(|it| !it.eq_ignore_ascii_case("AVRO"))
        {
            return refuse(format!("schema type {other} is not supported, only AVRO is"));
        }
        if is_given(&self.references) {
            return refuse("references to other schemas are not supported".to_owned());
        }
        if is_given(&self.metadata) || is_given(&self.rule_set) {
            return refuse("metadata and rule sets are not supported".to_owned());
        }
        Ok(self.schema.as_deref().unwrap_or_default())
    }

    /// As [`Self::avro`], and the id and version are left to us.
    pub(super) fn avro_to_register(&self, subject: &str) -> Result<&str, RegistryError> {
        // Clients in Java and Python send 0 or -1 for "not given".
        if self.id.unwrap_or(0) > 0 || self.version.unwrap_or(0) > 0 {
            return Err(RegistryError::NotInImportMode(subject.to_owned()));
        }
        self.avro()
    }
}

/// Clients send `null` or an empty list for what they don't use.
fn is_given(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    }
}

/// The body that sets a level.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LevelBody {
    /// Confluent reads `compatibility` and writes `compatibilityLevel`.
    #[serde(alias = "compatibilityLevel")]
    compatibility: String,
}

impl LevelBody {
    pub(super) fn level(&self) -> Result<CompatibilityLevel, RegistryError> {
        let unknown = |_| RegistryError::InvalidLevel(self.compatibility.clone());
        self.compatibility.parse().map_err(unknown)
    }
}

/// Every query parameter of the API; a call heeds those it knows.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Flags {
    deleted: bool,
    permanent: bool,
    pub(super) verbose: bool,
    pub(super) default_to_global: bool,
    pub(super) latest_only: bool,
    pub(super) subject_prefix: Option<String>,
    offset: usize,
    limit: Option<i64>,
}

impl Flags {
    pub(super) fn visibility(&self) -> Visibility {
        if self.deleted { Visibility::IncludingDeleted } else { Visibility::Live }
    }

    pub(super) fn deletion(&self) -> Deletion {
        if self.permanent { Deletion::Permanent } else { Deletion::Soft }
    }

    /// A limit that is absent or negative means as much as we give.
    pub(super) fn page(&self) -> std::ops::Range<usize> {
        let limit = self.limit.and_then(|limit| usize::try_from(limit).ok());
        let limit = limit.unwrap_or(PAGE_LIMIT).min(PAGE_LIMIT);
        self.offset..self.offset.saturating_add(limit)
    }
}

/// An id from a path; what is not an id was never given.
pub(super) fn id(text: &str) -> Result<i32, RegistryError> {
    text.parse().map_err(|_| RegistryError::SchemaNotFound(None))
}

/// Why a request got no answer.
#[derive(Debug)]
pub(super) enum Failure {
    Registry(RegistryError),
    Body(JsonPayloadError),
    Query(QueryPayloadError),
    UnknownPath,
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(error) => error.fmt(f),
            Self::Body(error) => error.fmt(f),
            Self::Query(error) => error.fmt(f),
            Self::UnknownPath => f.write_str("HTTP 404 Not Found"),
        }
    }
}

impl Failure {
    fn code(&self) -> u32 {
        match self {
            Self::Registry(error) => error.code(),
            Self::Body(JsonPayloadError::ContentType) => 415,
            Self::Body(
                JsonPayloadError::Overflow { .. } | JsonPayloadError::OverflowKnownLength { .. },
            ) => 413,
            Self::Body(JsonPayloadError::Deserialize(error)) if error.is_data() => 422,
            Self::Body(_) | Self::Query(_) => 400,
            Self::UnknownPath => 404,
        }
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        let code = self.code();
        let status = if code >= 1000 { code / 100 } else { code };
        let status = u16::try_from(status).ok().and_then(|it| StatusCode::from_u16(it).ok());
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        if self.status_code().is_server_error() {
            tracing::error!(error = %self, "schema registry could not answer");
        }
        let body = json!({ "error_code": self.code(), "message": self.to_string() });
        HttpResponse::build(self.status_code()).content_type(CONTENT_TYPE).body(body.to_string())
    }
}

pub(super) fn answer(body: impl Serialize) -> Result<HttpResponse, Failure> {
    let body = serde_json::to_vec(&body)
        .map_err(|error| Failure::Body(JsonPayloadError::Serialize(error)))?;
    Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(body))
}

/// A schema alone is JSON already.
pub(super) fn text(schema: String) -> HttpResponse {
    HttpResponse::Ok().content_type(CONTENT_TYPE).body(schema)
}

/// Any JSON content type. None, or one that a form on a web page can send, is refused: otherwise
/// every page that a developer visits could write to the registry on their machine.
pub(super) fn json_config() -> JsonConfig {
    JsonConfig::default()
        .limit(BODY_LIMIT_BYTES)
        .content_type(|mime| mime.essence_str() == "application/octet-stream")
        .error_handler(|error, _| Failure::Body(error).into())
}

pub(super) fn query_config() -> QueryConfig {
    QueryConfig::default().error_handler(|error, _| Failure::Query(error).into())
}

/// A path that cannot be decoded leads nowhere.
pub(super) fn path_config() -> PathConfig {
    PathConfig::default().error_handler(|_, _| Failure::UnknownPath.into())
}
