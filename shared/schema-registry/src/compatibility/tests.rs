//! The table of `tests/reads.json` (shared with the REST suite, so that a foreign registry answers
//! it too), the matrix of primitives, the levels, and properties over generated schemas.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is its job")]

use apache_avro::Schema;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn schema(json: &Value) -> Schema {
    Schema::parse_str(&json.to_string()).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn summary(found: &[Incompatibility]) -> Vec<String> {
    found.iter().map(|it| format!("{} {}", it.kind.as_str(), it.path)).collect()
}

/// Both ways round must give the same answer: a new reader of old data, and an old reader of new
/// data.
fn check_reads(case: &str, reader: &Value, writer: &Value, expected: &[String]) {
    let (reader, writer) = (schema(reader), schema(writer));
    let backward = check(CompatibilityLevel::Backward, &reader, std::slice::from_ref(&writer));
    assert_eq!(summary(&backward), expected, "{case}: new reader");
    let forward = check(CompatibilityLevel::Forward, &writer, std::slice::from_ref(&reader));
    assert_eq!(summary(&forward), expected, "{case}: old reader");
    assert!(backward.iter().all(|it| it.direction == Direction::Backward));
    assert!(forward.iter().all(|it| it.direction == Direction::Forward));
}

#[test]
fn every_case_of_the_table_is_judged_as_the_specification_says() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../tests/reads.json")).unwrap();
    for case in &cases {
        let expected: Vec<String> = serde_json::from_value(case["expect"].clone()).unwrap();
        check_reads(case["case"].as_str().unwrap(), &case["reader"], &case["writer"], &expected);
    }
    assert!(cases.len() >= 70);
}

#[test]
fn primitives_read_themselves_and_what_is_promoted_to_them() {
    let names = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
    let promotions = [
        ("int", "long"),
        ("int", "float"),
        ("int", "double"),
        ("long", "float"),
        ("long", "double"),
        ("float", "double"),
        ("string", "bytes"),
        ("bytes", "string"),
    ];
    for writer in names {
        for reader in names {
            let reads = writer == reader || promotions.contains(&(writer, reader));
            let expected = if reads { vec![] } else { vec!["TYPE_MISMATCH /".to_owned()] };
            check_reads(
                &format!("{writer} as {reader}"),
                &json!(reader),
                &json!(writer),
                &expected,
            );
        }
    }
}

fn record(fields: &[Value]) -> Value {
    json!({ "type": "record", "name": "R", "fields": fields })
}

/// Versions that are each compatible with the last, but not with the first: a field comes with a
/// default, loses it.
fn history() -> [Schema; 3] {
    let a = json!({ "name": "a", "type": "string" });
    let with_default = json!({ "name": "b", "type": "string", "default": "" });
    let without = json!({ "name": "b", "type": "string" });
    [
        schema(&record(std::slice::from_ref(&a))),
        schema(&record(&[a.clone(), with_default])),
        schema(&record(&[a, without])),
    ]
}

fn check_level(level: CompatibilityLevel, existing: &[&Schema], new: &Schema, broken: &[usize]) {
    let existing: Vec<Schema> = existing.iter().map(|&it| it.clone()).collect();
    let found: Vec<usize> = check(level, new, &existing).iter().map(|it| it.existing).collect();
    assert_eq!(found, broken, "{level}");
}

#[test]
fn only_transitive_levels_look_beyond_the_latest_version() {
    use CompatibilityLevel::*;
    let [v1, v2, v3] = &history();
    check_level(Backward, &[v1, v2], v3, &[]);
    check_level(BackwardTransitive, &[v1, v2], v3, &[0]);
    check_level(Full, &[v1, v2], v3, &[]);
    check_level(FullTransitive, &[v1, v2], v3, &[0]);
    check_level(Forward, &[v3, v2], v1, &[]);
    check_level(ForwardTransitive, &[v3, v2], v1, &[0]);
    check_level(Full, &[v3, v2], v1, &[]);
    check_level(FullTransitive, &[v3, v2], v1, &[0]);
}

