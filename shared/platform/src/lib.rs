//! What the edges of every service share: requests are read strictly here, refusals are problem
//! documents, and time, logs, health, retries and the end of a process are handled alike.
//!
//! A listener is put together in this order, the outermost middleware last:
//!
//! ```
//! use actix_web::{App, middleware::from_fn};
//! use platform::{fallback, health, openapi, trace};
//! use utoipa_actix_web::AppExt;
//!
//! let (app, api) = App::new().into_utoipa_app().configure(health::routes).split_for_parts();
//! let app = app
//!     .configure(|config| openapi::complete(config, api))
//!     .wrap(from_fn(fallback::documents))
//!     .wrap(from_fn(trace::traced));
//! # drop(app);
//! ```

pub mod answer;
pub mod auth;
pub mod clock;
pub mod distributed;
pub mod environment;
mod explain;
pub mod fallback;
pub mod health;
pub mod host;
pub mod idempotency;
pub mod json;
pub mod logging;
pub mod metrics;
pub mod openapi;
pub mod operations;
pub mod page;
pub mod path;
pub mod problem;
pub mod query;
pub mod requests;
pub mod service;
pub mod shutdown;
pub mod telemetry;
pub mod trace;

pub use auth::{Operator, OperatorToken};
pub use clock::SystemClock;
pub use health::{Check, Health};
pub use idempotency::{IdempotencyKey, Idempotent};
pub use json::{Body, OptionalBody};
pub use page::{Cursor, Listing, Page, PageParams, Paged};
pub use path::Segment;
pub use problem::{FieldError, Problem};
pub use query::Params;
pub use trace::Trace;

/// Batches are allocated by one thread and freed by another, and SQLite and librdkafka allocate too
/// (`override`): the system's allocator was a quarter of a saga's cost (decision 8).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
