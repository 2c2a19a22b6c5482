//! Jaeger v2, built from the Go module proxy. The module has no web pages: the query API works, `/search` is a
//! placeholder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::install::{ensure_tool, find_tool, once};
use super::ports::PortSpec;
use super::probe;
use super::process::run_logged;
use super::server::{Server, ServerName};
use super::site::Site;
use super::state::{State, write_secret};
use super::template::render;

/// The module's version; the program calls itself v2.
const VERSION: &str = "1.76.0";
const SETTINGS: &str = include_str!("../../../infra/local/jaeger.yaml");
const BUILD: &str = include_str!("../../../infra/local/jaeger-build.sh");

/// The collector and query server of traces.
pub struct Jaeger;

impl Server for Jaeger {
    fn ports(&self, _state: &State) -> Vec<PortSpec> {
        vec![
            PortSpec { usage: "query", flag: "--jaeger-port", default: 16686 },
            PortSpec { usage: "otlp_grpc", flag: "--jaeger-otlp-grpc-port", default: 4317 },
            PortSpec { usage: "otlp_http", flag: "--jaeger-otlp-http-port", default: 4318 },
        ]
    }

    fn install(&self, site: &Site) -> Result<String> {
        program(site)?;
        Ok(VERSION.to_owned())
    }

    fn prepare(&self, site: &Site, state: &State) -> Result<()> {
        let dir = site.create_dir(ServerName::Jaeger)?;
        let port =
            |usage| Ok::<_, anyhow::Error>(state.port(ServerName::Jaeger, usage)?.to_string());
        let (query, grpc, http) = (port("query")?, port("otlp_grpc")?, port("otlp_http")?);
        let values = [
            ("query_port", query.as_str()),
            ("otlp_grpc_port", grpc.as_str()),
            ("otlp_http_port", http.as_str()),
        ];
        write_secret(&dir.join("jaeger.yaml"), &render(SETTINGS, &values)?)
    }

    fn command(&self, site: &Site, _state: &State) -> Result<Command> {
        let dir = site.dir(ServerName::Jaeger);
        let mut command = Command::new(program(site)?);
        command
            .current_dir(&dir)
            .arg(format!("--config={}", dir.join("jaeger.yaml").display()))
            // Otherwise it traces the queries for traces.
            .env("OTEL_TRACES_SAMPLER", "always_off");
        Ok(command)
    }

    fn is_ready(&self, _site: &Site, state: &State) -> Result<bool> {
        Ok(probe::http_is_ok(state.port(ServerName::Jaeger, "query")?, "/api/services"))
    }

    fn configure(&self, _site: &Site, _state: &State) -> Result<()> {
        Ok(())
    }

    /// It keeps traces in memory; the folder has its settings and log.
    fn data_path(&self, site: &Site) -> PathBuf {
        site.dir(ServerName::Jaeger)
    }
}

fn program(site: &Site) -> Result<PathBuf> {
    let folder = once(site, &format!("jaeger-{VERSION}"), BUILD, |draft| {
        ensure_go()?;
        println!("building Jaeger from source: about 8 minutes on 2 cores the first time");
        build(draft)
    })?;
    Ok(folder.join("jaeger"))
}

fn build(draft: &Path) -> Result<()> {
    let source = draft.join("source");
    fs::create_dir_all(&source)?;
    let mut command = Command::new("sh");
    command.current_dir(&source).args(["-euc", BUILD, VERSION]);
    run_logged(&mut command, &draft.join("build.log"))?;
    fs::rename(source.join("jaeger"), draft.join("jaeger"))?;
    Ok(())
}

/// Debian's Go is too old to be worth installing.
fn ensure_go() -> Result<()> {
    if find_tool("go")?.is_none() {
        // A wrong package would only fail later, after minutes.
        ensure_tool("go", "golang-go").context("Jaeger needs Go 1.25 or newer")?;
    }
    Ok(())
}
