//! Signatures of the Standard Webhooks specification
//! (<https://github.com/standard-webhooks/standard-webhooks>, symmetric, `v1`).

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::domain::Secret;

/// What secrets start with.
const PREFIX: &str = "whsec_";
/// How long a secret is, in bytes; the specification allows 24 to 64.
pub const SECRET_BYTES: usize = 32;

/// A secret of these random bytes.
pub fn secret(random: [u8; SECRET_BYTES]) -> Secret {
    Secret(format!("{PREFIX}{}", BASE64.encode(random)))
}

/// The header `webhook-signature` of a message; `None` when the secret is none of ours.
pub fn sign(secret: &Secret, id: &str, timestamp_s: i64, body: &str) -> Option<String> {
    let key = BASE64.decode(secret.0.strip_prefix(PREFIX)?).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{timestamp_s}.{body}").as_bytes());
    Some(format!("v1,{}", BASE64.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_example_is_signed_as_there() {
        // From the specification's own libraries' tests.
        let secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into());
        let signature =
            sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn a_secret_is_not_in_the_logs() {
        let secret = secret([7; SECRET_BYTES]);
        assert!(secret.0.starts_with("whsec_"));
        assert_eq!(format!("{secret:?}"), "(secret)");
    }
}
