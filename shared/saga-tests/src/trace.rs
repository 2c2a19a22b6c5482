//! What a simulation did, line by line: two runs of a seed must do the same.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The steps taken so far.
#[derive(Debug, Default)]
pub struct Trace {
    lines: Vec<String>,
}

impl Trace {
    /// Notes a step.
    pub fn note(&mut self, line: String) {
        self.lines.push(line);
    }

    /// One number for all of it.
    pub fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.lines.hash(&mut hasher);
        hasher.finish()
    }

    /// All steps.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}
