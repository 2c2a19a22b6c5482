//! Apache Kafka: one KRaft node from Maven's jars, with an optional listener for TLS and SASL.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::install::{ensure_tool, maven, once};
use super::ports::PortSpec;
use super::probe;
use super::process::run_logged;
use super::server::{Server, ServerName};
use super::site::Site;
use super::state::{State, random_hex, write_secret};
use super::template::render;

const VERSION: &str = "4.2.0";
const POM: &str = include_str!("../../../infra/local/kafka-pom.xml");
const SETTINGS: &str = include_str!("../../../infra/local/kafka.properties");
const SASL_SETTINGS: &str = include_str!("../../../infra/local/kafka-sasl.properties");
/// The user of all SASL mechanisms.
pub const SASL_USER: &str = "shop";

/// The broker.
pub struct Kafka;

impl Server for Kafka {
    fn ports(&self, state: &State) -> Vec<PortSpec> {
        let mut ports = vec![
            PortSpec { usage: "client", flag: "--kafka-port", default: 9092 },
            PortSpec { usage: "controller", flag: "--kafka-controller-port", default: 9093 },
        ];
        if state.sasl {
            ports.push(PortSpec { usage: "sasl", flag: "--kafka-sasl-port", default: 9094 });
        }
        ports
    }

    fn install(&self, site: &Site) -> Result<String> {
        ensure_tool("java", "openjdk-17-jre-headless")?;
        libraries(site)?;
        Ok(VERSION.to_owned())
    }

    fn prepare(&self, site: &Site, state: &State) -> Result<()> {
        let dir = site.create_dir(ServerName::Kafka)?;
        if state.sasl {
            create_certificates(&dir)?;
        }
        let settings = dir.join("server.properties");
        write_secret(&settings, &settings_text(site, state)?)?;
        if !self.data_path(site).join("meta.properties").exists() {
            let mut format = java(site, "kafka.tools.StorageTool")?;
            format.args(["format", "--cluster-id", &cluster_id()?, "--config"]).arg(settings);
            run_logged(&mut format, &dir.join("format.log"))?;
        }
        Ok(())
    }

    fn command(&self, site: &Site, _state: &State) -> Result<Command> {
        let mut command = java(site, "kafka.Kafka")?;
        command.arg(site.dir(ServerName::Kafka).join("server.properties"));
        Ok(command)
    }

    fn is_ready(&self, _site: &Site, state: &State) -> Result<bool> {
        Ok(probe::kafka_is_ready(state.port(ServerName::Kafka, "client")?))
    }

    /// PLAIN's users stand in the settings, SCRAM's in the cluster's own metadata.
    fn configure(&self, site: &Site, state: &State) -> Result<()> {
        let dir = site.dir(ServerName::Kafka);
        let done = dir.join("scram-user-created");
        if !state.sasl || done.exists() {
            return Ok(());
        }
        // In a file, because everybody can read command lines.
        let credentials = dir.join("scram.properties");
        write_secret(&credentials, &format!("SCRAM-SHA-512=password={}\n", state.kafka_password))?;
        let server = format!("127.0.0.1:{}", state.port(ServerName::Kafka, "client")?);
        let mut alter = java(site, "kafka.admin.ConfigCommand")?;
        alter.args(["--bootstrap-server", &server, "--alter", "--entity-type", "users"]);
        alter.args(["--entity-name", SASL_USER, "--add-config-file"]).arg(&credentials);
        run_logged(&mut alter, &dir.join("scram.log"))?;
        fs::remove_file(credentials)?;
        Ok(fs::write(done, "")?)
    }

    fn data_path(&self, site: &Site) -> PathBuf {
        site.dir(ServerName::Kafka).join("data")
    }
}

/// The certificate of the authority that signed the SASL listener's.
pub fn authority(site: &Site) -> PathBuf {
    site.dir(ServerName::Kafka).join("tls/ca.pem")
}

fn libraries(site: &Site) -> Result<PathBuf> {
    let pom = render(POM, &[("version", VERSION)])?;
    let folder = once(site, &format!("kafka-{VERSION}"), &pom, |draft| {
        fs::write(draft.join("pom.xml"), &pom)?;
        maven(draft, &["dependency:copy-dependencies", "-DoutputDirectory=libs"])
    })?;
    Ok(folder.join("libs"))
}

