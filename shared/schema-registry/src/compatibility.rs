//! May a new version of an Avro schema be released beside the old ones?
//!
//! [`check`] is pure: schemas in, a list of [`Incompatibility`] out, each with the path,
//! Confluent's name for its kind and a sentence. The registry refuses with it, and so do the
//! command line and CI before a merge.
//!
//! The two halves of a check are the same question asked both ways round: *can a reader with this
//! schema read what a writer with that schema wrote?* The answer is in
//! `compatibility/resolution.rs`.
//!
//! Levels and their meaning:
//! <https://docs.confluent.io/platform/current/schema-registry/fundamentals/schema-evolution.html#compatibility-types>

use std::fmt;
use std::str::FromStr;

use apache_avro::Schema;

use self::resolution::Resolver;

mod resolution;
mod shape;

/// What a new version is held to. The names are Confluent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompatibilityLevel {
    /// Anything goes.
    None,
    /// The new schema reads what the latest one wrote.
    Backward,
    /// The new schema reads what every earlier one wrote.
    BackwardTransitive,
    /// The latest schema reads what the new one writes.
    Forward,
    /// Every earlier schema reads what the new one writes.
    ForwardTransitive,
    /// [`Self::Backward`] and [`Self::Forward`].
    Full,
    /// [`Self::BackwardTransitive`] and [`Self::ForwardTransitive`].
    FullTransitive,
}

impl CompatibilityLevel {
    /// All seven, from the laxest to the strictest.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Backward,
        Self::BackwardTransitive,
        Self::Forward,
        Self::ForwardTransitive,
        Self::Full,
        Self::FullTransitive,
    ];

    /// The name on the wire, such as `FULL_TRANSITIVE`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Backward => "BACKWARD",
            Self::BackwardTransitive => "BACKWARD_TRANSITIVE",
            Self::Forward => "FORWARD",
            Self::ForwardTransitive => "FORWARD_TRANSITIVE",
            Self::Full => "FULL",
            Self::FullTransitive => "FULL_TRANSITIVE",
        }
    }

    /// Whether every earlier version counts, and not only the latest.
    #[must_use]
    pub fn is_transitive(self) -> bool {
        matches!(self, Self::BackwardTransitive | Self::ForwardTransitive | Self::FullTransitive)
    }

    fn directions(self) -> &'static [Direction] {
        match self {
            Self::None => &[],
            Self::Backward | Self::BackwardTransitive => &[Direction::Backward],
            Self::Forward | Self::ForwardTransitive => &[Direction::Forward],
            Self::Full | Self::FullTransitive => &[Direction::Backward, Direction::Forward],
        }
    }
}

impl fmt::Display for CompatibilityLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CompatibilityLevel {
    type Err = UnknownLevel;

    /// Case does not matter, as in Confluent's registry.
    fn from_str(name: &str) -> Result<Self, UnknownLevel> {
        let known = Self::ALL.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(name));
        known.ok_or_else(|| UnknownLevel(name.to_owned()))
    }
}

/// Not one of the seven levels.
#[derive(Debug, thiserror::Error)]
#[error("unknown compatibility level `{0}`")]
pub struct UnknownLevel(pub String);

/// Who could not read whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The new schema, reading what the existing one wrote.
    Backward,
    /// The existing schema, reading what the new one writes.
    Forward,
}

/// What kind of change breaks. The names are those of Avro's Java library, which Confluent shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncompatibilityKind {
    /// The reader wants a field that the writer hasn't, and has no default for it.
    ReaderFieldMissingDefaultValue,
    /// The writer may write a symbol that the reader's enum neither lists nor has a default for.
    MissingEnumSymbols,
    /// Neither equal nor promotable.
    TypeMismatch,
    /// Two named types with different names and no alias between them.
    NameMismatch,
    /// The writer may write something that no branch of the reader's union reads.
    MissingUnionBranch,
    /// Two fixed types of different sizes.
    FixedSizeMismatch,
    /// The same bytes with another meaning, such as milliseconds read as microseconds. Ours alone.
    LogicalTypeMismatch,
}

impl IncompatibilityKind {
    /// The name on the wire, such as `READER_FIELD_MISSING_DEFAULT_VALUE`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReaderFieldMissingDefaultValue => "READER_FIELD_MISSING_DEFAULT_VALUE",
            Self::MissingEnumSymbols => "MISSING_ENUM_SYMBOLS",
            Self::TypeMismatch => "TYPE_MISMATCH",
            Self::NameMismatch => "NAME_MISMATCH",
            Self::MissingUnionBranch => "MISSING_UNION_BRANCH",
            Self::FixedSizeMismatch => "FIXED_SIZE_MISMATCH",
            Self::LogicalTypeMismatch => "LOGICAL_TYPE_MISMATCH",
        }
    }
}

/// One reason why a new schema may not be released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incompatibility {
    /// The kind of change.
    pub kind: IncompatibilityKind,
    /// Who could not read whom.
    pub direction: Direction,
    /// Index into the `existing` that were given to [`check`].
    pub existing: usize,
    /// JSON pointer into the *reader's* schema, such as `/fields/2/type`; `/` is its root. As in
    /// Java, the number after a union is that of the branch that was *written*.
    pub path: String,
    /// A sentence for people.
    pub message: String,
}

impl fmt::Display for Incompatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.kind.as_str(), self.path, self.message)
    }
}

/// Everything that keeps `new` from being released beside `existing` (oldest first); empty when it
/// may be.
///
/// A level that is not transitive looks at the last of `existing` only. The newest version comes
/// first in the answer. Never panics, and ends for recursive schemas.
#[must_use]
pub fn check(level: CompatibilityLevel, new: &Schema, existing: &[Schema]) -> Vec<Incompatibility> {
    let depth = if level.is_transitive() { existing.len() } else { 1 };
    let compared = existing.iter().enumerate().rev().take(depth);
    compared
        .flat_map(|(index, old)| {
            let ways = level.directions().iter();
            ways.flat_map(move |&direction| one_way(direction, new, old, index))
        })
        .collect()
}

fn one_way(
    direction: Direction,
    new: &Schema,
    old: &Schema,
    existing: usize,
) -> Vec<Incompatibility> {
    let mut resolver = match direction {
        Direction::Backward => Resolver::new(("new", new), ("old", old)),
        Direction::Forward => Resolver::new(("old", old), ("new", new)),
    };
    let found = resolver.resolve_roots().into_iter();
    found
        .map(|mismatch| Incompatibility {
            kind: mismatch.kind,
            direction,
            existing,
            path: if mismatch.path.is_empty() { "/".to_owned() } else { mismatch.path },
            message: mismatch.message,
        })
        .collect()
}

#[cfg(test)]
mod tests;
