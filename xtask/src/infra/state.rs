//! The state file of a data folder: which servers there are, their pids and ports, and the generated passwords.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::server::ServerName;

const FILE: &str = "state.json";

/// What is remembered between two commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Password of the PostgreSQL role.
    pub postgres_password: String,
    /// Password of the Kafka user, for all SASL mechanisms that have one.
    pub kafka_password: String,
    /// Whether Kafka has the listener with TLS and SASL.
    pub sasl: bool,
    /// The registry's compatibility mode for all subjects.
    pub compatibility: String,
    /// The servers that have been up in this data folder.
    pub servers: BTreeMap<ServerName, Record>,
}

/// What is remembered of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its process, unless it was stopped by a command.
    pub pid: Option<u32>,
    /// Its version, once installed.
    pub version: String,
    /// Its ports by the name of their use.
    pub ports: BTreeMap<String, u16>,
}

impl State {
    /// The state of a new data folder, with new passwords.
    pub fn new() -> Result<Self> {
        Ok(Self {
            postgres_password: random_hex()?,
            kafka_password: random_hex()?,
            sasl: false,
            compatibility: "FULL_TRANSITIVE".to_owned(),
            servers: BTreeMap::new(),
        })
    }

    /// Reads the state of a data folder; `None` if nothing has been started in it yet.
    pub fn load(data: &Path) -> Result<Option<Self>> {
        let path = data.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let state = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a state file", path.display()))?;
        Ok(Some(state))
    }

    /// Writes the state; a crash leaves the old file or the new one, never half of one.
    pub fn save(&self, data: &Path) -> Result<()> {
        let path = data.join(FILE);
        let draft = data.join("state.json.new");
        write_secret(&draft, &serde_json::to_string_pretty(self)?)?;
        fs::rename(&draft, &path).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The port a server uses for `usage`.
    pub fn port(&self, name: ServerName, usage: &str) -> Result<u16> {
        self.servers
            .get(&name)
            .and_then(|record| record.ports.get(usage).copied())
            .with_context(|| format!("no {usage} port of {} is recorded", name.as_str()))
    }

    /// The recorded process of a server.
    pub fn pid(&self, name: ServerName) -> Option<u32> {
        self.servers.get(&name).and_then(|record| record.pid)
    }
}

/// Writes a file that only its owner can read.
pub fn write_secret(path: &Path, text: &str) -> Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// 128 random bits as 32 hexadecimal digits: they need no quoting in URLs, shells or settings.
pub fn random_hex() -> Result<String> {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(State::load(folder.path()).expect("no file is no error"), None);
        let mut state = State::new().expect("a state");
        let ports = BTreeMap::from([("client".to_owned(), 9092)]);
        let record = Record { pid: Some(7), version: "4.2.0".to_owned(), ports };
        state.servers.insert(ServerName::Kafka, record);
        state.save(folder.path()).expect("saved");
        assert_eq!(State::load(folder.path()).expect("loaded"), Some(state));
    }

    #[test]
    fn others_cannot_read_the_passwords() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        State::new().expect("a state").save(folder.path()).expect("saved");
        let metadata = fs::metadata(folder.path().join(FILE)).expect("the file");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join(FILE), "{").expect("written");
        let error = State::load(folder.path()).expect_err("damaged");
        assert!(error.to_string().contains(FILE), "{error}");
    }

    #[test]
    fn every_folder_gets_its_own_passwords() {
        let (one, two) = (State::new().expect("a state"), State::new().expect("a state"));
        assert_ne!(one.postgres_password, two.postgres_password);
        assert_ne!(one.postgres_password, one.kafka_password);
    }
}