#[test]
fn each_level_looks_in_its_own_direction() {
    use CompatibilityLevel::*;
    let [v1, _, v3] = &history();
    for level in [Backward, BackwardTransitive, Full, FullTransitive] {
        check_level(level, &[v1], v3, &[0]);
    }
    for level in [None, Forward, ForwardTransitive] {
        check_level(level, &[v1], v3, &[]);
    }
    for level in [Forward, ForwardTransitive, Full, FullTransitive] {
        check_level(level, &[v3], v1, &[0]);
    }
    for level in [None, Backward, BackwardTransitive] {
        check_level(level, &[v3], v1, &[]);
    }
}

#[test]
fn full_reports_both_directions_and_the_newest_version_first() {
    let int = schema(&record(&[json!({ "name": "a", "type": "int" })]));
    let text = schema(&record(&[json!({ "name": "a", "type": "string" })]));
    check_level(CompatibilityLevel::FullTransitive, &[&int, &int], &text, &[1, 1, 0, 0]);
    check_level(CompatibilityLevel::Full, &[&int, &int], &text, &[1, 1]);
}

#[test]
fn the_first_version_is_always_compatible() {
    for level in CompatibilityLevel::ALL {
        check_level(level, &[], &Schema::Int, &[]);
    }
}

#[test]
fn a_message_names_the_field_and_both_sides() {
    let [v1, _, v3] = &history();
    let found = check(CompatibilityLevel::Full, v3, std::slice::from_ref(v1));
    assert_eq!(
        found[0].to_string(),
        "READER_FIELD_MISSING_DEFAULT_VALUE at /fields/1: field `b` of R has no default in the new \
         schema and is missing in the old one"
    );
}

#[test]
fn a_missing_branch_says_what_comes_closest() {
    let reader = json!(["null", record(&[json!({ "name": "a", "type": "int" })])]);
    let found = check(CompatibilityLevel::Backward, &schema(&reader), &[schema(&record(&[]))]);
    assert_eq!(
        found[0].message,
        "the new union has no branch for the old record R; branch 1 comes close, but field `a` of R \
         has no default in the new schema and is missing in the old one"
    );
}

#[test]
fn levels_have_their_names_in_any_case() {
    for level in CompatibilityLevel::ALL {
        assert_eq!(level.as_str().to_lowercase().parse::<CompatibilityLevel>().unwrap(), level);
    }
    assert!("SIDEWAYS".parse::<CompatibilityLevel>().is_err());
}

/// R0 holds R1 twice, R1 holds R2 twice, ...: 2^depth paths lead to the last one.
fn doubling(depth: usize, leaf: &str) -> Schema {
    let mut fields =
        vec![json!({ "name": "leaf", "type": { "type": "record", "name": format!("R{depth}"),
        "fields": [{ "name": "x", "type": leaf }] } })];
    for level in (0..depth).rev() {
        let next = format!("R{}", level + 1);
        fields.push(json!({ "name": format!("f{level}"), "type": { "type": "record", "name": format!("R{level}"),
            "fields": [{ "name": "a", "type": next }, { "name": "b", "type": next }] } }));
    }
    schema(&json!({ "type": "record", "name": "Root", "fields": fields }))
}

#[test]
fn a_broken_type_that_is_used_everywhere_takes_neither_for_ever_nor_all_memory() {
    let found =
        check(CompatibilityLevel::FullTransitive, &doubling(60, "int"), &[doubling(60, "string")]);
    assert!((1..=200).contains(&found.len()), "{}", found.len());
    let same = doubling(60, "int");
    assert_eq!(check(CompatibilityLevel::FullTransitive, &same, std::slice::from_ref(&same)), []);
}

/// Each record refers to the one before, so that the nesting is deep although the text is flat.
fn chain(length: usize) -> Schema {
    let mut fields = Vec::new();
    for link in 0..length {
        let previous = if link == 0 { "int".to_owned() } else { format!("C{}", link - 1) };
        fields.push(json!({ "name": format!("f{link}"), "type": { "type": "record", "name": format!("C{link}"),
            "fields": [{ "name": "p", "type": previous }] } }));
    }
    schema(&json!({ "type": "record", "name": "Root", "fields": fields }))
}

#[test]
fn nesting_without_end_is_refused_and_not_a_stack_overflow() {
    let found = check(
        CompatibilityLevel::Backward,
        &only_last_field(chain(5000)),
        &[only_last_field(chain(5000))],
    );
    assert!(found.iter().any(|it| it.message.contains("nested")), "{found:?}");
    let modest = chain(90);
    assert_eq!(check(CompatibilityLevel::Backward, &modest, std::slice::from_ref(&modest)), []);
}

