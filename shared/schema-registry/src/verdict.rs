//! The answer of a compatibility test, and how Confluent's clients expect to read it.

use crate::compatibility::{CompatibilityLevel, Direction, Incompatibility};
use crate::subject::{Registered, Selector};

/// What a compatibility test compares with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// One version, as if there were no other.
    Version(Selector),
    /// What registering would compare with.
    Subject,
}

/// The answer of a compatibility test.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The level that was applied.
    pub level: CompatibilityLevel,
    /// Each reason with the version that it is about; none when the schema is compatible.
    pub reasons: Vec<(Registered, Incompatibility)>,
}

impl Verdict {
    /// Whether the schema may be registered.
    #[must_use]
    pub fn is_compatible(&self) -> bool {
        self.reasons.is_empty()
    }

    /// The reasons in Confluent's format, which people and tools read: each reason, after those of
    /// a version that version, and the level at the end. Empty when there are none.
    #[must_use]
    pub fn messages(&self) -> Vec<String> {
        let mut messages = Vec::new();
        for about in self.reasons.chunk_by(|(one, _), (next, _)| one.version == next.version) {
            messages.extend(about.iter().map(|(_, reason)| message(reason)));
            if let Some((existing, _)) = about.first() {
                messages.push(format!("{{oldSchemaVersion: {}}}", existing.version));
                messages.push(format!("{{oldSchema: '{}'}}", existing.schema));
            }
        }
        if !messages.is_empty() {
            messages.push(format!("{{compatibility: '{}'}}", self.level));
        }
        messages
    }
}

fn message(reason: &Incompatibility) -> String {
    let (kind, path, message) = (reason.kind.as_str(), &reason.path, &reason.message);
    let who = match reason.direction {
        Direction::Backward => "the new schema cannot read what the old one wrote",
        Direction::Forward => "the old schema cannot read what the new one writes",
    };
    format!(
        "{{errorType:'{kind}', description:'{message} (path '{path}')', additionalInfo:'{who}'}}"
    )
}
