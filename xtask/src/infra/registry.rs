//! Apicurio Registry, used through its Confluent-compatible API, with an H2 file that keeps ids over restarts.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::install::{ensure_tool, maven, once};
use super::ports::PortSpec;
use super::probe;
use super::process::run_logged;
use super::server::{Server, ServerName};
use super::site::Site;
use super::state::{State, write_secret};
use super::template::render;

/// The last line that runs on Java 17.
const VERSION: &str = "3.0.9";
const SETTINGS: &str = include_str!("../../../infra/local/registry.properties");
/// The path of the API that clients speak.
pub const API: &str = "/apis/ccompat/v7";

/// The schema registry.
pub struct Registry;

impl Server for Registry {
    fn ports(&self, _state: &State) -> Vec<PortSpec> {
        vec![PortSpec { usage: "http", flag: "--registry-port", default: 8081 }]
    }

    fn install(&self, site: &Site) -> Result<String> {
        ensure_tool("java", "openjdk-17-jre-headless")?;
        program(site)?;
        Ok(VERSION.to_owned())
    }

    fn prepare(&self, site: &Site, state: &State) -> Result<()> {
        let dir = site.create_dir(ServerName::Registry)?;
        let port = state.port(ServerName::Registry, "http")?.to_string();
        let database = self.data_path(site).join("registry").display().to_string();
        let values = [("http_port", port.as_str()), ("database", database.as_str())];
        write_secret(&dir.join("registry.properties"), &render(SETTINGS, &values)?)
    }

    fn command(&self, site: &Site, _state: &State) -> Result<Command> {
        let dir = site.dir(ServerName::Registry);
        let settings = dir.join("registry.properties");
        let mut command = Command::new("java");
        command
            .current_dir(&dir)
            .arg("-Xmx256m")
            .arg(format!("-Dquarkus.config.locations={}", settings.display()))
            .arg("-jar")
            .arg(program(site)?);
        Ok(command)
    }

    fn is_ready(&self, _site: &Site, state: &State) -> Result<bool> {
        let port = state.port(ServerName::Registry, "http")?;
        Ok(probe::http_is_ok(port, &format!("{API}/subjects")))
    }

    /// Through the API, because a mode from the settings is enforced but not shown by it.
    fn configure(&self, _site: &Site, state: &State) -> Result<()> {
        let port = state.port(ServerName::Registry, "http")?;
        let json = serde_json::json!({ "compatibility": state.compatibility }).to_string();
        let answer = probe::http("PUT", port, &format!("{API}/config"), &json)
            .context("cannot set the registry's compatibility mode")?;
        if answer.status != 200 {
            bail!("the registry refuses {}:\n{}", state.compatibility, answer.text);
        }
        Ok(())
    }

    fn data_path(&self, site: &Site) -> PathBuf {
        site.dir(ServerName::Registry).join("data")
    }
}

/// The runnable jar. By its coordinates and not by a pom: the archive's own parent pom need not be published.
fn program(site: &Site) -> Result<PathBuf> {
    let artifact = format!("-Dartifact=io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all");
    let folder = once(site, &format!("apicurio-registry-{VERSION}"), &artifact, |draft| {
        maven(draft, &["dependency:copy", &artifact, "-DoutputDirectory=."])?;
        let archive = format!("apicurio-registry-app-{VERSION}-all.tar.gz");
        let mut unpack = Command::new("sh");
        unpack.current_dir(draft).args(["-euc", "tar -xzf \"$0\" && rm \"$0\"", &archive]);
        run_logged(&mut unpack, &draft.join("tar.log"))
    })?;
    Ok(folder.join(format!("apicurio-registry-app-{VERSION}-runner.jar")))
}
