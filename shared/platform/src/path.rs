//! Ids in paths such as `/orders/{id}`.

use std::{
    fmt::Display,
    future::{Ready, ready},
    str::FromStr,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use percent_encoding::percent_decode_str;

use crate::Problem;

/// The path's only parameter, percent-decoded; 422 naming it when it is not a `T`.
#[derive(Clone, Copy, Debug)]
pub struct Segment<T>(pub T);

impl<T: FromStr<Err: Display>> FromRequest for Segment<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request).map(Self))
    }
}

fn read<T: FromStr<Err: Display>>(request: &HttpRequest) -> Result<T, Problem> {
    // A route without a parameter would be our own mistake; every test of that route finds it.
    let (name, value) = request.match_info().iter().next().unwrap_or(("path", ""));
    decode(request.uri().path(), value)
        .and_then(|text| text.parse().map_err(|error: T::Err| error.to_string()))
        .map_err(|detail| Problem::field(name, detail))
}

/// actix has decoded everything but `%`, `/` and `+`, and has replaced what is not UTF-8: whether
/// it was, only the path as it was sent can tell.
fn decode(whole_path: &str, value: &str) -> Result<String, String> {
    let not_utf8 = |_| "must be UTF-8".to_owned();
    percent_decode_str(whole_path).decode_utf8().map_err(not_utf8)?;
    let text = percent_decode_str(value).decode_utf8().map_err(not_utf8)?;
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".to_owned());
    }
    Ok(text.into_owned())
}
