//! Which texts are refused, and which two are the same.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is its job")]

use super::*;

fn fingerprint(text: &str) -> String {
    ParsedSchema::parse(text).unwrap().fingerprint
}

fn check_same(one: &str, other: &str, is_same: bool) {
    assert_eq!(fingerprint(one) == fingerprint(other), is_same, "{one} and {other}");
}

fn check_refused(text: &str, reason: &str) {
    let error = parse_schema(text).unwrap_err();
    assert_eq!(error.code(), 42201);
    assert!(error.to_string().contains(reason), "{error}");
}

const RECORD: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;

#[test]
fn whitespace_and_the_order_of_keys_are_not_significant() {
    let spaced = RECORD.replace(',', " ,\n").replace(':', " : ");
    check_same(RECORD, &spaced, true);
    check_same(r#"{"type":"array","items":"int"}"#, r#"{"items":"int","type":"array"}"#, true);
}

#[test]
fn docs_defaults_aliases_and_the_order_of_fields_are_significant() {
    let field = r#"{"name":"a","type":"int"}"#;
    for other in [
        r#"{"name":"a","type":"int","doc":"the a"}"#,
        r#"{"name":"a","type":"int","default":0}"#,
        r#"{"name":"a","type":"int","aliases":["b"]}"#,
        r#"{"name":"a","type":"int"},{"name":"b","type":"int"}"#,
    ] {
        check_same(RECORD, &RECORD.replace(field, other), false);
    }
    check_same(r#"["null","int"]"#, r#"["int","null"]"#, false);
}

#[test]
fn what_is_not_a_schema_is_refused_with_a_reason() {
    check_refused("", "empty");
    check_refused("not json", "JSON");
    check_refused(r#""strin""#, "strin");
    check_refused(r#"{"type":"record","name":"R"}"#, "fields");
    check_refused(r#"{"type":"enum","name":"E","symbols":["A","A"]}"#, "A");
    let wrong_default = RECORD.replace(r#""int""#, r#""int","default":"x""#);
    check_refused(&wrong_default, "default");
}

#[test]
fn a_name_that_is_defined_twice_is_refused() {
    let fixed = |size: u8| format!(r#"{{"type":"fixed","name":"F","size":{size}}}"#);
    let text = format!(
        r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":{}}},{{"name":"b","type":{}}}]}}"#,
        fixed(1),
        fixed(2)
    );
    check_refused(&text, "F is defined twice");
}
