//! `Idempotency-Key`: by what a repeated request is known, and by what another one with its key.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{Method, header::HeaderMap},
};
use futures::{FutureExt, future::LocalBoxFuture};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Problem, json};

/// The header's name.
pub const HEADER: &str = "Idempotency-Key";

/// The longest key, in characters.
const MAX_CHARACTERS: usize = 255;

/// What the client names a request by: 1 to 255 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request.headers()))
    }
}

fn read(headers: &HeaderMap) -> Result<IdempotencyKey, Problem> {
    let refuse = |detail: String| Err(Problem::header(HEADER, detail));
    let mut values = headers.get_all(HEADER);
    let Some(value) = values.next() else {
        return refuse("is a required header".to_owned());
    };
    if values.next().is_some() {
        return refuse("must be given once".to_owned());
    }
    let key = value.as_bytes();
    if !(1..=MAX_CHARACTERS).contains(&key.len()) {
        return refuse(format!("must have 1 to {MAX_CHARACTERS} characters, has {}", key.len()));
    }
    if !key.iter().all(u8::is_ascii_graphic) {
        return refuse("must have visible ASCII characters only".to_owned());
    }
    Ok(IdempotencyKey(key.iter().copied().map(char::from).collect()))
}

/// A request that is answered once: its key, its body, and the hash that tells it from another.
#[derive(Clone, Debug)]
pub struct Idempotent<T> {
    /// What the client names it by.
    pub key: IdempotencyKey,
    /// See [`request_hash`].
    pub hash: [u8; 32],
    /// The body, read as [`crate::Body`] reads it.
    pub body: T,
}

impl<T> Idempotent<T> {
    /// What the answer is kept under.
    pub fn stored_key(&self) -> messaging::idempotency::IdempotencyKey {
        let request_hash = self.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        messaging::idempotency::IdempotencyKey { key: self.key.0.clone(), request_hash }
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Idempotent<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        async move {
            let key = read(request.headers())?;
            let (body, bytes) = json::read_with_bytes(&request, &mut payload).await?;
            let hash = request_hash(request.method(), request.path(), &canonical(&bytes));
            Ok(Self { key, hash, body })
        }
        .boxed_local()
    }
}

/// SHA-256 of what a request asks for. Each part is preceded by its length, so that no two
/// requests run together into the same bytes.
pub fn request_hash(method: &Method, path: &str, canonical_body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [method.as_str().as_bytes(), path.as_bytes(), canonical_body] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// JSON with its fields in order and without blanks, so that the same request in another spelling
/// is the same. It does not go through the request's type: a new optional field must not turn
/// yesterday's repeats into other requests. What is no JSON stays as it is.
pub fn canonical(json: &[u8]) -> Vec<u8> {
    let value: Option<Value> = serde_json::from_slice(json).ok();
    let sorted = value.map(|mut value| {
        value.sort_all_objects();
        value.to_string().into_bytes()
    });
    sorted.unwrap_or_else(|| json.to_vec())
}
