//! One subject with its versions: which may be seen, which may be deleted. Pure.

use std::str::FromStr;

use serde::Serialize;

use crate::error::RegistryError;
use crate::store::entity::version;

/// Longer names come from a mistake, not from a topic and a record.
const MAX_NAME_CHARS: usize = 1000;

/// Which versions a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Those that are not deleted.
    Live,
    /// The softly deleted ones too.
    IncludingDeleted,
}

/// How to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// Out of sight; ids can still be read, so that old events can be decoded.
    Soft,
    /// For good, after a soft deletion.
    Permanent,
}

/// One version of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The newest visible one.
    Latest,
    /// This one; from 1.
    Number(i32),
}

impl FromStr for Selector {
    type Err = RegistryError;

    /// `latest`, `-1` (the same) or a number from 1.
    fn from_str(text: &str) -> Result<Self, RegistryError> {
        match (text, text.parse()) {
            ("latest" | "-1", _) => Ok(Self::Latest),
            (_, Ok(number)) if number > 0 => Ok(Self::Number(number)),
            _ => Err(RegistryError::InvalidVersion(text.to_owned())),
        }
    }
}

/// A schema under a subject, in the shape of Confluent's answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Registered {
    /// The subject, such as `shop.orders-shop.order.OrderPlaced`.
    pub subject: String,
    /// From 1 within the subject.
    pub version: i32,
    /// The id that stands in front of every message.
    pub id: i32,
    /// The JSON text, as it was given.
    pub schema: String,
}

/// A subject as stored, deleted versions too, oldest first.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) versions: Vec<version::Model>,
}

impl Subject {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), versions: Vec::new() }
    }

    pub(crate) fn visible(
        &self,
        visibility: Visibility,
    ) -> impl DoubleEndedIterator<Item = &version::Model> {
        let show_deleted = visibility == Visibility::IncludingDeleted;
        self.versions.iter().filter(move |row| show_deleted || !row.deleted)
    }

    pub(crate) fn is_visible(&self, visibility: Visibility) -> bool {
        self.visible(visibility).next().is_some()
    }

    /// The subject, unless nothing of it may be seen.
    pub(crate) fn required(self, visibility: Visibility) -> Result<Self, RegistryError> {
        if self.is_visible(visibility) {
            Ok(self)
        } else {
            Err(RegistryError::SubjectNotFound(self.name))
        }
    }

    pub(crate) fn select(
        &self,
        selector: Selector,
        visibility: Visibility,
    ) -> Result<&version::Model, RegistryError> {
        match selector {
            Selector::Latest => self
                .visible(visibility)
                .next_back()
                .ok_or_else(|| RegistryError::VersionNotFound("latest".to_owned())),
            Selector::Number(number) => self
                .visible(visibility)
                .find(|row| row.version == number)
                .ok_or_else(|| RegistryError::VersionNotFound(number.to_string())),
        }
    }

    /// The newest visible version with this schema.
    pub(crate) fn with_schema(
        &self,
        schema_id: i32,
        visibility: Visibility,
    ) -> Option<&version::Model> {
        self.visible(visibility).rfind(|row| row.schema_id == schema_id)
    }

    /// The row of a new version. Deleted ones keep their numbers.
    pub(crate) fn next(&self, schema_id: i32) -> version::Model {
        let version = self.versions.last().map_or(1, |row| row.version + 1);
        version::Model { subject: self.name.clone(), version, schema_id, deleted: false }
    }

    /// The versions that deleting the whole subject would delete.
    pub(crate) fn deletable(&self, deletion: Deletion) -> Result<Vec<i32>, RegistryError> {
        let name = || self.name.clone();
        if self.versions.is_empty() {
            return Err(RegistryError::SubjectNotFound(name()));
        }
        match (deletion, self.is_visible(Visibility::Live)) {
            (Deletion::Soft, false) => Err(RegistryError::SubjectSoftDeleted(name())),
            (Deletion::Permanent, true) => Err(RegistryError::SubjectNotSoftDeleted(name())),
            (Deletion::Soft, true) => Ok(numbers(self.visible(Visibility::Live))),
            (Deletion::Permanent, false) => Ok(numbers(self.versions.iter())),
        }
    }

    /// The number of the one version to be deleted.
    pub(crate) fn deletable_version(
        &self,
        selector: Selector,
        deletion: Deletion,
    ) -> Result<i32, RegistryError> {
        if self.versions.is_empty() {
            return Err(RegistryError::SubjectNotFound(self.name.clone()));
        }
        let live = self.select(selector, Visibility::Live);
        let row = live.or_else(|_| self.select(selector, Visibility::IncludingDeleted))?;
        match (deletion, row.deleted) {
            (Deletion::Soft, true) => {
                Err(RegistryError::VersionSoftDeleted(self.name.clone(), row.version))
            }
            (Deletion::Permanent, false) => {
                Err(RegistryError::VersionNotSoftDeleted(self.name.clone(), row.version))
            }
            (Deletion::Soft, false) | (Deletion::Permanent, true) => Ok(row.version),
        }
    }

    /// Out of sight, as after a soft deletion.
    pub(crate) fn hide(&mut self, versions: &[i32]) {
        let hidden = self.versions.iter_mut().filter(|row| versions.contains(&row.version));
        hidden.for_each(|row| row.deleted = true);
    }
}

fn numbers<'r>(rows: impl Iterator<Item = &'r version::Model>) -> Vec<i32> {
    rows.map(|row| row.version).collect()
}

/// # Errors
/// [`RegistryError::InvalidSubject`] when the name is empty, too long or not printable.
pub(crate) fn check_name(name: &str) -> Result<(), RegistryError> {
    let is_bad = name.is_empty()
        || name.chars().count() > MAX_NAME_CHARS
        || name.chars().any(char::is_control);
    if is_bad { Err(RegistryError::InvalidSubject(name.to_owned())) } else { Ok(()) }
}
