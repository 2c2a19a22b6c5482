//! serde's complaints, said so that a storefront developer understands them.

use std::fmt::Display;

use crate::FieldError;

/// The longest path or complaint that is sent back, in characters: both may quote the request.
const MAX_CHARACTERS: usize = 300;

/// What is wrong where. serde names a missing, unknown or doubled field only in its message, and
/// the message's end says where in the text it is, which the path says better.
pub(crate) fn field_error(path: &str, message: &str) -> FieldError {
    let message = message.split(" at line ").next().unwrap_or(message);
    let path = if path == "." { "" } else { path };
    let field = match named_field(message) {
        Some(name) if path != name && !path.ends_with(&format!(".{name}")) => join(path, name),
        _ => path.to_owned(),
    };
    let field = if field.is_empty() { "body" } else { &field };
    FieldError::new(shorten(field), shorten(&plainly(message)))
}

/// The field that a message is about.
fn named_field(message: &str) -> Option<&str> {
    ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split('`').next())
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The message without Rust's names of types.
fn plainly(message: &str) -> String {
    match message.rsplit_once("expected ") {
        Some((before, expected)) => format!("{before}expected {}", type_in_words(expected)),
        None => message.to_owned(),
    }
}

fn type_in_words(expected: &str) -> String {
    match expected {
        "u8" => whole_number(0, u8::MAX),
        "u16" => whole_number(0, u16::MAX),
        "u32" => whole_number(0, u32::MAX),
        "u64" => whole_number(0, u64::MAX),
        "i8" => whole_number(i8::MIN, i8::MAX),
        "i16" => whole_number(i16::MIN, i16::MAX),
        "i32" => whole_number(i32::MIN, i32::MAX),
        "i64" => whole_number(i64::MIN, i64::MAX),
        "f32" | "f64" => "a number".to_owned(),
        "a sequence" => "an array".to_owned(),
        structure if structure.starts_with("struct ") => "an object".to_owned(),
        other => other.to_owned(),
    }
}

fn whole_number(least: impl Display, most: impl Display) -> String {
    format!("a whole number from {least} to {most}")
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, message: &str, field: &str, detail: &str) {
        assert_eq!(field_error(path, message), FieldError::new(field, detail));
    }

    #[test]
    fn a_complaint_names_the_field_and_what_was_expected() {
        check(".", "missing field `sku` at line 1 column 2", "sku", "missing field `sku`");
        check("a[0]", "missing field `b`", "a[0].b", "missing field `b`");
        check("a.b", "unknown field `b`, expected `c`", "a.b", "unknown field `b`, expected `c`");
        check(
            "n",
            "invalid value: integer `-1`, expected u8",
            "n",
            "invalid value: integer `-1`, expected a whole number from 0 to 255",
        );
        check(
            ".",
            "invalid type: null, expected struct Order",
            "body",
            "invalid type: null, expected an object",
        );
    }

    #[test]
    fn a_complaint_does_not_send_a_long_request_back() {
        let error = field_error(&"k".repeat(1000), &"ä".repeat(1000));
        assert_eq!(error.field.chars().count(), MAX_CHARACTERS + 1);
        assert_eq!(error.detail.chars().count(), MAX_CHARACTERS + 1);
    }
}
