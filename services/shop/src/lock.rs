//! One process per data directory: an operating system lock, which dies with its process.

use std::{
    fs::{self, File, TryLockError},
    path::Path,
};

use anyhow::{Context as _, Result, bail};

/// Creates `dir` if need be and locks it; the lock lives as long as what is returned.
pub fn lock(dir: &Path) -> Result<File> {
    fs::create_dir_all(dir).with_context(|| {
        format!(
            "cannot create the data directory {}; choose another with --data-dir",
            dir.display()
        )
    })?;
    let path = dir.join("lock");
    let file = File::create(&path).with_context(|| {
        format!(
            "cannot write to the data directory {}; choose another with --data-dir",
            dir.display()
        )
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another shop is running on {}; stop it, or choose another directory with --data-dir (and another port with --listen)",
            dir.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
