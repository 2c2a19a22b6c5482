//! CPU and memory of processes, and what a hypervisor takes from the machine, from `/proc` (proc(5)).

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::cli::Watched;

/// Linux counts CPU time in hundredths of a second, whatever the kernel's own clock (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Cores, on average since the look before.
    pub cpu: f64,
    /// Resident memory, in bytes.
    pub memory: f64,
}

/// Processes that are looked at, and the machine.
#[derive(Debug)]
pub struct Processes {
    watched: Vec<Process>,
    stolen: Rate,
}

#[derive(Debug)]
struct Process {
    name: String,
    pid: u32,
    used: Rate,
}

/// The look before: when it was, and how many seconds of a processor there had been.
#[derive(Debug, Default)]
struct Rate(Option<(Instant, f64)>);

impl Rate {
    /// Cores, on average since the look before.
    fn cores(&mut self, seconds: f64) -> f64 {
        let now = Instant::now();
        self.0.replace((now, seconds)).map_or(0.0, |(at, before)| {
            // A second look at the same moment must not divide by nothing.
            let elapsed = (now - at).max(Duration::from_millis(1));
            (seconds - before) / elapsed.as_secs_f64()
        })
    }
}

/// The load generator's own name: its share of the machine is not the shop's.
pub const OWN_NAME: &str = "load-tests";

impl Processes {
    /// These, and this one.
    pub fn new(watched: &[Watched]) -> Self {
        let own = Watched { name: Some(OWN_NAME.to_owned()), pid: std::process::id() };
        let process = |watched: &Watched| {
            let name = watched.name.clone().unwrap_or_else(|| name(watched.pid));
            Process { name, pid: watched.pid, used: Rate::default() }
        };
        let watched = watched.iter().chain([&own]).map(process).collect();
        Self { watched, stolen: Rate::default() }
    }

    /// What each used; several of one name are added up. One that is gone is left out.
    pub fn look(&mut self) -> BTreeMap<String, Usage> {
        let mut usages: BTreeMap<String, Usage> = BTreeMap::new();
        for process in &mut self.watched {
            if let Some(usage) = process.look() {
                let sum = usages.entry(process.name.clone()).or_default();
                sum.cpu += usage.cpu;
                sum.memory += usage.memory;
            }
        }
        usages
    }

    /// Cores that this machine wanted and others had, on average since the look before; if anybody counts them.
    pub fn steal(&mut self) -> Option<f64> {
        let seconds = stolen_seconds(&fs::read_to_string("/proc/stat").ok()?)?;
        Some(self.stolen.cores(seconds))
    }
}

impl Process {
    fn look(&mut self) -> Option<Usage> {
        let seconds = cpu_seconds(&fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?)?;
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        Some(Usage { cpu: self.used.cores(seconds), memory: resident_bytes(&status)? })
    }
}

fn name(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm"));
    name.map_or_else(|_| pid.to_string(), |name| name.trim().to_owned())
}

/// `utime` and `stime` of `/proc/PID/stat`, fields 14 and 15; the name before may have any characters.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

/// `steal`, the eighth of the times in the first line of `/proc/stat`, that of all processors.
fn stolen_seconds(stat: &str) -> Option<f64> {
    let ticks: f64 = stat.strip_prefix("cpu ")?.split_whitespace().nth(7)?.parse().ok()?;
    Some(ticks / TICKS_PER_SECOND)
}

fn resident_bytes(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_understood() {
        let stat = "17 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 150 0 0 20 0 9 0 1 2 3";
        assert_eq!(Some(4.0), cpu_seconds(stat));
        let stat = "cpu  1 2 3 4 5 6 7 250 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        assert_eq!(Some(2.5), stolen_seconds(stat));
        let status = "Name:\tshop\nVmPeak:\t  9 kB\nVmRSS:\t  2048 kB\n";
        assert_eq!(Some(2_097_152.0), resident_bytes(status));
    }

    #[test]
    fn this_process_is_among_them_and_one_that_is_gone_is_not() {
        let mut processes = Processes::new(&[Watched { name: None, pid: u32::MAX }]);
        let usages = processes.look();
        assert_eq!([OWN_NAME], *usages.keys().collect::<Vec<_>>());
        assert!(usages[OWN_NAME].memory > 1e6);
    }
}
