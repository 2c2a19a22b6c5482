//! Can this reader read what that writer wrote? Avro schema resolution, on schemas alone.
//!
//! Source: <https://avro.apache.org/docs/1.12.0/specification/#schema-resolution>; where the
//! specification leaves a choice, Avro's Java library decides (`SchemaCompatibility`, version
//! 1.12), because Confluent's registry is built on it.
//!
//! **Why not `apache_avro::schema_compatibility`**: of the cases in `tests/reads.json` its version
//! 0.22.0 judges eight wrongly (it knows no aliases of types, takes a reference and a definition of
//! the same type for different types, and equates fixed types of different sizes below a logical
//! type). It also stops at the first error, names no path, and hides half-fitting unions and enums
//! behind `Ok(Partial)`.
//!
//! **Stricter than Confluent in one point**: if both sides carry a logical type, it must be the
//! same one (for decimals with the same precision and scale, as the specification says). Java
//! ignores logical types: a `timestamp-millis` read as `timestamp-micros` passes there and is wrong
//! by a factor of 1000; `apache-avro` cannot decode it at all. Adding or removing a logical type is
//! allowed.
//!
//! **Termination.** Types can recurse through records only. A pair of records is *assumed* to fit
//! while it is being compared; when it turns out not to, everything that was concluded meanwhile is
//! forgotten, except failures, which hold under any assumption. So every pair fails at most once,
//! and the work is polynomial.

use std::collections::{HashMap, HashSet};
use std::ptr;

use apache_avro::Schema;
use apache_avro::schema::{Alias, EnumSchema, FixedSchema, Name, RecordField, RecordSchema};

use super::IncompatibilityKind;
use super::shape::{Names, Shape, logical_type};

/// Types nested deeper than this (references followed) are not compared but refused: the stack is
/// finite.
const MAX_DEPTH: usize = 200;

/// Reasons kept for one pair of schemas; a broken type that is used everywhere would fill memory
/// otherwise.
const MAX_MISMATCHES: usize = 100;

/// One reason why the reader cannot read; `path` is relative to where the comparison began.
#[derive(Clone)]
pub(super) struct Mismatch {
    pub(super) kind: IncompatibilityKind,
    pub(super) path: String,
    pub(super) message: String,
}

type RecordPair = (*const RecordSchema, *const RecordSchema);

struct Side<'s> {
    label: &'static str,
    root: &'s Schema,
    names: Names<'s>,
}

/// Compares one reader with one writer.
pub(super) struct Resolver<'s> {
    reader: Side<'s>,
    writer: Side<'s>,
    depth: usize,
    /// Pairs that fit, or are being compared.
    assumed: HashSet<RecordPair>,
    /// `assumed`, in the order of their arrival.
    trail: Vec<RecordPair>,
    failed: HashMap<RecordPair, Vec<Mismatch>>,
}

impl<'s> Resolver<'s> {
    /// The labels appear in messages: `new` and `old`.
    pub(super) fn new(
        reader: (&'static str, &'s Schema),
        writer: (&'static str, &'s Schema),
    ) -> Self {
        let side = |(label, root)| Side { label, root, names: Names::of(root) };
        Self {
            reader: side(reader),
            writer: side(writer),
            depth: 0,
            assumed: HashSet::new(),
            trail: Vec::new(),
            failed: HashMap::new(),
        }
    }

    pub(super) fn resolve_roots(&mut self) -> Vec<Mismatch> {
        self.resolve(self.reader.root, self.writer.root)
    }

    fn resolve(&mut self, reader: &'s Schema, writer: &'s Schema) -> Vec<Mismatch> {
        if self.depth == MAX_DEPTH {
            return one(
                IncompatibilityKind::TypeMismatch,
                "",
                format!("types nested more than {MAX_DEPTH} deep are not compared"),
            );
        }
        self.depth += 1;
        let found = self.resolve_shapes(reader, writer);
        self.depth -= 1;
        found
    }

    fn resolve_shapes(&mut self, reader: &'s Schema, writer: &'s Schema) -> Vec<Mismatch> {
        let reader_shape = self.reader.names.shape(reader);
        let writer_shape = self.writer.names.shape(writer);
        match (reader_shape, writer_shape) {
            (Shape::Union(_), Shape::Union(branches)) => self.resolve_unions(reader, branches),
            (_, Shape::Union(branches)) => self.resolve_writer_union(reader, branches),
            (Shape::Union(branches), _) => self.resolve_reader_union(branches, writer),
            (Shape::Primitive(r), Shape::Primitive(w)) if r.reads(w) => {
                self.compare_logical_types(reader, writer)
            }
            (Shape::Array(r), Shape::Array(w)) => under("/items", self.resolve(r, w)),
            (Shape::Map(r), Shape::Map(w)) => under("/values", self.resolve(r, w)),
            (Shape::Record(r), Shape::Record(w)) => self.resolve_records(r, w),
            (Shape::Enum(r), Shape::Enum(w)) => self.compare_enums(r, w),
            (Shape::Fixed(r), Shape::Fixed(w)) => {
                let mut found = self.compare_fixed(r, w);
                found.extend(self.compare_logical_types(reader, writer));
                found
            }
            (Shape::Dangling(r), Shape::Dangling(w)) if r == w => Vec::new(),
            (r, w) => self.type_mismatch(&r, &w),
        }
    }

