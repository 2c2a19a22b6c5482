//! The shop as a process.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A running shop. It dies with the test.
pub struct Shop {
    /// Where it is reached.
    pub address: String,
    process: Child,
    dir: PathBuf,
}

impl Shop {
    /// Starts the shop on `dir`; returns once it says where it listens.
    pub fn start(dir: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_shop"))
            .args(["--listen", "127.0.0.1:0", "--no-demo-data", "--data-dir"])
            .arg(dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            line.contains("listening").then(|| line[line.find("http://").unwrap()..].to_owned())
        });
        // The rest of the greeting must have somewhere to go.
        std::thread::spawn(move || lines.for_each(drop));
        let address = address.expect("the shop says where it listens");
        Self { address, process, dir: dir.to_owned() }
    }

    /// SIGKILL: it has no chance to finish anything.
    pub fn kill(mut self) {
        self.end();
    }

    /// SIGKILL, and a new process on the same data.
    pub fn kill_and_restart(mut self) -> Self {
        self.end();
        Self::start(&self.dir)
    }

    fn end(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // It may be dead already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
