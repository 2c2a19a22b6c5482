//! Request bodies: JSON, at most 256 KiB, read strictly.

mod nul;
mod parse;

use std::time::Duration;

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::{StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use futures::{FutureExt, StreamExt, future::LocalBoxFuture};
use serde::de::DeserializeOwned;

use crate::Problem;

/// The longest body, in bytes.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// The longest time that a client may take to send it.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A body that must be there.
///
/// Refused are: no or broken JSON, too deep a nesting, invalid UTF-8 (400), too long (413), no
/// `application/json` (415), and JSON of another shape than `T`'s (422, naming the field's path).
/// Unknown fields are refused if `T` denies them: `#[serde(deny_unknown_fields)]`.
#[derive(Clone, Copy, Debug)]
pub struct Body<T>(pub T);

/// A body that may be left out, and needs no `Content-Type` then; else as [`Body`].
#[derive(Clone, Copy, Debug)]
pub struct OptionalBody<T>(pub Option<T>);

impl<T: DeserializeOwned> FromRequest for Body<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = read(request, payload);
        async move { parse::parse(&present(bytes.await?)?).map(Self) }.boxed_local()
    }
}

impl<T: DeserializeOwned> FromRequest for OptionalBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = read(request, payload);
        async move { bytes.await?.map(|bytes| parse::parse(&bytes)).transpose().map(Self) }
            .boxed_local()
    }
}

/// The body as it was sent, with what it says, for [`crate::Idempotent`].
pub(crate) async fn read_with_bytes<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: &mut Payload,
) -> Result<(T, Bytes), Problem> {
    let bytes = present(read(request, payload).await?)?;
    Ok((parse::parse(&bytes)?, bytes))
}

fn present(bytes: Option<Bytes>) -> Result<Bytes, Problem> {
    bytes.ok_or_else(|| Problem::bad_request("the body is empty, JSON is needed"))
}

/// Reads the whole body; `None` if it is empty, and only else its media type counts.
fn read(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<Option<Bytes>, Problem>> + use<> {
    let (request, payload) = (request.clone(), payload.take());
    async move {
        if declared_bytes(&request).is_some_and(|bytes| bytes > MAX_BODY_BYTES) {
            return Err(Problem::payload_too_large(MAX_BODY_BYTES));
        }
        let bytes = tokio::time::timeout(MAX_WAIT, collect(payload)).await;
        let bytes = bytes.map_err(|_| {
            Problem::of(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive")
        })??;
        if bytes.is_empty() {
            return Ok(None);
        }
        check_media_type(&request)?;
        Ok(Some(bytes))
    }
}

fn declared_bytes(request: &HttpRequest) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Gathers the chunks, up to the limit: a chunked body does not say its length beforehand.
async fn collect(mut payload: Payload) -> Result<Bytes, Problem> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk
            .map_err(|error| Problem::bad_request(format!("the body cannot be read: {error}")))?;
        if bytes.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(Problem::payload_too_large(MAX_BODY_BYTES));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

fn check_media_type(request: &HttpRequest) -> Result<(), Problem> {
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Problem::unsupported_media_type("the body must not be compressed"));
    }
    if request.content_type().eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::unsupported_media_type("the body's Content-Type must be application/json"))
}