    /// Every branch that may be written must be readable.
    fn resolve_unions(&mut self, reader: &'s Schema, written: &'s [Schema]) -> Vec<Mismatch> {
        let mut found = Vec::new();
        for (index, branch) in written.iter().enumerate() {
            let reasons = self.resolve(reader, branch);
            if let Some(reason) = reasons.into_iter().next() {
                let message = reason.message;
                keep(&mut found, one(reason.kind, &format!("/{index}"), message));
            }
        }
        found
    }

    /// A writer's union read as one type: each of its branches has to be readable as that type.
    fn resolve_writer_union(&mut self, reader: &'s Schema, written: &'s [Schema]) -> Vec<Mismatch> {
        let mut found = Vec::new();
        for (index, branch) in written.iter().enumerate() {
            let reasons = self.resolve(reader, branch);
            keep(&mut found, under(&format!("/{index}"), reasons));
        }
        found
    }

    /// One type read as a union: any branch that reads it will do. The specification takes the
    /// first branch that matches by kind and name; Java, and so this, takes any that resolves
    /// entirely.
    fn resolve_reader_union(&mut self, read: &'s [Schema], writer: &'s Schema) -> Vec<Mismatch> {
        let mut closest = None;
        for (index, branch) in read.iter().enumerate() {
            let reasons = self.resolve(branch, writer);
            let Some(first) = reasons.first() else { return Vec::new() };
            let is_other_type = matches!(
                first.kind,
                IncompatibilityKind::TypeMismatch | IncompatibilityKind::NameMismatch
            ) && matches!(first.path.as_str(), "" | "/name");
            if !is_other_type && closest.is_none() {
                closest = Some(format!("; branch {index} comes close, but {}", first.message));
            }
        }
        let written = self.writer.names.shape(writer).describe();
        let (reader, writer) = (self.reader.label, self.writer.label);
        let closest = closest.unwrap_or_default();
        one(
            IncompatibilityKind::MissingUnionBranch,
            "",
            format!("the {reader} union has no branch for the {writer} {written}{closest}"),
        )
    }

    fn resolve_records(
        &mut self,
        reader: &'s RecordSchema,
        writer: &'s RecordSchema,
    ) -> Vec<Mismatch> {
        let mismatch = self.compare_names(&reader.name, reader.aliases.as_deref(), &writer.name);
        if !mismatch.is_empty() {
            return mismatch;
        }
        let pair = (ptr::from_ref(reader), ptr::from_ref(writer));
        if let Some(known) = self.failed.get(&pair) {
            return known.clone();
        }
        if !self.assumed.insert(pair) {
            return Vec::new();
        }
        let start = self.trail.len();
        self.trail.push(pair);
        let found = self.resolve_fields(reader, writer);
        if !found.is_empty() {
            self.trail.drain(start..).for_each(|pair| {
                self.assumed.remove(&pair);
            });
            self.failed.insert(pair, found.clone());
        }
        found
    }

    fn resolve_fields(
        &mut self,
        reader: &'s RecordSchema,
        writer: &'s RecordSchema,
    ) -> Vec<Mismatch> {
        let mut found = Vec::new();
        for (position, field) in reader.fields.iter().enumerate() {
            let reasons = match written_field(field, writer) {
                Some(written) => {
                    let reasons = self.resolve(&field.schema, &written.schema);
                    under(&format!("/fields/{position}/type"), reasons)
                }
                None if field.default.is_some() => Vec::new(),
                None => self.missing_default(reader, position, field),
            };
            keep(&mut found, reasons);
        }
        found
    }

    fn missing_default(
        &self,
        record: &RecordSchema,
        position: usize,
        field: &RecordField,
    ) -> Vec<Mismatch> {
        let (name, record) = (&field.name, record.name.as_ref());
        let (reader, writer) = (self.reader.label, self.writer.label);
        one(
            IncompatibilityKind::ReaderFieldMissingDefaultValue,
            &format!("/fields/{position}"),
            format!(
                "field `{name}` of {record} has no default in the {reader} schema and is missing in the {writer} one"
            ),
        )
    }

