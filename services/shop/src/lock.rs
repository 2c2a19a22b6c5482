//! One process per data directory: an operating system lock, which dies with its process.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use process_lock::ProcessLock;

/// Creates `dir` if need be and locks it; the lock lives as long as what is returned.
pub fn lock(dir: &Path) -> Result<ProcessLock> {
    fs::create_dir_all(dir).with_context(|| {
        format!(
            "cannot create the data directory {}; choose another with --data-dir",
            dir.display()
        )
    })?;
    let lock = ProcessLock::acquire(&dir.join("lock")).with_context(|| {
        format!(
            "cannot write to the data directory {}; choose another with --data-dir",
            dir.display()
        )
    })?;
    lock.with_context(|| {
        format!(
            "another shop is running on {}; stop it, or choose another directory with --data-dir (and another port with --listen)",
            dir.display()
        )
    })
}
