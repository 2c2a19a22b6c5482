//! The shop that is profiled: built, started in a folder of its own, stopped by its own id; or one that runs.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use super::On;
use crate::infra::{self, process, wait::wait_until};

/// How long it may take to stop in order.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Builds the programs; returns where they are.
///
/// # Errors
/// When they do not build.
pub fn build(workspace: &Path, with_shop: bool) -> Result<PathBuf> {
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    build.current_dir(workspace).args(["build", "--release", "-p", "load-tests"]);
    if with_shop {
        build.args(["-p", "shop"]);
    }
    ensure!(build.status().context("cannot run cargo")?.success(), "the programs do not build");
    // Beside our own folder of programs, which is `debug`, whatever CARGO_TARGET_DIR is.
    let own = std::env::current_exe()?;
    Ok(own.ancestors().nth(2).context("xtask is in a target directory")?.join("release"))
}

/// A shop at work.
pub struct Shop {
    /// Where it listens.
    pub url: String,
    /// Its process.
    pub pid: u32,
    /// The folder of its log of events, when that is known.
    pub log: Option<PathBuf>,
    process: Option<Child>,
}

impl Shop {
    /// One that runs already.
    pub fn running(pid: u32, url: &str) -> Self {
        Self { url: url.trim_end_matches('/').to_owned(), pid, log: None, process: None }
    }

    /// Starts one, on new data.
    ///
    /// # Errors
    /// When it does not start; the end of its log is in the message.
    pub fn start(programs: &Path, on: On, out: &Path) -> Result<Self> {
        let data = out.join("data");
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        let (own_log, shop_log) = (data.join("log"), out.join("shop.log"));
        let mut command = Command::new(programs.join("shop"));
        command.args(["--listen", "127.0.0.1:0", "--no-demo-data", "--data-dir"]).arg(&data);
        let log = match on {
            On::Embedded => own_log,
            On::Local => {
                let (arguments, log) = infra::local()?;
                command.args(arguments);
                log
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&shop_log)?);
        let mut child = command.spawn().context("cannot start the shop")?;
        let stdout = child.stdout.take().context("it has an output")?;
        let (pid, log) = (child.id(), Some(log));
        let mut shop = Self { url: String::new(), pid, log, process: Some(child) };
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        match lines.find_map(|line| Some(line[line.find("http://")?..].trim().to_owned())) {
            Some(url) => shop.url = url,
            None => bail!("the shop does not start:\n{}", process::tail(&shop_log)),
        }
        // The rest of its greeting must have somewhere to go.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(shop)
    }

    /// Stops it, if it was started here.
    ///
    /// # Errors
    /// When it does not.
    pub fn stop(mut self) -> Result<()> {
        let Some(mut child) = self.process.take() else { return Ok(()) };
        process::send(self.pid, process::Signal::Term)?;
        if !wait_until(STOP_LIMIT, || Ok(child.try_wait()?.is_some()))? {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if let Some(child) = &mut self.process {
            // It may have ended.
            child.kill().ok();
            child.wait().ok();
        }
    }
}
