//! The operators' bearer token (RFC 6750): wanted only when one is configured.

use std::{
    fmt,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web::Data};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::Problem;

const NO_TOKEN: &str = r#"Bearer realm="shop""#;
const WRONG_TOKEN: &str = r#"Bearer realm="shop", error="invalid_token""#;

/// The token as a hash: texts of any length are compared in the same time, and a dump or a log
/// has no secret.
#[derive(Clone)]
pub struct OperatorToken(Option<[u8; 32]>);

impl OperatorToken {
    /// What operators must show; `None` lets everybody in.
    ///
    /// # Errors
    /// When the token could not be sent in a header. An empty one, as an unset secret leaves
    /// behind, must not open the door.
    pub fn new(token: Option<&str>) -> Result<Self, UnusableToken> {
        let usable = |token: &str| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
        match token {
            Some(token) if !usable(token) => Err(UnusableToken),
            _ => Ok(Self(token.map(hash))),
        }
    }

    /// Whether a token is wanted at all.
    pub fn is_required(&self) -> bool {
        self.0.is_some()
    }

    /// Checks what the header `Authorization` says.
    fn check(&self, authorization: Option<&[u8]>) -> Result<(), Problem> {
        let Some(expected) = &self.0 else { return Ok(()) };
        let Some(shown) = authorization.and_then(bearer_token) else {
            return Err(Problem::unauthorized("operators must show a bearer token", NO_TOKEN));
        };
        if bool::from(expected.ct_eq(&hash(shown))) {
            return Ok(());
        }
        Err(Problem::unauthorized("the bearer token is not the operators'", WRONG_TOKEN))
    }
}

impl fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperatorToken(required: {})", self.is_required())
    }
}

/// Why a text cannot be the operators' token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operators' token must be visible ASCII characters, at least one")]
pub struct UnusableToken;

/// Proof that an operator asks; a handler that takes it is closed to all others. The application's
/// data must have an [`OperatorToken`]: without one nobody is let in.
#[derive(Clone, Copy, Debug)]
pub struct Operator(());

impl FromRequest for Operator {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let authorization = request.headers().get(header::AUTHORIZATION);
        let checked = match request.app_data::<Data<OperatorToken>>() {
            Some(token) => token.check(authorization.map(|value| value.as_bytes())),
            None => Err(Problem::internal(&NotConfigured)),
        };
        ready(checked.map(Self))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("check an operator's token: the application's data has no OperatorToken")]
struct NotConfigured;

fn hash(token: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The token behind `Bearer `, in whatever case the scheme is written.
fn bearer_token(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_cannot_be_shown_is_refused() {
        for token in ["", " ", "two words", "schlüssel", "line\n"] {
            assert_eq!(OperatorToken::new(Some(token)).err(), Some(UnusableToken), "{token:?}");
        }
        assert!(OperatorToken::new(None).is_ok_and(|token| !token.is_required()));
    }

    #[test]
    fn a_token_is_not_in_the_logs() {
        let token = OperatorToken::new(Some("secret"));
        assert_eq!(format!("{token:?}"), "Ok(OperatorToken(required: true))");
    }
}
