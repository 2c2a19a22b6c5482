//! The character U+0000, refused in every text: PostgreSQL cannot store it, and a request that no
//! database can ever take must be refused before it is an event.

use serde_json::Value;

use crate::Problem;

/// Finds the first text with the character; in JSON it can only be written as an escape.
pub(crate) fn check(json: &str) -> Result<(), Problem> {
    if !json.contains("\\u0000") {
        return Ok(());
    }
    // What cannot be read as a value is refused with a better reason when it is read as its type.
    let value: Value = serde_json::from_str(json).unwrap_or_default();
    match find(&value, String::new()) {
        Some(path) => {
            let field = if path.is_empty() { "body" } else { path.trim_start_matches('.') };
            Err(Problem::field(field, "must not contain the character U+0000"))
        }
        None => Ok(()),
    }
}

fn find(value: &Value, path: String) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then_some(path),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| find(item, format!("{path}[{index}]"))),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            if name.contains('\0') {
                Some(path.clone())
            } else {
                find(value, format!("{path}.{name}"))
            }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}
