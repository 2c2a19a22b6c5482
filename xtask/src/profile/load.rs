//! The load: `load-tests checkout` against the shop, in a process of its own. It says on stderr how far it is.

use std::{
    io::{BufRead as _, BufReader, Lines},
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// A load at work.
pub struct Load {
    process: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

impl Load {
    /// Begins.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(programs: &Path, url: &str, words: &[String], out: &Path) -> Result<Self> {
        let mut command = Command::new(programs.join("load-tests"));
        command.args(["checkout", "--target", url, "--json"]).arg(out.join("load.json"));
        let command = command.args(words).stderr(Stdio::piped());
        let mut process = command.spawn().context("cannot start the load")?;
        let stderr = process.stderr.take().context("it has an error output")?;
        Ok(Self { process, lines: BufReader::new(stderr).lines() })
    }

    /// Waits until it says `word`; shows what it says.
    ///
    /// # Errors
    /// When it ends before.
    pub fn until(&mut self, word: &str) -> Result<()> {
        for line in self.lines.by_ref() {
            let line = line?;
            eprintln!("{line}");
            if line == word {
                return Ok(());
            }
        }
        bail!("the load ended before it was {word}")
    }

    /// Waits for its end. Returns whether nothing was lost.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn finish(mut self) -> Result<bool> {
        for line in self.lines.by_ref() {
            eprintln!("{}", line?);
        }
        Ok(self.process.wait()?.success())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // It may have ended.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
