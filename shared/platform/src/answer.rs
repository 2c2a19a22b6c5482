//! What became of a request, as HTTP says it.

use messaging::{database::StoreError, executor::RequestError};

use crate::Problem;

/// When a request that found the database or the registry away may come back, in seconds.
const RETRY_AFTER_S: u32 = 1;

/// The problem document of a request that was not done; `refused` words the service's own reasons.
pub fn problem<R>(error: RequestError<R>, refused: impl FnOnce(R) -> Problem) -> Problem {
    match error {
        RequestError::Refused(refusal) => refused(refusal),
        RequestError::KeyReused => Problem::unprocessable(
            "idempotency-key-reused",
            "this Idempotency-Key was used for another request; use a new one",
        ),
        RequestError::Overloaded(wait) => {
            let seconds = u32::try_from(wait.as_secs().max(1)).unwrap_or(u32::MAX);
            Problem::unavailable("too much waits already, try again later", seconds)
        }
        RequestError::Unavailable(reason) => {
            tracing::warn!(reason, "a request could not be done");
            Problem::unavailable(
                "the service cannot do this at the moment, try again",
                RETRY_AFTER_S,
            )
        }
        RequestError::Internal(reason) => Problem::internal(&Bug(reason)),
    }
}

/// The problem document of a query that failed.
pub fn unreadable(error: &StoreError) -> Problem {
    if error.is_transient() {
        tracing::warn!(%error, "a query could not be answered");
        Problem::unavailable("the service cannot answer at the moment, try again", RETRY_AFTER_S)
    } else {
        Problem::internal(error)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a request failed: {0}")]
struct Bug(String);
