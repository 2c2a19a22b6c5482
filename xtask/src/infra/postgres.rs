//! PostgreSQL from the distribution's packages, as a user that is not root, with a role that may create databases.

use std::fs;
use std::io::Write;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::install::{apt_get_install, find_tool, is_root};
use super::ports::PortSpec;
use super::process::{Signal, is_running, run_logged};
use super::server::{Server, ServerName};
use super::site::Site;
use super::state::{State, write_secret};
use super::template::render;
use super::wait::wait_until;

const SETTINGS: &str = include_str!("../../../infra/local/postgresql.conf");
const ROLE: &str = include_str!("../../../infra/local/postgresql-role.sql");
/// The role of the services and tests, and its database.
pub const USER: &str = "shop";
/// The system user that the server gets from root; Debian's package creates it.
const SYSTEM_USER: &str = "postgres";
/// How long the children of a killed server may take to notice.
const ORPHANS_LIMIT: Duration = Duration::from_secs(15);

/// The database server.
pub struct Postgres;

impl Server for Postgres {
    fn ports(&self, _state: &State) -> Vec<PortSpec> {
        vec![PortSpec { usage: "client", flag: "--postgres-port", default: 5432 }]
    }

    fn install(&self, _site: &Site) -> Result<String> {
        if program_dir()?.is_none() {
            apt_get_install("initdb", "postgresql")?;
        }
        let output = Command::new(program("postgres")?).arg("--version").output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        // "postgres (PostgreSQL) 15.18 (Debian ...)"
        text.split(' ').nth(2).map(|version| version.trim().to_owned()).context("no version")
    }

    fn prepare(&self, site: &Site, state: &State) -> Result<()> {
        let dir = site.create_dir(ServerName::Postgres)?;
        let account = Account::current()?;
        account.own(&dir)?;
        let data = self.data_path(site);
        if !data.join("PG_VERSION").exists() {
            let mut initdb = account.command("initdb", &dir)?;
            initdb.args(["--auth-local=peer", "--auth-host=scram-sha-256"]);
            initdb.args(["--encoding=UTF8", "--locale=C.UTF-8", "--pgdata"]).arg(&data);
            run_logged(&mut initdb, &dir.join("initdb.log"))?;
        }
        let port = state.port(ServerName::Postgres, "client")?.to_string();
        let socket_dir = dir.display().to_string();
        let values = [("port", port.as_str()), ("socket_dir", socket_dir.as_str())];
        let settings = dir.join("postgresql.conf");
        write_secret(&settings, &render(SETTINGS, &values)?)?;
        account.own(&settings)?;
        wait_for_orphans(&data)?;
        remove_dead_locks(site, &data)
    }

    fn command(&self, site: &Site, _state: &State) -> Result<Command> {
        let dir = site.dir(ServerName::Postgres);
        let mut command = Account::current()?.command("postgres", &dir)?;
        command.arg("-D").arg(self.data_path(site)).arg("-c");
        command.arg(format!("config_file={}", dir.join("postgresql.conf").display()));
        Ok(command)
    }

    fn is_ready(&self, site: &Site, state: &State) -> Result<bool> {
        let port = state.port(ServerName::Postgres, "client")?.to_string();
        let status = Account::current()?
            .command("pg_isready", &site.dir(ServerName::Postgres))?
            .args(["--quiet", "--host=127.0.0.1", "--port", &port])
            .status()?;
        Ok(status.success())
    }

