//! The operations of the registry. Every one that writes is one transaction; the rules about what
//! may be seen and deleted are in [`crate::subject`], those about schemas in
//! [`crate::compatibility`].

use std::path::Path;

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction};

use crate::compatibility::{CompatibilityLevel, check};
use crate::error::RegistryError;
use crate::schema::{ParsedSchema, parse_schema};
use crate::store;
use crate::subject::{Deletion, Registered, Selector, Subject, Visibility, check_name};
use crate::verdict::{Against, Verdict};

mod levels;

/// The embedded schema registry. Clones share one database.
#[derive(Clone, Debug)]
pub struct Registry {
    db: DatabaseConnection,
    default_level: CompatibilityLevel,
}

impl Registry {
    /// Opens the registry in this file, and creates it if need be. What was acknowledged survives a
    /// power cut.
    ///
    /// # Errors
    /// [`RegistryError::Store`] when the file cannot be opened or isn't a registry's.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, RegistryError> {
        Ok(Self::on(store::open_file(path.as_ref()).await?))
    }

    /// Opens an empty registry that is gone when its last clone is dropped.
    ///
    /// # Errors
    /// [`RegistryError::Store`] when SQLite refuses.
    pub async fn in_memory() -> Result<Self, RegistryError> {
        Ok(Self::on(store::open_memory().await?))
    }

    fn on(db: DatabaseConnection) -> Self {
        Self { db, default_level: CompatibilityLevel::FullTransitive }
    }

    /// Holds subjects to this level while nobody has set another one; `FULL_TRANSITIVE` otherwise.
    #[must_use]
    pub fn with_default_level(self, default_level: CompatibilityLevel) -> Self {
        Self { default_level, ..self }
    }

    /// Whether the database answers; for readiness.
    ///
    /// # Errors
    /// [`RegistryError::Store`] when it does not.
    pub async fn ping(&self) -> Result<(), RegistryError> {
        Ok(self.db.ping().await?)
    }

    /// Closes the database once the work in flight is done; the registry then answers errors only.
    ///
    /// # Errors
    /// [`RegistryError::Store`] when SQLite refuses.
    pub async fn close(&self) -> Result<(), RegistryError> {
        Ok(self.db.close_by_ref().await?)
    }

    // ---- subjects and versions

    /// The names of all subjects that begin with `prefix`, sorted.
    ///
    /// # Errors
    /// [`RegistryError::Store`].
    pub async fn subjects(
        &self,
        prefix: &str,
        visibility: Visibility,
    ) -> Result<Vec<String>, RegistryError> {
        let subjects = store::subjects(&self.db, prefix).await?.into_iter();
        let visible = subjects.filter(|subject| subject.is_visible(visibility));
        Ok(visible.map(|subject| subject.name).collect())
    }

    /// The version numbers of a subject, oldest first.
    ///
    /// # Errors
    /// [`RegistryError::SubjectNotFound`] or [`RegistryError::Store`].
    pub async fn versions(
        &self,
        subject: &str,
        visibility: Visibility,
    ) -> Result<Vec<i32>, RegistryError> {
        let subject = store::subject(&self.db, subject).await?.required(visibility)?;
        Ok(subject.visible(visibility).map(|row| row.version).collect())
    }

    /// One version of a subject.
    ///
    /// # Errors
    /// [`RegistryError::SubjectNotFound`], [`RegistryError::VersionNotFound`] or
    /// [`RegistryError::Store`].
    pub async fn version(
        &self,
        subject: &str,
        selector: Selector,
        visibility: Visibility,
    ) -> Result<Registered, RegistryError> {
        let subject = store::subject(&self.db, subject).await?.required(visibility)?;
        let row = subject.select(selector, visibility)?;
        let text = self.schema_by_id(row.schema_id).await?;
        Ok(registered(&subject, row.version, row.schema_id, text))
    }

    /// Registers a schema, unless it is registered under the subject already: then says where. The
    /// same text has the same id under every subject.
    ///
    /// # Errors
    /// [`RegistryError::InvalidSchema`], [`RegistryError::InvalidSubject`],
    /// [`RegistryError::Incompatible`] with every reason, or [`RegistryError::Store`].
    pub async fn register(&self, subject: &str, text: &str) -> Result<Registered, RegistryError> {
        check_name(subject)?;
        let parsed = ParsedSchema::parse(text)?;
        let tx = store::begin(&self.db).await?;
        let known = store::schema_by_fingerprint(&tx, &parsed.fingerprint).await?;
        let subject = store::subject(&tx, subject).await?;
        if let Some(known) = &known
            && let Some(row) = subject.with_schema(known.id, Visibility::Live)
        {
            return Ok(registered(&subject, row.version, known.id, known.text.clone()));
        }
        self.refuse_incompatible(&tx, &subject, &parsed).await?;
        let schema = match known {
            Some(known) => known,
            None => store::insert_schema(&tx, parsed.fingerprint, text).await?,
        };
        let version = subject.next(schema.id);
        store::insert_version(&tx, version.clone()).await?;
        tx.commit().await?;
        tracing::info!(
            subject = subject.name,
            version = version.version,
            id = schema.id,
            "schema registered"
        );
        Ok(registered(&subject, version.version, schema.id, schema.text))
    }

    async fn refuse_incompatible(
        &self,
        tx: &DatabaseTransaction,
        subject: &Subject,
        parsed: &ParsedSchema,
    ) -> Result<(), RegistryError> {
        let verdict = self.judge(tx, subject, parsed, Against::Subject).await?;
        if verdict.is_compatible() {
            return Ok(());
        }
        let details = verdict.messages().join(", ");
        Err(RegistryError::Incompatible { subject: subject.name.clone(), details })
    }

    /// Where a schema is registered under a subject.
    ///
    /// # Errors
    /// [`RegistryError::InvalidSchema`], [`RegistryError::SubjectNotFound`],
    /// [`RegistryError::SchemaNotFound`] or [`RegistryError::Store`].
    pub async fn lookup(
        &self,
        subject: &str,
        text: &str,
        visibility: Visibility,
    ) -> Result<Registered, RegistryError> {
        let parsed = ParsedSchema::parse(text)?;
        let known = store::schema_by_fingerprint(&self.db, &parsed.fingerprint).await?;
        let subject = store::subject(&self.db, subject).await?.required(visibility)?;
        let known = known.ok_or(RegistryError::SchemaNotFound(None))?;
        match subject.with_schema(known.id, visibility) {
            Some(row) => Ok(registered(&subject, row.version, known.id, known.text)),
            None => Err(RegistryError::SchemaNotFound(None)),
        }
    }

    /// Deletes a subject with its level, and says which versions that were.
    ///
    /// # Errors
    /// [`RegistryError::SubjectNotFound`], [`RegistryError::SubjectSoftDeleted`],
    /// [`RegistryError::SubjectNotSoftDeleted`] or [`RegistryError::Store`].
    pub async fn delete_subject(
        &self,
        subject: &str,
        deletion: Deletion,
    ) -> Result<Vec<i32>, RegistryError> {
        let tx = store::begin(&self.db).await?;
        let subject = store::subject(&tx, subject).await?;
        let versions = subject.deletable(deletion)?;
        delete(tx, subject, &versions, deletion).await?;
        Ok(versions)
    }

    /// Deletes one version, and says its number. With its last version a subject loses its level.
    ///
    /// # Errors
    /// [`RegistryError::SubjectNotFound`], [`RegistryError::VersionNotFound`],
    /// [`RegistryError::VersionSoftDeleted`], [`RegistryError::VersionNotSoftDeleted`] or
    /// [`RegistryError::Store`].
    pub async fn delete_version(
        &self,
        subject: &str,
        selector: Selector,
        deletion: Deletion,
    ) -> Result<i32, RegistryError> {
        let tx = store::begin(&self.db).await?;
        let subject = store::subject(&tx, subject).await?;
        let version = subject.deletable_version(selector, deletion)?;
        delete(tx, subject, &[version], deletion).await?;
        Ok(version)
    }

    // ---- schemas

    /// The text of a schema. Softly deleted versions keep theirs, so that old events can be
    /// decoded.
    ///
    /// # Errors
    /// [`RegistryError::SchemaNotFound`] or [`RegistryError::Store`].
    pub async fn schema_by_id(&self, id: i32) -> Result<String, RegistryError> {
        let row = store::schema_by_id(&self.db, id).await?;
        row.map(|row| row.text).ok_or(RegistryError::SchemaNotFound(Some(id)))
    }

    /// Every subject and version that has this schema.
    ///
    /// # Errors
    /// [`RegistryError::SchemaNotFound`] or [`RegistryError::Store`].
    pub async fn uses(
        &self,
        id: i32,
        visibility: Visibility,
    ) -> Result<Vec<(String, i32)>, RegistryError> {
        let subjects = store::uses(&self.db, id).await?;
        if subjects.is_empty() {
            return Err(RegistryError::SchemaNotFound(Some(id)));
        }
        Ok(pairs(&subjects, visibility))
    }

    /// Every version of every subject that begins with `prefix`, or only the latest of each.
    ///
    /// # Errors
    /// [`RegistryError::Store`].
    pub async fn schemas(
        &self,
        prefix: &str,
        visibility: Visibility,
        latest_only: bool,
        page: std::ops::Range<usize>,
    ) -> Result<Vec<Registered>, RegistryError> {
        let shown = if latest_only { 1 } else { usize::MAX };
        let subjects = store::subjects(&self.db, prefix).await?;
        let rows = subjects.iter().flat_map(|subject| {
            let mut rows: Vec<_> = subject.visible(visibility).rev().take(shown).collect();
            rows.reverse();
            rows.into_iter().map(move |row| (subject, row))
        });
        let rows: Vec<_> = rows.skip(page.start).take(page.len()).collect();
        let texts = store::texts(&self.db, rows.iter().map(|(_, row)| row.schema_id)).await?;
        let answer = rows.into_iter().filter_map(|(subject, row)| {
            let text = texts.get(&row.schema_id)?.clone();
            Some(registered(subject, row.version, row.schema_id, text))
        });
        Ok(answer.collect())
    }

    // ---- compatibility

    /// Would this schema be accepted? A subject without versions accepts any valid schema.
    ///
    /// # Errors
    /// [`RegistryError::InvalidSchema`], [`RegistryError::VersionNotFound`] or
    /// [`RegistryError::Store`].
    pub async fn test_compatibility(
        &self,
        subject: &str,
        text: &str,
        against: Against,
    ) -> Result<Verdict, RegistryError> {
        let parsed = ParsedSchema::parse(text)?;
        let subject = store::subject(&self.db, subject).await?;
        self.judge(&self.db, &subject, &parsed, against).await
    }

    async fn judge(
        &self,
        db: &impl ConnectionTrait,
        subject: &Subject,
        parsed: &ParsedSchema,
        against: Against,
    ) -> Result<Verdict, RegistryError> {
        let level = self.effective_level_in(db, &subject.name).await?;
        let rows: Vec<_> = match against {
            Against::Subject => subject.visible(Visibility::Live).collect(),
            Against::Version(Selector::Latest) => {
                subject.visible(Visibility::Live).next_back().into_iter().collect()
            }
            Against::Version(number) => vec![subject.select(number, Visibility::Live)?],
        };
        let texts = store::texts(db, rows.iter().map(|row| row.schema_id)).await?;
        let mut existing = Vec::with_capacity(rows.len());
        let mut schemas = Vec::with_capacity(rows.len());
        for row in rows {
            let text = texts.get(&row.schema_id).cloned().unwrap_or_default();
            schemas.push(parse_schema(&text)?);
            existing.push(registered(subject, row.version, row.schema_id, text));
        }
        let reasons = check(level, &parsed.schema, &schemas).into_iter();
        let reasons = reasons.map(|reason| (existing[reason.existing].clone(), reason)).collect();
        Ok(Verdict { level, reasons })
    }
}

async fn delete(
    tx: DatabaseTransaction,
    mut subject: Subject,
    versions: &[i32],
    deletion: Deletion,
) -> Result<(), RegistryError> {
    match deletion {
        Deletion::Soft => store::mark_deleted(&tx, &subject.name, versions).await?,
        Deletion::Permanent => store::erase(&tx, &subject.name, versions).await?,
    }
    subject.hide(versions);
    if !subject.is_visible(Visibility::Live) {
        store::delete_level(&tx, &subject.name).await?;
    }
    tx.commit().await?;
    tracing::info!(subject = subject.name, ?versions, ?deletion, "schema versions deleted");
    Ok(())
}

fn registered(subject: &Subject, version: i32, id: i32, schema: String) -> Registered {
    Registered { subject: subject.name.clone(), version, id, schema }
}

fn pairs(subjects: &[Subject], visibility: Visibility) -> Vec<(String, i32)> {
    let rows = subjects.iter().flat_map(|subject| {
        subject.visible(visibility).map(|row| (subject.name.clone(), row.version))
    });
    rows.collect()
}
