//! One process per directory, by a lock of the operating system, which dies with its process.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

/// A lock file, held until this is dropped.
#[derive(Debug)]
pub struct ProcessLock(File);

impl ProcessLock {
    /// Creates the file at `path` if need be and locks it; `None` when somebody else holds it.
    ///
    /// # Errors
    /// When the file cannot be created or locked.
    pub fn acquire(path: &Path) -> io::Result<Option<Self>> {
        let file = File::create(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Closing the file is not enough: a child process that is just being started has a copy of it.
impl Drop for ProcessLock {
    fn drop(&mut self) {
        // What fails here ends with the process.
        drop(self.0.unlock());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_free_when_dropped_whoever_has_a_copy_of_its_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("lock");
        let held = ProcessLock::acquire(&path).expect("a file").expect("free");
        assert!(ProcessLock::acquire(&path).expect("a file").is_none());
        let copy = held.0.try_clone().expect("a copy");
        drop(held);
        assert!(ProcessLock::acquire(&path).expect("a file").is_some());
        drop(copy);
    }
}
