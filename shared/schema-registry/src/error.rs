//! Everything the registry can answer instead of what was asked, and Confluent's number for it.
//!
//! Messages are Confluent's where client libraries are known to show or to match them. The numbers:
//! <https://docs.confluent.io/platform/current/schema-registry/develop/api.html>

use sea_orm::DbErr;

/// Why the registry could not do as it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No (visible) version was ever registered under this subject.
    #[error("Subject '{0}' not found.")]
    SubjectNotFound(String),
    /// The subject has no such (visible) version.
    #[error("Version {0} not found.")]
    VersionNotFound(String),
    /// No schema has this id, or this text is not registered under the subject.
    #[error("Schema {}not found", .0.map_or(String::new(), |id| format!("{id} ")))]
    SchemaNotFound(Option<i32>),
    /// Deleted already, and not asked to be deleted for good.
    #[error("Subject '{0}' was soft deleted. Set permanent=true to delete permanently")]
    SubjectSoftDeleted(String),
    /// To be deleted for good, but not yet deleted at all.
    #[error("Subject '{0}' was not deleted first before being permanently deleted")]
    SubjectNotSoftDeleted(String),
    /// Deleted already, and not asked to be deleted for good.
    #[error("Subject '{0}' Version {1} was soft deleted. Set permanent=true to delete permanently")]
    VersionSoftDeleted(String, i32),
    /// To be deleted for good, but not yet deleted at all.
    #[error("Subject '{0}' Version {1} was not deleted first before being permanently deleted")]
    VersionNotSoftDeleted(String, i32),
    /// The subject follows the global level.
    #[error("Subject '{0}' does not have subject-level compatibility configured")]
    LevelNotConfigured(String),
    /// The subject follows the global mode, as all do.
    #[error("Subject '{0}' does not have subject-level mode configured")]
    ModeNotConfigured(String),
    /// The new schema breaks readers or writers of earlier ones.
    #[error(
        "Schema being registered is incompatible with an earlier schema for subject \"{subject}\", details: [{details}]"
    )]
    Incompatible {
        /// The subject.
        subject: String,
        /// Every reason, as in a verbose compatibility test.
        details: String,
    },
    /// Not Avro, not valid, or in need of something we don't have.
    #[error("Invalid schema: {0}")]
    InvalidSchema(String),
    /// Neither a positive number nor `latest`.
    #[error(
        "The specified version '{0}' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\""
    )]
    InvalidVersion(String),
    /// Not one of the seven levels.
    #[error(
        "Invalid compatibility level '{0}'. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive"
    )]
    InvalidLevel(String),
    /// Ids and versions are ours to give.
    #[error("Subject {0} is not in import mode")]
    NotInImportMode(String),
    /// Empty, too long, or with control characters.
    #[error("The specified subject '{0}' is not a valid subject.")]
    InvalidSubject(String),
    /// The database refused.
    #[error("Error in the backend data store: {0}")]
    Store(#[from] DbErr),
}

impl RegistryError {
    /// Confluent's `error_code`; its first three digits are the HTTP status.
    #[must_use]
    pub fn code(&self) -> u32 {
        match self {
            Self::SubjectNotFound(_) => 40401,
            Self::VersionNotFound(_) => 40402,
            Self::SchemaNotFound(_) => 40403,
            Self::SubjectSoftDeleted(_) => 40404,
            Self::SubjectNotSoftDeleted(_) => 40405,
            Self::VersionSoftDeleted(..) => 40406,
            Self::VersionNotSoftDeleted(..) => 40407,
            Self::LevelNotConfigured(_) => 40408,
            Self::ModeNotConfigured(_) => 40409,
            Self::Incompatible { .. } => 409,
            Self::InvalidSchema(_) => 42201,
            Self::InvalidVersion(_) => 42202,
            Self::InvalidLevel(_) => 42203,
            Self::NotInImportMode(_) => 42205,
            Self::InvalidSubject(_) => 42208,
            Self::Store(_) => 50001,
        }
    }

    /// Whether the same request may succeed later. A database error may pass; a wrong request stays
    /// wrong.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(_))
    }
}
