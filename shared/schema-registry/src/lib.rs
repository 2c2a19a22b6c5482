//! The embedded schema registry, and the Avro compatibility check that the command line and CI use.
//!
//! The registry speaks Confluent's REST API, so that neither a service nor a client library can
//! tell it from the real one, and keeps what it knows in one SQLite file that survives `kill -9`
//! and a power cut.
//!
//! - [`Registry`]: the operations, as plain async methods.
//! - [`configure`]: the same over HTTP, mounted below any scope.
//! - [`compatibility`]: pure; may this schema be released beside those?
//!
//! What it deliberately has not: references between schemas, JSON Schema and Protobuf, contexts,
//! modes other than READWRITE, metadata and rule sets. Whoever asks for them is refused, never
//! silently ignored.

pub mod compatibility;
mod error;
mod http;
mod registry;
mod schema;
mod store;
mod subject;
mod verdict;

pub use compatibility::{CompatibilityLevel, Incompatibility, check};
pub use error::RegistryError;
pub use http::configure;
pub use registry::Registry;
pub use schema::parse_schema;
pub use subject::{Deletion, Registered, Selector, Visibility};
pub use verdict::{Against, Verdict};
