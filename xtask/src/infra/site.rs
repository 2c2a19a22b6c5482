//! Where things are: the data folder of one set of servers, and the programs that all sets share.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use process_lock::ProcessLock;

use super::server::ServerName;

/// The folders of one set of servers.
#[derive(Clone, Debug)]
pub struct Site {
    data: PathBuf,
    programs: PathBuf,
}

impl Site {
    /// The set in `data_dir`, by default `target/infra` of this workspace. Creates nothing yet.
    pub fn at(data_dir: Option<&Path>) -> Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("the xtask crate has no parent folder")?;
        let data = match data_dir {
            // Servers run in another folder, so their settings need absolute paths.
            Some(dir) => std::path::absolute(dir)?,
            None => workspace.join("target/infra"),
        };
        // A symbolic link or `..` would hide that two spellings are one set.
        let data = data.canonicalize().unwrap_or(data);
        Ok(Self { data, programs: workspace.join("target/infra-programs") })
    }

    /// The same set with its programs elsewhere.
    #[cfg(test)]
    pub fn with_programs(self, programs: PathBuf) -> Self {
        Self { programs, ..self }
    }

    /// The data folder of the set.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The folder with one sub-folder per installed program and version.
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// The folder of one server: its data, settings, secrets and log.
    pub fn dir(&self, name: ServerName) -> PathBuf {
        self.data.join(name.as_str())
    }

    /// The log of one server.
    pub fn log(&self, name: ServerName) -> PathBuf {
        self.dir(name).join("server.log")
    }

    /// The text by which a process's command line is recognised as this set's server.
    pub fn marker(&self, name: ServerName) -> String {
        format!("{}/", self.dir(name).display())
    }

    /// Creates the folder of one server, readable by its user only.
    pub fn create_dir(&self, name: ServerName) -> Result<PathBuf> {
        let dir = self.dir(name);
        if !dir.exists() {
            DirBuilder::new()
                .mode(0o700)
                .create(&dir)
                .with_context(|| format!("cannot create {}", dir.display()))?;
        }
        Ok(dir)
    }

    /// Creates the data folder and keeps others from changing this set as long as the file is held.
    pub fn lock(&mut self) -> Result<ProcessLock> {
        fs::create_dir_all(&self.data)
            .with_context(|| format!("cannot create {}", self.data.display()))?;
        self.data = self.data.canonicalize()?;
        let path = self.data.join("lock");
        ProcessLock::acquire(&path)
            .with_context(|| format!("cannot lock {}", path.display()))?
            .with_context(|| {
                format!("another `cargo xtask infra` is at work in {}", self.data.display())
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_command_in_the_same_folder_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut site = Site::at(Some(folder.path())).expect("a site");
        let held = site.lock().expect("the first lock");
        let refused = site.clone().lock().expect_err("the second lock");
        assert!(refused.to_string().contains("another"), "{refused}");
        drop(held);
        site.lock().expect("free again");
    }

    #[test]
    fn the_marker_tells_sibling_folders_apart() {
        let one = Site::at(Some(Path::new("/no-such-folder/infra"))).expect("a site");
        let two = Site::at(Some(Path::new("/no-such-folder/infra2"))).expect("a site");
        let marker = one.marker(ServerName::Kafka);
        assert!(!two.marker(ServerName::Kafka).contains(&marker));
    }
}
