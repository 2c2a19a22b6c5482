//! The servers of one data folder together: enlist, start, wait, stop, purge.
//!
//! The state is saved after every change of a pid, so that whatever interrupts a command, the next one knows what runs.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use process_lock::ProcessLock;

use super::install::remove;
use super::ports::{PortFlags, ensure_free};
use super::process::{self, Signal, Stopped};
use super::server::ServerName;
use super::site::Site;
use super::state::State;
use super::wait::wait_until;

/// Generous: machines are shared, and a cold Java server on a busy one takes many times its usual ten seconds.
const READY_LIMIT: Duration = Duration::from_secs(180);
/// After this a server that was asked to stop is killed.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// The kernel closes the sockets of a killed process a moment after it is gone from our sight.
const RELEASE_LIMIT: Duration = Duration::from_secs(2);

/// The servers of a data folder, locked against other commands.
pub struct Fleet {
    site: Site,
    /// What is recorded of them.
    pub state: State,
    /// Held until the command ends.
    _lock: ProcessLock,
}

impl Fleet {
    /// Locks the data folder and reads its state; a new folder gets a new one.
    pub fn open(mut site: Site) -> Result<Self> {
        let lock = site.lock()?;
        let state = match State::load(site.data())? {
            Some(state) => state,
            None => State::new()?,
        };
        Ok(Self { site, state, _lock: lock })
    }

    /// The recorded servers among `only`, or all of them if that is empty.
    pub fn recorded(&self, only: &[ServerName]) -> Result<Vec<ServerName>> {
        if only.is_empty() {
            if self.state.servers.is_empty() {
                println!("nothing was started in {}", self.site.data().display());
            }
            return Ok(self.state.servers.keys().copied().collect());
        }
        for name in only {
            if !self.state.servers.contains_key(name) {
                bail!("{} was never up in {}", name.as_str(), self.site.data().display());
            }
        }
        Ok(only.to_vec())
    }

    /// Whether the recorded process of a server is alive.
    pub fn is_running(&self, name: ServerName) -> bool {
        is_running(&self.site, &self.state, name)
    }

    /// Records a server and its ports.
    ///
    /// # Errors
    /// When it runs and the flags ask for other ports than it has.
    pub fn enlist(&mut self, name: ServerName, flags: &PortFlags) -> Result<()> {
        let running = self.is_running(name);
        let specs = name.server().ports(&self.state);
        let record = self.state.servers.entry(name).or_default();
        let ports = flags.resolve(&specs, &record.ports)?;
        if running && ports != record.ports {
            bail!(
                "{0} is running on {1:?}: stop it first (infra stop --only {0})",
                name.as_str(),
                record.ports
            );
        }
        record.ports = ports;
        Ok(())
    }

    /// Installs and starts what is not running, then waits until each answers. One that fails does not keep the
    /// others from starting.
    pub fn start(&mut self, names: &[ServerName]) -> Result<()> {
        let began = Instant::now();
        let mut failures = Vec::new();
        let mut started = Vec::new();
        let mut installed = Vec::new();
        // All programs first: a download or a build must not count as the start of a server.
        for name in names {
            match self.install(*name) {
                Ok(()) => installed.push(*name),
                Err(error) => failures.push(format!("{}: {error:#}", name.as_str())),
            }
        }
        for name in installed {
            match self.launch(name) {
                Ok(is_new) => started.push((name, is_new, Instant::now())),
                Err(error) => failures.push(format!("{}: {error:#}", name.as_str())),
            }
        }
        for (name, is_new, since) in started {
            match self.finish(name) {
                Ok(()) => self.announce(name, is_new, since),
                Err(error) => failures.push(format!("{}: {error:#}", name.as_str())),
            }
        }
        if !failures.is_empty() {
            bail!("{}", failures.join("\n\n"));
        }
        println!("ready after {:.1} s", began.elapsed().as_secs_f64());
        Ok(())
    }

