//! What only the embedded log must hold: kills, torn files, full disks, forgetting, determinism.

mod crash;
mod damage;
mod determinism;
mod disk;
mod forgetting;

use std::{
    io::{BufRead, BufReader, Lines, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use messaging::{
    embedded::{EmbeddedLog, Settings},
    log::{AT_ONCE, EventLog},
    record::{Position, Record},
};

use crate::log_suite::{TestClock, by_partition, numbers, read, reader, text};

/// The topic of these tests; each has a log of its own.
static TOPIC: events::topics::Topic =
    events::topics::Topic { name: "test.embedded", partitions: 3, cleanup: crate::log_suite::WEEK };

fn open(dir: &Path) -> EmbeddedLog {
    EmbeddedLog::open(dir, Settings::new(TestClock::ticking())).unwrap()
}

/// All records of [`TOPIC`], by partition; panics unless offsets are dense from 0.
async fn all_records(log: &EmbeddedLog) -> Vec<Record> {
    let ends = log.end_positions(&[TOPIC.name]).await.unwrap();
    let count: u64 = ends.iter().map(|end| end.offset).sum();
    let records = read(&mut *reader(log, &TOPIC).await, usize::try_from(count).unwrap()).await;
    for (partition, records) in by_partition(records.clone()) {
        for (offset, record) in records.iter().enumerate() {
            assert_eq!(record.offset, offset as u64, "in partition {partition}");
        }
    }
    records
}

/// A test of this binary in a process of its own, for when the process must die or be confined.
/// It gets `input` as its first line and is killed when this is dropped.
struct ChildTest {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl ChildTest {
    fn start(mut command: Command, name: &str, input: &Path) -> Self {
        command.args(["--exact", name, "--ignored", "--nocapture"]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        writeln!(process.stdin.take().unwrap(), "{}", input.display()).unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// The next line that the test printed for us, until it has ended.
    fn line(&mut self) -> Option<String> {
        self.lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("> ").map(str::to_owned))
    }

    fn kill(&mut self) {
        // It may have ended by itself.
        self.process.kill().ok();
        self.process.wait().unwrap();
    }
}

impl Drop for ChildTest {
    fn drop(&mut self) {
        self.kill();
    }
}

/// This test binary.
fn this() -> std::path::PathBuf {
    std::env::current_exe().unwrap()
}

/// In a child: the line that the parent gave, or `None` when the test was started by hand.
fn input() -> Option<String> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    Some(line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// In a child: tells the parent something.
fn tell(line: &str) {
    let mut stdout = std::io::stdout().lock();
    // On a line of its own: the test runner prints too.
    writeln!(stdout, "\n> {line}").unwrap();
    stdout.flush().unwrap();
}
