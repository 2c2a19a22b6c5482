//! Processes that outlive this command: start, recognise, signal, and read the end of their logs.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::wait::wait_until;

const TAIL_BYTES: u64 = 16 * 1024;
const TAIL_LINES: usize = 25;
/// How long a process may take from its start to having a command line; one that died at once never has one.
const EXEC_LIMIT: Duration = Duration::from_millis(500);
/// A killed process needs the kernel only to go away.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// The signals that stop a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Asks to shut down.
    Term,
    /// Ctrl-C; PostgreSQL's "fast" shutdown.
    Int,
    /// Ends the process at once.
    Kill,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It was not running.
    NotRunning,
    /// It obeyed the signal.
    Obeyed,
    /// It did not obey in time and was killed.
    Killed,
}

/// Starts a process that survives this one and returns its pid.
///
/// It has its own process group, so that Ctrl-C here does not reach it, and none of our standard streams, so that
/// whoever reads our output sees its end. The log of the run before is kept as `<log>.1`.
pub fn spawn(command: &mut Command, log: &Path) -> Result<u32> {
    if log.exists() {
        fs::rename(log, log.with_extension("log.1"))?;
    }
    let out = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let child = command
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let pid = child.id();
    // The kernel lets us go on shortly before the new program's command line can be read.
    wait_until(EXEC_LIMIT, || Ok(!command_line(pid).is_empty()))?;
    Ok(pid)
}

/// Runs a command to its end, its output in `log`.
///
/// # Errors
/// When it cannot be started or fails: with the end of its output.
pub fn run_logged(command: &mut Command, log: &Path) -> Result<()> {
    let out = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let program = command.get_program().display().to_string();
    let status = command
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .status()
        .with_context(|| format!("cannot start {program}"))?;
    if !status.success() {
        bail!("{program} failed ({status}); the end of {}:\n{}", log.display(), tail(log));
    }
    Ok(())
}

/// Whether `pid` is alive and still the server it was: pids are used again, so its command line must contain `marker`.
/// A process that ended but was not reaped yet has an empty one.
pub fn is_running(pid: u32, marker: &str) -> bool {
    command_line(pid).contains(marker)
}

fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Stops a process of ours: `signal`, a wait of `limit`, then SIGKILL.
pub fn stop(pid: u32, marker: &str, signal: Signal, limit: Duration) -> Result<Stopped> {
    if !is_running(pid, marker) {
        return Ok(Stopped::NotRunning);
    }
    send(pid, signal)?;
    if wait_until(limit, || Ok(!is_running(pid, marker)))? {
        return Ok(if signal == Signal::Kill { Stopped::Killed } else { Stopped::Obeyed });
    }
    send(pid, Signal::Kill)?;
    if wait_until(KILL_LIMIT, || Ok(!is_running(pid, marker)))? {
        return Ok(Stopped::Killed);
    }
    bail!("process {pid} survives SIGKILL");
}

/// Through the shell's own `kill`: the standard library has none for processes it did not start, and not every
/// image has the program. That the process may just have ended is not an error: the caller looks again.
pub fn send(pid: u32, signal: Signal) -> Result<()> {
    let name = match signal {
        Signal::Term => "TERM",
        Signal::Int => "INT",
        Signal::Kill => "KILL",
    };
    Command::new("sh")
        .args(["-c", "kill -s \"$0\" \"$1\"", name, &pid.to_string()])
        .stderr(Stdio::null())
        .status()
        .context("cannot run sh to send a signal")?;
    Ok(())
}

/// The last lines of a log, as far as they can be read.
pub fn tail(log: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(log).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        file.read_to_end(&mut bytes)
    });
    if let Err(error) = read {
        return format!("(cannot read {}: {error})", log.display());
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that waits for ever and has `folder` in its command line.
    fn waiter(folder: &Path) -> u32 {
        let followed = folder.join("followed");
        fs::write(&followed, "").expect("written");
        spawn(Command::new("tail").arg("-f").arg(followed), &folder.join("log")).expect("started")
    }

    #[test]
    fn a_process_is_recognised_by_its_command_line_and_stopped() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let marker = folder.path().display().to_string();
        let pid = waiter(folder.path());
        assert!(is_running(pid, &marker));
        assert!(!is_running(pid, "/another/folder/"));
        let stopped = stop(pid, "/another/folder/", Signal::Kill, KILL_LIMIT).expect("looked");
        assert_eq!(stopped, Stopped::NotRunning, "somebody else's process is left alone");
        assert_eq!(stop(pid, &marker, Signal::Term, KILL_LIMIT).expect("sent"), Stopped::Obeyed);
        assert_eq!(
            stop(pid, &marker, Signal::Term, KILL_LIMIT).expect("sent"),
            Stopped::NotRunning
        );
    }

    #[test]
    fn one_that_ignores_the_signal_is_killed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let marker = folder.path().display().to_string();
        let log = folder.path().join("server.log");
        let followed = folder.path().join("followed");
        // Said by the program that stays: while the shell becomes it, there is no command line.
        fs::write(&followed, "ready\n").expect("written");
        let script = "trap '' TERM; exec tail -f \"$0\"";
        let mut command = Command::new("sh");
        let pid = spawn(command.args(["-c", script]).arg(followed), &log).expect("started");
        assert!(wait_until(KILL_LIMIT, || Ok(tail(&log) == "ready")).expect("polled"));
        let limit = Duration::from_millis(50);
        assert_eq!(stop(pid, &marker, Signal::Term, limit).expect("sent"), Stopped::Killed);
    }

    #[test]
    fn a_failed_command_shows_the_end_of_its_output() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("sh");
        command.args(["-c", "seq 1 100; echo it broke >&2; exit 3"]);
        let error = run_logged(&mut command, &folder.path().join("log")).expect_err("it failed");
        let text = error.to_string();
        assert!(text.contains("100\nit broke") && !text.contains("\n50\n"), "{text}");
    }
}
