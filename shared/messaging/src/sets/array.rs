//! A column of values as one parameter of PostgreSQL's.

use std::fmt::Write as _;

use sea_orm::{Value, sea_query::ArrayType};

/// The values, none of which is null, as an array of their type.
pub fn array(values: Vec<Value>) -> Value {
    let kind = match values.first() {
        Some(Value::BigInt(_)) => ArrayType::BigInt,
        Some(Value::Int(_)) => ArrayType::Int,
        Some(Value::Bool(_)) => ArrayType::Bool,
        Some(Value::Bytes(_)) => ArrayType::Bytes,
        _ => ArrayType::String,
    };
    Value::Array(kind, Some(Box::new(values)))
}

/// The values, of which some may be null, as the text of an array, and its type: SeaORM sends no nulls in one.
pub fn nullable_array(values: &[Value]) -> (String, &'static str) {
    let kind = match values.first() {
        Some(Value::BigInt(_)) => "bigint[]",
        Some(Value::Int(_)) => "integer[]",
        Some(Value::Bool(_)) => "boolean[]",
        Some(Value::Bytes(_)) => "bytea[]",
        _ => "text[]",
    };
    let mut text = String::from("{");
    for value in values {
        if text.len() > 1 {
            text.push(',');
        }
        write_element(&mut text, value);
    }
    text.push('}');
    (text, kind)
}

fn write_element(text: &mut String, value: &Value) {
    let written = match value {
        Value::BigInt(Some(number)) => write!(text, "{number}"),
        Value::Int(Some(number)) => write!(text, "{number}"),
        Value::Bool(Some(is)) => write!(text, "{is}"),
        Value::String(Some(string)) => {
            text.push('"');
            push_escaped(text, string);
            write!(text, "\"")
        }
        Value::Bytes(Some(bytes)) => {
            text.push_str("\"\\\\x");
            bytes.iter().for_each(|byte| push_hex(text, *byte));
            write!(text, "\"")
        }
        Value::BigInt(None)
        | Value::Int(None)
        | Value::Bool(None)
        | Value::String(None)
        | Value::Bytes(None) => write!(text, "NULL"),
        // Our tables have no other columns: a test of theirs would end here.
        other => unreachable!("a column of {other:?}"),
    };
    written.unwrap_or_else(|_| unreachable!("a text takes whatever is written"));
}

fn push_escaped(text: &mut String, string: &str) {
    let mut rest = string;
    while let Some(at) = rest.find(['"', '\\']) {
        let (plain, special) = rest.split_at(at);
        text.push_str(plain);
        text.push('\\');
        text.push_str(&special[..1]);
        rest = &special[1..];
    }
    text.push_str(rest);
}

fn push_hex(text: &mut String, byte: u8) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    text.push(DIGITS[usize::from(byte >> 4)]);
    text.push(DIGITS[usize::from(byte & 15)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(values: &[Value]) -> String {
        let mut text = String::new();
        values.iter().for_each(|value| write_element(&mut text, value));
        text
    }

    #[test]
    fn what_is_special_in_an_array_is_escaped() {
        let name = |name: &str| Value::from(name.to_owned());
        assert_eq!(text(&[name("a")]), r#""a""#);
        assert_eq!(text(&[name(r#"{"a\b"}, NULL"#)]), r#""{\"a\\b\"}, NULL""#);
        assert_eq!(text(&[Value::from(vec![0u8, 0xff])]), r#""\\x00ff""#);
        assert_eq!(text(&[Value::String(None), Value::from(-7i64), true.into()]), "NULL-7true");
    }
}
