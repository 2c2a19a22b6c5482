//! The token of an OAUTHBEARER log-in: a JSON web token (RFC 7519) in a file that somebody keeps
//! fresh. Its signature is the broker's business.

use std::{fs, io, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rdkafka::client::OAuthToken;
use serde::Deserialize;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// No file was configured.
    #[error("no token file is configured")]
    Missing,
    /// The file cannot be read.
    #[error("cannot read the token file: {0}")]
    Unreadable(#[from] io::Error),
    /// It holds something else.
    #[error("the token file holds no JSON web token with an expiry")]
    Malformed,
}

/// The claims that librdkafka wants to know.
#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    sub: String,
    exp: f64,
}

/// The token in `file`.
///
/// # Errors
/// When the file cannot be read or holds no token.
pub fn read(file: Option<&Path>) -> Result<OAuthToken, TokenError> {
    parse(fs::read_to_string(file.ok_or(TokenError::Missing)?)?.trim())
}

fn parse(token: &str) -> Result<OAuthToken, TokenError> {
    let claims = token.split('.').nth(1).ok_or(TokenError::Malformed)?;
    let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| TokenError::Malformed)?;
    let claims: Claims = serde_json::from_slice(&claims).map_err(|_| TokenError::Malformed)?;
    Ok(OAuthToken {
        token: token.to_owned(),
        principal_name: claims.sub,
        lifetime_ms: milliseconds(claims.exp),
    })
}

/// `exp` is in seconds and may have a fraction.
#[expect(clippy::cast_possible_truncation, reason = "casts from floats saturate")]
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("{}.{}.", URL_SAFE_NO_PAD.encode("{}"), URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn subject_and_expiry_come_from_the_claims() {
        let token = parse(&token(r#"{"sub":"shop","iat":1,"exp":1800000000.5}"#)).unwrap();
        assert_eq!(token.principal_name, "shop");
        assert_eq!(token.lifetime_ms, 1_800_000_000_500);
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "abc", "a.b.c", &token("{}"), &token("[1]")] {
            assert!(matches!(parse(text), Err(TokenError::Malformed)), "{text}");
        }
    }
}