/// One of Kafka's main classes, with the broker's memory limit and a log with dates.
fn java(site: &Site, class: &str) -> Result<Command> {
    let mut command = Command::new("java");
    command
        .current_dir(site.dir(ServerName::Kafka))
        .arg("-Xmx768m")
        .arg("-Dorg.slf4j.simpleLogger.showDateTime=true")
        .arg("-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ")
        .arg("-cp")
        .arg(libraries(site)?.join("*"))
        .arg(class);
    Ok(command)
}

fn settings_text(site: &Site, state: &State) -> Result<String> {
    let dir = site.dir(ServerName::Kafka);
    let port = |usage| Ok::<_, anyhow::Error>(state.port(ServerName::Kafka, usage)?.to_string());
    let client = port("client")?;
    let controller = port("controller")?;
    let log_dir = dir.join("data").display().to_string();
    let mut values: Vec<(&str, &str)> =
        vec![("client_port", &client), ("controller_port", &controller), ("log_dir", &log_dir)];
    let mut text = render(SETTINGS, &values)?;
    if state.sasl {
        let sasl = port("sasl")?;
        let keystore = dir.join("tls/server.pem").display().to_string();
        values.push(("sasl_port", &sasl));
        values.push(("keystore", &keystore));
        values.push(("user", SASL_USER));
        values.push(("password", &state.kafka_password));
        text += &render(SASL_SETTINGS, &values)?;
    }
    Ok(text)
}

/// 16 random bytes in URL-safe base64, as Kafka wants them: 21 digits have 126 bits, `A` adds zeros.
fn cluster_id() -> Result<String> {
    Ok(format!("{}A", &random_hex()?[..21]))
}

/// A certificate for 127.0.0.1 and localhost, signed by an authority of its own, in the PEM form that Kafka reads.
fn create_certificates(dir: &Path) -> Result<()> {
    let tls = dir.join("tls");
    if tls.join("server.pem").exists() {
        return Ok(());
    }
    ensure_tool("openssl", "openssl")?;
    fs::create_dir_all(&tls)?;
    let script = "umask 077
        new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
        openssl req -x509 $new -days 3650 -subj '/CN=local authority' -keyout ca.key -out ca.pem
        openssl req $new -subj /CN=localhost -keyout server.key -out server.csr
        echo 'subjectAltName=IP:127.0.0.1,DNS:localhost' > names
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
            -days 3650 -extfile names -out server.crt
        cat server.key server.crt ca.pem > draft.pem
        mv draft.pem server.pem";
    let mut command = Command::new("sh");
    command.current_dir(&tls).args(["-euc", script]);
    run_logged(&mut command, &tls.join("openssl.log"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::state::Record;
    use super::*;

    fn settings(sasl: bool) -> String {
        let mut state = State { sasl, ..State::new().expect("a state") };
        state.kafka_password = "secret".to_owned();
        let ports = [("client", 1), ("controller", 2), ("sasl", 3)];
        let ports: BTreeMap<_, _> =
            ports.into_iter().map(|(usage, port)| (usage.to_owned(), port)).collect();
        state.servers.insert(ServerName::Kafka, Record { ports, ..Record::default() });
        let site = Site::at(Some(Path::new("/no-such-folder"))).expect("a site");
        settings_text(&site, &state).expect("rendered")
    }

    #[test]
    fn the_plain_settings_have_ports_and_folders_but_no_secret() {
        let text = settings(false);
        assert!(text.contains("listeners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2\n"));
        assert!(text.contains("log.dirs=/no-such-folder/kafka/data\n"));
        assert!(!text.contains("secret"));
    }

    #[test]
    fn with_sasl_the_last_listeners_line_has_both() {
        let text = settings(true);
        let last = text.lines().rfind(|line| line.starts_with("listeners=")).expect("a line");
        assert!(last.contains("PLAINTEXT://127.0.0.1:1,SASL_SSL://127.0.0.1:3,"), "{last}");
        assert!(text.contains("user_shop=\"secret\";"));
    }

    #[test]
    fn a_cluster_id_has_the_length_of_16_bytes() {
        assert_eq!(cluster_id().expect("an id").len(), 22);
    }
}
