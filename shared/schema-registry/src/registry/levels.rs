//! To which level subjects are held: their own, else the global one, else the default.

use sea_orm::ConnectionTrait;

use super::Registry;
use crate::compatibility::CompatibilityLevel;
use crate::error::RegistryError;
use crate::store::{self, GLOBAL};
use crate::subject::check_name;

impl Registry {
    /// The level that holds for all subjects without their own.
    ///
    /// # Errors
    /// [`RegistryError::Store`].
    pub async fn global_level(&self) -> Result<CompatibilityLevel, RegistryError> {
        Ok(store::level(&self.db, GLOBAL).await?.unwrap_or(self.default_level))
    }

    /// Sets the level that holds for all subjects without their own.
    ///
    /// # Errors
    /// [`RegistryError::Store`].
    pub async fn set_global_level(&self, level: CompatibilityLevel) -> Result<(), RegistryError> {
        Ok(store::set_level(&self.db, GLOBAL, level).await?)
    }

    /// Goes back to the default, and says what was set before.
    ///
    /// # Errors
    /// [`RegistryError::Store`].
    pub async fn delete_global_level(&self) -> Result<CompatibilityLevel, RegistryError> {
        let tx = store::begin(&self.db).await?;
        let level = store::level(&tx, GLOBAL).await?;
        store::delete_level(&tx, GLOBAL).await?;
        tx.commit().await?;
        Ok(level.unwrap_or(self.default_level))
    }

    /// A subject's own level.
    ///
    /// # Errors
    /// [`RegistryError::LevelNotConfigured`] when it has none, or [`RegistryError::Store`].
    pub async fn subject_level(&self, subject: &str) -> Result<CompatibilityLevel, RegistryError> {
        check_name(subject)?;
        let level = store::level(&self.db, subject).await?;
        level.ok_or_else(|| RegistryError::LevelNotConfigured(subject.to_owned()))
    }

    /// The level that a subject is held to: its own or the global one.
    ///
    /// # Errors
    /// [`RegistryError::Store`].
    pub async fn effective_level(
        &self,
        subject: &str,
    ) -> Result<CompatibilityLevel, RegistryError> {
        self.effective_level_in(&self.db, subject).await
    }

    pub(super) async fn effective_level_in(
        &self,
        db: &impl ConnectionTrait,
        subject: &str,
    ) -> Result<CompatibilityLevel, RegistryError> {
        let own = store::level(db, subject).await?;
        let global = store::level(db, GLOBAL).await?;
        Ok(own.or(global).unwrap_or(self.default_level))
    }

    /// Sets a subject's own level; the subject need not exist yet.
    ///
    /// # Errors
    /// [`RegistryError::InvalidSubject`] or [`RegistryError::Store`].
    pub async fn set_subject_level(
        &self,
        subject: &str,
        level: CompatibilityLevel,
    ) -> Result<(), RegistryError> {
        check_name(subject)?;
        Ok(store::set_level(&self.db, subject, level).await?)
    }

    /// Removes a subject's own level, and says what it was.
    ///
    /// # Errors
    /// [`RegistryError::SubjectNotFound`] when it had none, as in Confluent's registry, or
    /// [`RegistryError::Store`].
    pub async fn delete_subject_level(
        &self,
        subject: &str,
    ) -> Result<CompatibilityLevel, RegistryError> {
        check_name(subject)?;
        let tx = store::begin(&self.db).await?;
        let level = store::level(&tx, subject).await?;
        let level = level.ok_or_else(|| RegistryError::SubjectNotFound(subject.to_owned()))?;
        store::delete_level(&tx, subject).await?;
        tx.commit().await?;
        Ok(level)
    }
}
