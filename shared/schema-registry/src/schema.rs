//! The text of a schema: is it valid, and is it the same as another one?

use apache_avro::Schema;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::compatibility::{CompatibilityLevel, check};
use crate::error::RegistryError;

/// A valid schema with its identity.
pub(crate) struct ParsedSchema {
    pub(crate) schema: Schema,
    /// Hash of the normalised JSON: whitespace and the order of keys don't count; doc, default and
    /// aliases do.
    pub(crate) fingerprint: String,
}

impl ParsedSchema {
    pub(crate) fn parse(text: &str) -> Result<Self, RegistryError> {
        let schema = parse_schema(text)?;
        let json = serde_json::from_str(text).map_err(invalid)?;
        let mut normalised = String::with_capacity(text.len());
        normalise(&json, &mut normalised);
        let fingerprint = format!("{:x}", Sha256::digest(normalised));
        Ok(Self { schema, fingerprint })
    }
}

/// Parses the JSON text of an Avro schema, as the registry does before it accepts one.
///
/// # Errors
/// [`RegistryError::InvalidSchema`] when the text is not JSON or not a valid schema, or defines one
/// name twice.
pub fn parse_schema(text: &str) -> Result<Schema, RegistryError> {
    if text.trim().is_empty() {
        return Err(RegistryError::InvalidSchema("the schema is empty".to_owned()));
    }
    let schema = Schema::parse_str(text).map_err(invalid)?;
    // The parser lets the second definition of a name overwrite the first: nobody could say which
    // one a reference means.
    let mut defined = Vec::new();
    defined_names(&schema, &mut defined);
    defined.sort_unstable();
    if let Some(twice) = defined.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(RegistryError::InvalidSchema(format!("{} is defined twice", twice[0])));
    }
    // What is nested too deep to be compared with itself could never be followed by a second
    // version.
    match check(CompatibilityLevel::Backward, &schema, std::slice::from_ref(&schema)).first() {
        Some(reason) => Err(RegistryError::InvalidSchema(reason.to_string())),
        None => Ok(schema),
    }
}

fn defined_names<'s>(schema: &'s Schema, names: &mut Vec<&'s str>) {
    match schema {
        Schema::Ref { .. } => return,
        Schema::Array(array) => defined_names(&array.items, names),
        Schema::Map(map) => defined_names(&map.types, names),
        Schema::Union(union) => {
            union.variants().iter().for_each(|branch| defined_names(branch, names));
        }
        Schema::Record(record) => {
            record.fields.iter().for_each(|field| defined_names(&field.schema, names));
        }
        _ => {}
    }
    names.extend(schema.name().map(AsRef::<str>::as_ref));
}

fn invalid(error: impl std::fmt::Display) -> RegistryError {
    RegistryError::InvalidSchema(error.to_string())
}

/// Written by hand because serde_json keeps or sorts keys depending on a feature that any crate may
/// switch on.
fn normalise(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (key, member) in members {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                normalise(member, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                normalise(item, out);
                out.push(',');
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests;