    fn configure(&self, site: &Site, state: &State) -> Result<()> {
        let dir = site.dir(ServerName::Postgres);
        let port = state.port(ServerName::Postgres, "client")?.to_string();
        let script = render(ROLE, &[("user", USER), ("password", &state.postgres_password)])?;
        let mut psql = Account::current()?.command("psql", &dir)?;
        // Over the socket: there the system user is believed to be who it is, without a password.
        psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--dbname=postgres"]);
        psql.args(["--port", &port, "--host"]).arg(&dir);
        let mut child =
            psql.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().context("psql has no input")?.write_all(script.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("cannot create the role {USER}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    fn data_path(&self, site: &Site) -> PathBuf {
        site.dir(ServerName::Postgres).join("data")
    }

    /// SIGTERM would wait until the last client leaves, and pools never leave.
    fn stop_signal(&self) -> Signal {
        Signal::Int
    }
}

/// Whose processes and files the server's are.
struct Account {
    /// Another user and group, if we are root: PostgreSQL refuses to run as root.
    ids: Option<(u32, u32)>,
}

impl Account {
    fn current() -> Result<Self> {
        if !is_root()? {
            return Ok(Self { ids: None });
        }
        let users = fs::read_to_string("/etc/passwd")?;
        let ids = ids_of(SYSTEM_USER, &users)
            .with_context(|| format!("there is no user {SYSTEM_USER} to run the server as"))?;
        Ok(Self { ids: Some(ids) })
    }

    fn own(&self, path: &Path) -> Result<()> {
        match self.ids {
            Some((user, group)) => Ok(chown(path, Some(user), Some(group))?),
            None => Ok(()),
        }
    }

    /// One of PostgreSQL's programs as this user, in a folder that the user may enter.
    fn command(&self, name: &str, dir: &Path) -> Result<Command> {
        let mut command = Command::new(program(name)?);
        command.current_dir(dir);
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
        Ok(command)
    }
}

/// User and group id of a name in the text of /etc/passwd.
fn ids_of(name: &str, users: &str) -> Option<(u32, u32)> {
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn program(name: &str) -> Result<PathBuf> {
    Ok(program_dir()?.context("PostgreSQL's server programs are not installed")?.join(name))
}

/// The folder with `initdb`: Debian keeps one per version, off the path; elsewhere `pg_config` knows it.
fn program_dir() -> Result<Option<PathBuf>> {
    let mut candidates = Vec::new();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        for version in versions {
            let path = version?.path();
            let number: Option<u32> = path.file_name().and_then(|name| name.to_str()?.parse().ok());
            candidates.push((number.unwrap_or(0), path.join("bin")));
        }
    }
    candidates.sort();
    if find_tool("pg_config")?.is_some() {
        let output = Command::new("pg_config").arg("--bindir").output()?;
        candidates.insert(0, (0, PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())));
    }
    Ok(candidates.into_iter().rev().map(|(_, dir)| dir).find(|dir| dir.join("initdb").exists()))
}

/// A killed server's children hold its shared memory until they notice, and a new one refuses to start before that.
/// They are recognised by their working directory, which is the data folder.
fn wait_for_orphans(data: &Path) -> Result<()> {
    let gone = wait_until(ORPHANS_LIMIT, || {
        let mut processes = fs::read_dir("/proc")?.flatten();
        Ok(!processes
            .any(|process| fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == data)))
    })?;
    if !gone {
        bail!("processes of an earlier server still use {}", data.display());
    }
    Ok(())
}

/// A killed server leaves lock files beside its data and its sockets, and the next one believes them as long as the
/// pid in them exists: as a process that nobody has reaped yet, or as somebody else's.
fn remove_dead_locks(site: &Site, data: &Path) -> Result<()> {
    let mut locks = vec![data.join("postmaster.pid")];
    for entry in fs::read_dir(site.dir(ServerName::Postgres))? {
        locks.extend(Some(entry?.path()).filter(|path| path.extension() == Some("lock".as_ref())));
    }
    for lock in locks.iter().filter(|lock| lock.exists()) {
        let text = fs::read_to_string(lock)?;
        let pid = text.lines().next().and_then(|pid| pid.trim().parse().ok()).unwrap_or(0);
        if is_running(pid, &site.marker(ServerName::Postgres)) {
            bail!("a server that was started by hand uses {}: pid {pid}", data.display());
        }
        fs::remove_file(lock).with_context(|| format!("cannot remove {}", lock.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_a_user_are_found() {
        let users =
            "root:x:0:0::/:/bin/sh\nmypostgres:x:1:1::/:\npostgres:x:101:104:,,,:/:/bin/sh\n";
        assert_eq!(ids_of("postgres", users), Some((101, 104)));
        assert_eq!(ids_of("nobody", users), None);
    }
}
