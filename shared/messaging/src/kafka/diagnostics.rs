//! What librdkafka tells its clients beside their results: why brokers cannot be reached, log
//! lines, and that it wants a token.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rdkafka::{client::OAuthToken, config::RDKafkaLogLevel, error::RDKafkaErrorCode as Code};

use super::token;

/// The newest trouble of one client. A result says "timed out", this says why.
#[derive(Debug, Default)]
pub struct Diagnostics {
    token_file: Option<PathBuf>,
    latest: Mutex<Latest>,
}

#[derive(Debug, Default)]
struct Latest {
    denied: Option<String>,
    trouble: Option<String>,
}

impl Diagnostics {
    /// Diagnostics of a client that may log in with the token in this file.
    pub fn new(token_file: Option<PathBuf>) -> Self {
        Self { token_file, latest: Mutex::default() }
    }

    /// Keeps what librdkafka reports.
    pub fn heard(&self, code: Code, reason: &str) {
        let mut latest = self.lock();
        match code {
            Code::Authentication | Code::SaslAuthenticationFailed => {
                latest.denied = Some(reason.to_owned());
            }
            // That all are down is a consequence; what came before says why. The end is no trouble.
            Code::AllBrokersDown | Code::PartitionEOF => {}
            _ => latest.trouble = Some(reason.to_owned()),
        }
    }

    /// Forgets, because the cluster has answered.
    pub fn clear(&self) {
        *self.lock() = Latest::default();
    }

    /// Why the brokers turned us away, if they did.
    pub fn denied(&self) -> Option<String> {
        self.lock().denied.clone()
    }

    /// Why brokers could not be reached.
    pub fn trouble(&self) -> Option<String> {
        self.lock().trouble.clone()
    }

    /// librdkafka's own log. What matters comes back as an error too, so this is for debugging.
    pub fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(target: "librdkafka", facility, message);
            }
            _ => tracing::debug!(target: "librdkafka", facility, message),
        }
    }

    /// The token, read anew.
    ///
    /// # Errors
    /// When there is none or it has expired.
    pub fn token(&self) -> Result<OAuthToken, token::TokenError> {
        token::read(self.token_file.as_deref()).inspect_err(|error| {
            self.heard(Code::Authentication, &error.to_string());
        })
    }

    fn lock(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