/// So that the comparison begins at the deep end: from the shallow one each step is remembered and
/// none is deep.
fn only_last_field(schema: Schema) -> Schema {
    let Schema::Record(mut record) = schema else { panic!("a record") };
    record.fields.reverse();
    Schema::Record(record)
}

#[test]
fn a_reference_that_leads_nowhere_is_a_mismatch_and_not_a_panic() {
    let dangling = Schema::Ref { name: apache_avro::schema::Name::new("x.Gone").unwrap() };
    let found = check(CompatibilityLevel::Full, &dangling, &[Schema::Int]);
    assert_eq!(summary(&found), ["TYPE_MISMATCH /", "TYPE_MISMATCH /"]);
    assert_eq!(check(CompatibilityLevel::Full, &dangling, std::slice::from_ref(&dangling)), []);
}

/// Schemas with named types that refer to one another, themselves included.
fn any_schema() -> impl Strategy<Value = Schema> {
    let leaf = prop_oneof![
        Just(json!("null")),
        Just(json!("int")),
        Just(json!("long")),
        Just(json!("double")),
        Just(json!("string")),
        Just(json!({ "type": "long", "logicalType": "timestamp-micros" })),
        Just(json!({ "type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2 })),
        // References to the types that `named` defines around this: whether a name is in scope is
        // seen on parsing.
        (0..4_u8).prop_map(|name| json!(format!("N{name}"))),
        (0..4_u8, prop::sample::subsequence(vec!["A", "B", "C"], 1..=3), any::<bool>()).prop_map(
            |(name, symbols, default)| {
                let mut value =
                    json!({ "type": "enum", "name": format!("E{name}"), "symbols": symbols });
                if default {
                    value["default"] = json!(symbols[0]);
                }
                value
            }
        ),
        (0..4_u8, 1..3_usize).prop_map(
            |(name, size)| json!({ "type": "fixed", "name": format!("F{name}"), "size": size })
        ),
    ];
    let tree = leaf.prop_recursive(5, 40, 4, |inner| {
        let field = (inner.clone(), any::<bool>());
        prop_oneof![
            inner.clone().prop_map(|items| json!({ "type": "array", "items": items })),
            inner.clone().prop_map(|values| json!({ "type": "map", "values": values })),
            prop::collection::vec(inner, 1..4).prop_map(Value::Array),
            (0..4_u8, prop::collection::vec(field, 0..4)).prop_map(|(name, fields)| {
                let fields: Vec<Value> = fields
                    .into_iter()
                    .enumerate()
                    .map(|(position, (ty, nullable))| {
                        if nullable && !ty.is_array() && ty != "null" {
                            json!({ "name": format!("f{position}"), "type": ["null", ty], "default": null })
                        } else {
                            json!({ "name": format!("f{position}"), "type": ty })
                        }
                    })
                    .collect();
                json!({ "type": "record", "name": format!("N{name}"), "fields": fields })
            }),
        ]
    });
    tree.prop_filter_map("not a valid schema", |json| {
        crate::schema::parse_schema(&json.to_string()).ok()
    })
}

proptest! {
    #[test]
    fn a_schema_is_compatible_with_itself_at_every_level(schema in any_schema()) {
        for level in CompatibilityLevel::ALL {
            let found = check(level, &schema, &[schema.clone(), schema.clone()]);
            prop_assert_eq!(found, vec![]);
        }
    }

    #[test]
    fn any_two_schemas_are_judged_without_a_panic(new in any_schema(), old in any_schema()) {
        let both = check(CompatibilityLevel::Full, &new, std::slice::from_ref(&old));
        let backward = check(CompatibilityLevel::Backward, &new, std::slice::from_ref(&old));
        let forward = check(CompatibilityLevel::Forward, &new, std::slice::from_ref(&old));
        prop_assert_eq!(both.len(), backward.len() + forward.len());
        prop_assert!(both.iter().all(|it| it.path.starts_with('/') && !it.message.is_empty()));
    }

    #[test]
    fn any_text_is_parsed_or_refused_without_a_panic(text in r#"[\[\]{}",: a-z0-9"]{0,60}"#) {
        if let Ok(schema) = crate::schema::parse_schema(&text) {
            prop_assert_eq!(check(CompatibilityLevel::Full, &schema, std::slice::from_ref(&schema)), vec![]);
        }
    }
}
