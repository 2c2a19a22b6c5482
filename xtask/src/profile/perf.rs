//! Linux's `perf`: whether it may be used, a recording of one process, and the stacks in it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::BufReader,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use super::stacks::Stacks;
use crate::infra::{process, wait::wait_until};

const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";
/// perf writes what it has when it is told to stop.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// System calls are counted where the kernel's tracing is to be had, which takes root.
const COUNTED: &str = "context-switches,page-faults,syscalls:sys_enter_fdatasync,syscalls:sys_enter_fsync,\
                       syscalls:sys_enter_pwrite64,syscalls:sys_enter_write,syscalls:sys_enter_sendto,syscalls:sys_enter_futex";

/// Whether perf is there and may record.
///
/// # Errors
/// Says what to install or to allow.
pub fn check() -> Result<()> {
    let there = Command::new("perf").arg("--version").output();
    if !there.is_ok_and(|output| output.status.success()) {
        bail!(
            "perf is not there: `apt-get install linux-perf` (Debian), `linux-tools-generic` (Ubuntu) or `perf` (Fedora)"
        );
    }
    let tried = Command::new("perf").args(["record", "-o", "/dev/null", "--", "true"]).output()?;
    if !tried.status.success() {
        let level = fs::read_to_string(PARANOID).unwrap_or_default();
        bail!(
            "perf may not record (kernel.perf_event_paranoid is {}): `sudo sysctl kernel.perf_event_paranoid=1`, or run \
             as root; in a container, with the capability PERFMON. It says:\n{}",
            level.trim(),
            String::from_utf8_lossy(&tried.stderr).trim()
        );
    }
    Ok(())
}

/// A recording of one process, and what is counted meanwhile.
pub struct Perf {
    record: Child,
    /// Counts what there is; nothing without the right to.
    stat: Child,
    counts: std::path::PathBuf,
}

impl Perf {
    /// Begins.
    ///
    /// # Errors
    /// When perf cannot be started.
    pub fn start(pid: u32, frequency: u32, out: &Path) -> Result<Self> {
        let (pid, frequency) = (pid.to_string(), frequency.to_string());
        let log = File::create(out.join("perf.log"))?;
        let mut record = Command::new("perf");
        // Unwound by perf from what is on the stack: our programs and their C have no frame pointers.
        record.args(["record", "--call-graph", "dwarf,16384", "-F", &frequency, "-p", &pid, "-o"]);
        record.arg(out.join("perf.data")).stdout(Stdio::null()).stderr(log);
        let counts = out.join("perf.stat");
        let mut stat = Command::new("perf");
        stat.args(["stat", "-x", ",", "-e", COUNTED, "-p", &pid, "-o"]).arg(&counts);
        let stat = stat.stdout(Stdio::null()).stderr(Stdio::null());
        let record = record.spawn().context("cannot start perf record")?;
        Ok(Self { record, stat: stat.spawn().context("cannot start perf stat")?, counts })
    }

    /// Ends it; returns what was counted, by event.
    ///
    /// # Errors
    /// When the recording failed.
    pub fn stop(mut self) -> Result<BTreeMap<String, u64>> {
        for child in [&mut self.stat, &mut self.record] {
            process::send(child.id(), process::Signal::Int)?;
            let ended = wait_until(STOP_LIMIT, || Ok(child.try_wait()?.is_some()))?;
            if !ended {
                child.kill()?;
                bail!("perf does not stop");
            }
        }
        Ok(parse(&fs::read_to_string(&self.counts).unwrap_or_default()))
    }
}

impl Drop for Perf {
    fn drop(&mut self) {
        for child in [&mut self.stat, &mut self.record] {
            // It may have ended.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// `perf stat -x ,`: a line an event; the count, its unit, the name. What could not be counted is left out.
fn parse(text: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let mut fields = line.split(',');
        let count = fields.next()?.parse().ok()?;
        let name = fields.nth(1)?.trim_end_matches(":u").trim_start_matches("syscalls:sys_enter_");
        Some((name.to_owned(), count))
    };
    text.lines().filter_map(line).collect()
}

/// The stacks of the recording in this folder.
///
/// # Errors
/// When perf cannot read it, or there is nothing in it.
pub fn stacks(out: &Path) -> Result<Stacks> {
    eprintln!("reading the stacks");
    let mut script = Command::new("perf");
    script.args(["script", "--no-inline", "-F", "comm,ip,sym", "-i"]).arg(out.join("perf.data"));
    let mut script = script.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let stdout = script.stdout.take().context("perf script has an output")?;
    let stacks = Stacks::read(BufReader::new(stdout))?;
    let ended = script.wait()?;
    let log = process::tail(&out.join("perf.log"));
    ensure!(ended.success() && stacks.samples() > 0, "perf recorded nothing:\n{log}");
    Ok(stacks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_counted_is_left_out() {
        let text = "# started on Sat\n\n1234,,context-switches:u,100,100.00,,\n\
            17,,syscalls:sys_enter_fdatasync,100,100.00,,\n<not counted>,,page-faults,0,0.00,,\n";
        let expected = [("context-switches".to_owned(), 1234), ("fdatasync".to_owned(), 17)];
        assert_eq!(parse(text), BTreeMap::from(expected));
    }
}
