//! Starts a shop for a run, on a free port and a temporary directory, and stops it by its own id.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::cli::{Platform, Spawn};

/// How long the shop may take to say where it listens.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it may take to stop in order; it is killed then.
const GOODBYE: Duration = Duration::from_secs(30);
/// As much of its log as is shown when it does not start.
const LOG_LINES: usize = 15;

/// A shop of our own.
#[derive(Debug)]
pub struct Spawned {
    /// Where it listens.
    pub url: String,
    /// Its process.
    pub pid: u32,
    process: Child,
    /// Removed with this, if it is its own.
    _dir: Option<TempDir>,
}

impl Spawned {
    /// Starts it.
    ///
    /// # Errors
    /// When it is not built, its servers are not named, or it does not start.
    pub async fn start(options: &Spawn, platform: Platform) -> Result<Self> {
        let program = program(options)?;
        let arguments = servers(options, platform)?;
        let dir = tempfile::Builder::new().prefix("load-tests-").tempdir()?;
        let log = dir.path().join("shop.log");
        let mut command = Self::command(&program);
        command.args(["--listen", "127.0.0.1:0", "--no-demo-data", "--data-dir"]);
        command.arg(dir.path().join("data")).args(arguments);
        Ok(Self { _dir: Some(dir), ..Self::launch(command, &log).await? })
    }

    /// A program that gets nothing of our own configuration: a run is what its command line says.
    pub fn command(program: &Path) -> Command {
        let mut command = Command::new(program);
        let names = std::env::vars_os().map(|(name, _)| name);
        for name in names.filter(|name| name.to_string_lossy().starts_with("SHOP_")) {
            command.env_remove(name);
        }
        command
    }

    /// Starts it, with its log there, and waits until it says where it listens.
    ///
    /// # Errors
    /// When it does not.
    pub async fn launch(mut command: Command, log: &Path) -> Result<Self> {
        let program = command.as_std().get_program().to_owned();
        // Ctrl-C ends the load first, and the shop after it was checked.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(log)?);
        let starting = command.spawn();
        let mut process =
            starting.with_context(|| format!("cannot start {}", program.display()))?;
        let pid = process.id().context("it has a process id")?;
        let stdout = process.stdout.take().context("it has an output")?;
        match timeout(PATIENCE, address(stdout)).await {
            Ok(Some(url)) => Ok(Self { url, pid, process, _dir: None }),
            _ => bail!("{} does not start:\n{}", program.display(), tail(log)),
        }
    }

    /// Stops it in order. Returns whether it did.
    ///
    /// # Errors
    /// When it cannot be told to.
    pub async fn stop(mut self) -> Result<bool> {
        let told = Command::new("kill").arg(self.pid.to_string()).status().await?;
        if !told.success() {
            // It has ended by itself.
            return Ok(false);
        }
        match timeout(GOODBYE, self.process.wait()).await {
            Ok(status) => Ok(status?.success()),
            Err(_) => {
                self.process.kill().await?;
                Ok(false)
            }
        }
    }
}

/// `shop` beside this program, unless told.
fn program(options: &Spawn) -> Result<PathBuf> {
    if let Some(shop) = &options.shop {
        return match shop.is_file() {
            true => Ok(shop.clone()),
            false => bail!("--shop {} is not there", shop.display()),
        };
    }
    let here = std::env::current_exe()?;
    let dir = here.parent().context("a program is in a directory")?;
    beside(dir)
}

fn beside(dir: &Path) -> Result<PathBuf> {
    let shop = dir.join("shop");
    if shop.is_file() {
        return Ok(shop);
    }
    let profile = match dir.file_name().and_then(OsStr::to_str) {
        None | Some("debug") => String::new(),
        Some("release") => " --release".to_owned(),
        Some(profile) => format!(" --profile {profile}"),
    };
    bail!("--spawn needs {}: build it with `cargo build{profile} -p shop`", shop.display())
}

fn servers(options: &Spawn, platform: Platform) -> Result<Vec<String>> {
    if platform == Platform::Embedded {
        return Ok(Vec::new());
    }
    let named = &options.servers;
    let servers = [
        ("--kafka", named.kafka()?),
        ("--registry", named.registry()?),
        ("--postgres", named.postgres()?),
    ];
    Ok(servers.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect())
}

async fn address(stdout: ChildStdout) -> Option<String> {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(at) = line.find("http://") {
            // The rest of the greeting must have somewhere to go.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Some(line[at..].trim().to_owned());
        }
    }
    None
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ServerOptions;

    fn options() -> Spawn {
        Spawn { spawn: None, shop: None, servers: ServerOptions::default() }
    }

    #[test]
    fn a_shop_that_is_not_built_is_missed_with_the_command_that_builds_it() {
        let dir = tempfile::tempdir().unwrap();
        let release = dir.path().join("release");
        let error = beside(&release).unwrap_err().to_string();
        assert!(error.contains("`cargo build --release -p shop`"), "{error}");
        fs::create_dir(&release).unwrap();
        File::create(release.join("shop")).unwrap();
        assert_eq!(release.join("shop"), beside(&release).unwrap());
    }

    #[test]
    fn servers_that_are_not_named_are_asked_for() {
        let local = |options: &Spawn| servers(options, Platform::Local);
        let error = local(&options()).unwrap_err().to_string();
        assert!(error.contains("--kafka") && error.contains("TEST_KAFKA"), "{error}");
        let set = |text: &str| Some(text.to_owned());
        let all = ServerOptions { kafka: set("k"), registry: set("r"), postgres: set("p") };
        let all = Spawn { servers: all, ..options() };
        let expected = ["--kafka", "k", "--registry", "r", "--postgres", "p"];
        assert_eq!(expected, *local(&all).unwrap());
        assert!(servers(&all, Platform::Embedded).unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_program_that_is_no_shop_does_not_start() {
        let spawn = Spawn { shop: Some("/bin/true".into()), ..options() };
        let error = Spawned::start(&spawn, Platform::Embedded).await.unwrap_err().to_string();
        assert!(error.contains("/bin/true does not start"), "{error}");
    }
}
