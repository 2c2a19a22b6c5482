//! A view of a schema for comparing: references followed, logical types split from the type that
//! carries them.
//!
//! `apache_avro::Schema` has one variant for each logical type; schema resolution is about the
//! underlying types, so that a `match` over its 28 variants squared would be unreadable.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{
    DecimalSchema, EnumSchema, FixedSchema, InnerDecimalSchema, RecordSchema, UuidSchema,
};

/// The underlying type.
#[derive(Clone, Copy)]
pub(super) enum Shape<'s> {
    Primitive(Primitive),
    Array(&'s Schema),
    Map(&'s Schema),
    Union(&'s [Schema]),
    Record(&'s RecordSchema),
    Enum(&'s EnumSchema),
    Fixed(&'s FixedSchema),
    /// A reference that leads nowhere: only in a schema that was not parsed whole.
    Dangling(&'s str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Primitive {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
}

impl Primitive {
    /// Section "Schema Resolution" of the specification: what a reader of type `self` may be given.
    pub(super) fn reads(self, writer: Self) -> bool {
        use Primitive::{Bytes, Double, Float, Int, Long, String};
        self == writer
            || matches!(
                (self, writer),
                (Long, Int)
                    | (Float, Int | Long)
                    | (Double, Int | Long | Float)
                    | (String, Bytes)
                    | (Bytes, String)
            )
    }
}

impl Shape<'_> {
    /// How the specification calls the type, with its name if it has one.
    pub(super) fn describe(&self) -> String {
        match self {
            Shape::Primitive(primitive) => primitive_name(*primitive).to_owned(),
            Shape::Array(_) => "array".to_owned(),
            Shape::Map(_) => "map".to_owned(),
            Shape::Union(_) => "union".to_owned(),
            Shape::Record(record) => format!("record {}", record.name.as_ref()),
            Shape::Enum(enumeration) => format!("enum {}", enumeration.name.as_ref()),
            Shape::Fixed(fixed) => format!("fixed {}", fixed.name.as_ref()),
            Shape::Dangling(name) => format!("undefined type {name}"),
        }
    }
}

fn primitive_name(primitive: Primitive) -> &'static str {
    match primitive {
        Primitive::Null => "null",
        Primitive::Boolean => "boolean",
        Primitive::Int => "int",
        Primitive::Long => "long",
        Primitive::Float => "float",
        Primitive::Double => "double",
        Primitive::Bytes => "bytes",
        Primitive::String => "string",
    }
}

/// The named types of one schema, by full name and by alias (a schema may refer to its own types by
/// alias).
#[derive(Default)]
pub(super) struct Names<'s>(HashMap<String, &'s Schema>);

impl<'s> Names<'s> {
    pub(super) fn of(root: &'s Schema) -> Self {
        let mut names = Self::default();
        names.collect(root);
        names
    }

    /// Follows a reference, as often as it leads to another one.
    pub(super) fn shape(&self, schema: &'s Schema) -> Shape<'s> {
        match schema {
            Schema::Ref { name } => match self.0.get(name.as_ref()) {
                Some(definition) => shape_of_definition(definition),
                None => Shape::Dangling(name.as_ref()),
            },
            other => shape_of_definition(other),
        }
    }

    /// The schema behind a reference, for its logical type.
    pub(super) fn definition(&self, schema: &'s Schema) -> &'s Schema {
        match schema {
            Schema::Ref { name } => self.0.get(name.as_ref()).copied().unwrap_or(schema),
            other => other,
        }
    }

    fn collect(&mut self, schema: &'s Schema) {
        match schema {
            Schema::Ref { .. } => return,
            Schema::Array(array) => self.collect(&array.items),
            Schema::Map(map) => self.collect(&map.types),
            Schema::Union(union) => union.variants().iter().for_each(|branch| self.collect(branch)),
            Schema::Record(record) => {
                record.fields.iter().for_each(|field| self.collect(&field.schema));
            }
            _ => {}
        }
        if let Some(name) = schema.name() {
            self.0.insert(name.as_ref().to_owned(), schema);
        }
        for alias in schema.aliases().into_iter().flatten() {
            // Never in place of a type that really has this name.
            self.0.entry(alias.fullname(None)).or_insert(schema);
        }
    }
}

fn shape_of_definition(schema: &Schema) -> Shape<'_> {
    match schema {
        Schema::Null => Shape::Primitive(Primitive::Null),
        Schema::Boolean => Shape::Primitive(Primitive::Boolean),
        Schema::Int | Schema::Date | Schema::TimeMillis => Shape::Primitive(Primitive::Int),
        Schema::Long
        | Schema::TimeMicros
        | Schema::TimestampMillis
        | Schema::TimestampMicros
        | Schema::TimestampNanos
        | Schema::LocalTimestampMillis
        | Schema::LocalTimestampMicros
        | Schema::LocalTimestampNanos => Shape::Primitive(Primitive::Long),
        Schema::Float => Shape::Primitive(Primitive::Float),
        Schema::Double => Shape::Primitive(Primitive::Double),
        Schema::Bytes
        | Schema::BigDecimal
        | Schema::Uuid(UuidSchema::Bytes)
        | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Bytes, .. }) => {
            Shape::Primitive(Primitive::Bytes)
        }
        Schema::String | Schema::Uuid(UuidSchema::String) => Shape::Primitive(Primitive::String),
        Schema::Array(array) => Shape::Array(&array.items),
        Schema::Map(map) => Shape::Map(&map.types),
        Schema::Union(union) => Shape::Union(union.variants()),
        Schema::Record(record) => Shape::Record(record),
        Schema::Enum(enumeration) => Shape::Enum(enumeration),
        Schema::Fixed(fixed)
        | Schema::Duration(fixed)
        | Schema::Uuid(UuidSchema::Fixed(fixed))
        | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Fixed(fixed), .. }) => {
            Shape::Fixed(fixed)
        }
        Schema::Ref { name } => Shape::Dangling(name.as_ref()),
    }
}

/// The logical type with what makes it differ from another one, or nothing.
pub(super) fn logical_type(schema: &Schema) -> Option<String> {
    let fixed_name = match schema {
        Schema::Decimal(decimal) => {
            return Some(format!("decimal({}, {})", decimal.precision, decimal.scale));
        }
        Schema::BigDecimal => "big-decimal",
        Schema::Uuid(_) => "uuid",
        Schema::Date => "date",
        Schema::TimeMillis => "time-millis",
        Schema::TimeMicros => "time-micros",
        Schema::TimestampMillis => "timestamp-millis",
        Schema::TimestampMicros => "timestamp-micros",
        Schema::TimestampNanos => "timestamp-nanos",
        Schema::LocalTimestampMillis => "local-timestamp-millis",
        Schema::LocalTimestampMicros => "local-timestamp-micros",
        Schema::LocalTimestampNanos => "local-timestamp-nanos",
        Schema::Duration(_) => "duration",
        _ => return None,
    };
    Some(fixed_name.to_owned())
}