    fn compare_enums(&self, reader: &EnumSchema, writer: &EnumSchema) -> Vec<Mismatch> {
        let mismatch = self.compare_names(&reader.name, reader.aliases.as_deref(), &writer.name);
        let has_default = reader.default.as_ref().is_some_and(|it| reader.symbols.contains(it));
        if !mismatch.is_empty() || has_default {
            return mismatch;
        }
        let known: HashSet<&String> = reader.symbols.iter().collect();
        let missing: Vec<&str> =
            writer.symbols.iter().filter(|it| !known.contains(it)).map(String::as_str).collect();
        if missing.is_empty() {
            return Vec::new();
        }
        let (name, missing) = (reader.name.as_ref(), missing.join(", "));
        let (reader, writer) = (self.reader.label, self.writer.label);
        one(
            IncompatibilityKind::MissingEnumSymbols,
            "/symbols",
            format!(
                "the {reader} enum {name} has neither a default nor the {writer} one's {missing}"
            ),
        )
    }

    fn compare_fixed(&self, reader: &FixedSchema, writer: &FixedSchema) -> Vec<Mismatch> {
        let mismatch = self.compare_names(&reader.name, reader.aliases.as_deref(), &writer.name);
        if !mismatch.is_empty() || reader.size == writer.size {
            return mismatch;
        }
        let (expected, written) = (reader.size, writer.size);
        let (reader, writer) = (self.reader.label, self.writer.label);
        one(
            IncompatibilityKind::FixedSizeMismatch,
            "/size",
            format!(
                "the {reader} schema reads {expected} bytes, the {writer} one writes {written}"
            ),
        )
    }

    /// Unqualified names must match, or one of the reader's aliases the writer's full name.
    fn compare_names(
        &self,
        reader: &Name,
        aliases: Option<&[Alias]>,
        writer: &Name,
    ) -> Vec<Mismatch> {
        let is_alias = |alias: &Alias| alias.fullname(None) == writer.as_ref();
        if unqualified(reader) == unqualified(writer)
            || aliases.unwrap_or_default().iter().any(is_alias)
        {
            return Vec::new();
        }
        let (read, written) = (reader.as_ref(), writer.as_ref());
        let (reader, writer) = (self.reader.label, self.writer.label);
        one(
            IncompatibilityKind::NameMismatch,
            "/name",
            format!(
                "the {reader} schema says {read}, the {writer} one {written}, and no alias joins them"
            ),
        )
    }

    fn compare_logical_types(&self, reader: &'s Schema, writer: &'s Schema) -> Vec<Mismatch> {
        let read = logical_type(self.reader.names.definition(reader));
        let written = logical_type(self.writer.names.definition(writer));
        let (Some(read), Some(written)) = (read, written) else { return Vec::new() };
        if read == written {
            return Vec::new();
        }
        let (reader, writer) = (self.reader.label, self.writer.label);
        one(
            IncompatibilityKind::LogicalTypeMismatch,
            "/logicalType",
            format!("the {reader} schema reads {read} where the {writer} one writes {written}"),
        )
    }

    fn type_mismatch(&self, read: &Shape<'_>, written: &Shape<'_>) -> Vec<Mismatch> {
        let (read, written) = (read.describe(), written.describe());
        let (reader, writer) = (self.reader.label, self.writer.label);
        one(
            IncompatibilityKind::TypeMismatch,
            "",
            format!("the {reader} schema wants {read} where the {writer} one writes {written}"),
        )
    }
}

/// A field's own name goes before its aliases.
fn written_field<'s>(field: &RecordField, writer: &'s RecordSchema) -> Option<&'s RecordField> {
    let mut candidates = std::iter::once(&field.name).chain(&field.aliases);
    candidates.find_map(|name| writer.fields.iter().find(|written| written.name == *name))
}

/// Not `Name::name`, which panics for the empty name that apache-avro uses internally.
fn unqualified(name: &Name) -> &str {
    let full: &str = name.as_ref();
    full.rsplit('.').next().unwrap_or(full)
}

fn one(kind: IncompatibilityKind, path: &str, message: String) -> Vec<Mismatch> {
    vec![Mismatch { kind, path: path.to_owned(), message }]
}

fn under(prefix: &str, mut found: Vec<Mismatch>) -> Vec<Mismatch> {
    found.iter_mut().for_each(|mismatch| mismatch.path.insert_str(0, prefix));
    found
}

fn keep(found: &mut Vec<Mismatch>, more: Vec<Mismatch>) {
    let room = MAX_MISMATCHES.saturating_sub(found.len());
    found.extend(more.into_iter().take(room));
}