    /// Checks the ports and installs the programs of a server, unless it runs.
    fn install(&mut self, name: ServerName) -> Result<()> {
        if self.is_running(name) {
            return Ok(());
        }
        let server = name.server();
        for spec in server.ports(&self.state) {
            ensure_free(
                name.as_str(),
                self.state.port(name, spec.usage)?,
                spec.flag,
                RELEASE_LIMIT,
            )?;
        }
        // The ports may be other ones than at the last start, whose process is gone.
        self.record(name, None)?;
        let version = server.install(&self.site)?;
        self.state.servers.entry(name).or_default().version = version;
        Ok(())
    }

    /// Starts a server's process unless it runs; `true` if it had to.
    fn launch(&mut self, name: ServerName) -> Result<bool> {
        if self.is_running(name) {
            return Ok(false);
        }
        let server = name.server();
        server.prepare(&self.site, &self.state)?;
        let mut command = server.command(&self.site, &self.state)?;
        let pid = process::spawn(&mut command, &self.site.log(name))?;
        self.record(name, Some(pid))?;
        Ok(true)
    }

    /// Waits until a server answers and configures it. One that does not is stopped, for a clean next attempt.
    fn finish(&mut self, name: ServerName) -> Result<()> {
        let server = name.server();
        let log = self.site.log(name);
        let ready = wait_until(READY_LIMIT, || {
            if !self.is_running(name) {
                bail!("died at start; the end of {}:\n{}", log.display(), process::tail(&log));
            }
            server.is_ready(&self.site, &self.state)
        });
        match ready {
            Ok(true) => server.configure(&self.site, &self.state),
            Ok(false) => {
                self.stop(&[name], false)?;
                bail!(
                    "did not answer within {} s; the end of {}:\n{}",
                    READY_LIMIT.as_secs(),
                    log.display(),
                    process::tail(&log)
                );
            }
            Err(error) => {
                self.record(name, None)?;
                Err(error)
            }
        }
    }

    fn announce(&self, name: ServerName, is_new: bool, since: Instant) {
        let ports = self.state.servers.get(&name).map(|record| record.ports.clone());
        let ports: Vec<String> = ports.iter().flatten().map(|(k, v)| format!("{k} {v}")).collect();
        let pid = self.state.pid(name).unwrap_or_default();
        let what = if is_new {
            format!("up in {:.1} s", since.elapsed().as_secs_f64())
        } else {
            "already running".to_owned()
        };
        println!("{:<9} {what} (pid {pid}; {})", name.as_str(), ports.join(", "));
    }

    /// Stops servers, the last started first; with `kill` as a crash would.
    pub fn stop(&mut self, names: &[ServerName], kill: bool) -> Result<()> {
        let mut names = names.to_vec();
        names.sort();
        for name in names.into_iter().rev() {
            let since = Instant::now();
            let signal = if kill { Signal::Kill } else { name.server().stop_signal() };
            let stopped = match self.state.pid(name) {
                None => Stopped::NotRunning,
                Some(pid) => process::stop(pid, &self.site.marker(name), signal, STOP_LIMIT)?,
            };
            self.record(name, None)?;
            let seconds = since.elapsed().as_secs_f64();
            match stopped {
                Stopped::NotRunning => println!("{:<9} was not running", name.as_str()),
                Stopped::Obeyed => println!("{:<9} stopped in {seconds:.1} s", name.as_str()),
                Stopped::Killed => println!("{:<9} killed after {seconds:.1} s", name.as_str()),
            }
        }
        Ok(())
    }

    /// Deletes the folders of stopped servers and forgets them.
    pub fn purge(&mut self, names: &[ServerName]) -> Result<()> {
        for name in names {
            remove(&self.site.dir(*name))?;
            self.state.servers.remove(name);
            self.state.save(self.site.data())?;
            println!("{:<9} purged", name.as_str());
        }
        Ok(())
    }

    fn record(&mut self, name: ServerName, pid: Option<u32>) -> Result<()> {
        self.state.servers.entry(name).or_default().pid = pid;
        self.state.save(self.site.data())
    }
}

/// Whether the recorded process of a server is alive.
pub fn is_running(site: &Site, state: &State, name: ServerName) -> bool {
    state.pid(name).is_some_and(|pid| process::is_running(pid, &site.marker(name)))
}
