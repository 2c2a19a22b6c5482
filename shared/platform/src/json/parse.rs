//! From bytes to a value: what is no JSON is 400, what is JSON of another shape is 422.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

use super::nul;
use crate::{Problem, explain::field_error};

/// How deep arrays and objects may be nested; no request of ours needs five.
const MAX_DEPTH: usize = 64;

/// Reads a `T`. The text is checked as a whole first: else a wrong field before a syntax error
/// would be reported as the one or the other depending on which comes first.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| broken("invalid UTF-8", bytes, error.valid_up_to()))?;
    check_depth(bytes)?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| syntax(&error))?;
    nul::check(text)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| wrong_shape(&error.path().to_string(), error.inner()))
}

fn check_depth(bytes: &[u8]) -> Result<(), Problem> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text && depth == MAX_DEPTH => {
                return Err(broken("too deep a nesting", bytes, index));
            }
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

fn broken(what: &str, bytes: &[u8], index: usize) -> Problem {
    let before = &bytes[..index];
    let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
    let column = 1 + before.iter().rev().take_while(|&&byte| byte != b'\n').count();
    Problem::bad_request(format!("the body has {what} at line {line} column {column}"))
}

fn syntax(error: &serde_json::Error) -> Problem {
    Problem::bad_request(format!("the body is not valid JSON: {error}"))
}

/// serde_json counts a number like 1e400 as broken syntax, but it is good JSON.
fn wrong_shape(path: &str, error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    if error.classify() == Category::Data || message.starts_with("number out of range") {
        Problem::validation(vec![field_error(path, &message)])
    } else {
        syntax(error)
    }
}
