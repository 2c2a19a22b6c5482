//! What is printed about the servers: the table of `status`, the lines of `args`.

use std::process::ExitCode;

use anyhow::{Context, Result};

use super::fleet::is_running;
use super::server::ServerName;
use super::site::Site;
use super::state::{Record, State};
use super::{kafka, postgres, registry};

/// Prints the table; success if there are servers and all are up.
pub fn status(site: &Site) -> Result<ExitCode> {
    let state = load(site)?;
    let header = ["NAME", "PID", "PORTS", "STATE", "VERSION", "DATA", "LOG"];
    let mut rows = vec![header.map(str::to_owned)];
    let mut all_up = !state.servers.is_empty();
    for (name, record) in &state.servers {
        let condition = condition(site, &state, *name)?;
        all_up &= condition == "up";
        rows.push(row(site, *name, record, condition));
    }
    print!("{}", table(&rows));
    Ok(if all_up { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn condition(site: &Site, state: &State, name: ServerName) -> Result<&'static str> {
    Ok(match is_running(site, state, name) {
        false => "down",
        true if name.server().is_ready(site, state)? => "up",
        true => "not ready",
    })
}

fn row(site: &Site, name: ServerName, record: &Record, condition: &str) -> [String; 7] {
    let ports: Vec<String> =
        record.ports.iter().map(|(usage, port)| format!("{usage}={port}")).collect();
    let pid = if condition == "down" { None } else { record.pid };
    [
        name.as_str().to_owned(),
        pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
        ports.join(" "),
        condition.to_owned(),
        record.version.clone(),
        name.server().data_path(site).display().to_string(),
        site.log(name).display().to_string(),
    ]
}

/// Columns as wide as their widest cell.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
            line += &format!("{cell:<width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Prints the arguments for `shop`, or with `env` the variables for the tests.
pub fn print_args(site: &Site, env: bool) -> Result<()> {
    let state = load(site)?;
    if env {
        for (name, value) in variables(site, &state)? {
            println!("export {name}={}", quote(&value));
        }
    } else {
        println!("{}", arguments(&state)?);
    }
    Ok(())
}

/// The arguments for `shop`, a word each.
pub fn words(site: &Site) -> Result<Vec<String>> {
    Ok(arguments(&load(site)?)?.split(' ').map(str::to_owned).collect())
}

fn load(site: &Site) -> Result<State> {
    State::load(site.data())?.with_context(|| {
        format!("nothing was started in {}: run `cargo xtask infra up`", site.data().display())
    })
}

/// The line of arguments, of those servers that there are.
fn arguments(state: &State) -> Result<String> {
    let mut words = Vec::new();
    for name in [ServerName::Kafka, ServerName::Registry, ServerName::Postgres] {
        if state.servers.contains_key(&name) {
            words.push(format!("--{} {}", name.as_str(), address(state, name)?));
        }
    }
    Ok(words.join(" "))
}

/// Where a server's clients find it.
fn address(state: &State, name: ServerName) -> Result<String> {
    let port = |usage| state.port(name, usage);
    Ok(match name {
        ServerName::Kafka => format!("127.0.0.1:{}", port("client")?),
        ServerName::Registry => format!("http://127.0.0.1:{}{}", port("http")?, registry::API),
        ServerName::Postgres => {
            let (user, password) = (postgres::USER, &state.postgres_password);
            format!("postgres://{user}:{password}@127.0.0.1:{}", port("client")?)
        }
        ServerName::Jaeger => format!("http://127.0.0.1:{}", port("query")?),
    })
}

fn variables(site: &Site, state: &State) -> Result<Vec<(&'static str, String)>> {
    let own = std::env::current_exe().context("cannot find out where xtask is")?;
    let control = format!("{} infra --data-dir {}", own.display(), site.data().display());
    let mut variables = vec![("TEST_INFRA", control)];
    for name in state.servers.keys() {
        let variable = match name {
            ServerName::Kafka => "TEST_KAFKA",
            ServerName::Registry => "TEST_REGISTRY",
            ServerName::Postgres => "TEST_POSTGRES",
            ServerName::Jaeger => "TEST_JAEGER",
        };
        variables.push((variable, address(state, *name)?));
    }
    if state.servers.contains_key(&ServerName::Jaeger) {
        let local = |usage| {
            Ok::<_, anyhow::Error>(format!(
                "http://127.0.0.1:{}",
                state.port(ServerName::Jaeger, usage)?
            ))
        };
        variables.push(("TEST_OTLP_GRPC", local("otlp_grpc")?));
        variables.push(("TEST_OTLP_HTTP", local("otlp_http")?));
    }
    if state.sasl && state.servers.contains_key(&ServerName::Kafka) {
        let sasl = format!("127.0.0.1:{}", state.port(ServerName::Kafka, "sasl")?);
        variables.push(("TEST_KAFKA_SASL", sasl));
        variables.push(("TEST_KAFKA_SASL_USER", kafka::SASL_USER.to_owned()));
        variables.push(("TEST_KAFKA_SASL_PASSWORD", state.kafka_password.clone()));
        variables.push(("TEST_KAFKA_CA", kafka::authority(site).display().to_string()));
    }
    Ok(variables)
}

/// A word that a shell reads as it is.
fn quote(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/:@._-".contains(c);
    if value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;

    fn state(servers: &[(ServerName, &[(&str, u16)])]) -> State {
        let mut state = State::new().expect("a state");
        state.postgres_password = "pass".to_owned();
        for (name, ports) in servers {
            let ports: BTreeMap<_, _> =
                ports.iter().map(|(usage, port)| ((*usage).to_owned(), *port)).collect();
            state.servers.insert(*name, Record { ports, ..Record::default() });
        }
        state
    }

    const ALL: &[(ServerName, &[(&str, u16)])] = &[
        (ServerName::Kafka, &[("client", 9092), ("controller", 9093), ("sasl", 9094)]),
        (ServerName::Registry, &[("http", 8081)]),
        (ServerName::Postgres, &[("client", 5432)]),
        (ServerName::Jaeger, &[("query", 16686), ("otlp_grpc", 4317), ("otlp_http", 4318)]),
    ];

    #[test]
    fn the_arguments_are_one_line() {
        let line = "--kafka 127.0.0.1:9092 --registry http://127.0.0.1:8081/apis/ccompat/v7 \
                    --postgres postgres://shop:pass@127.0.0.1:5432";
        assert_eq!(arguments(&state(ALL)).expect("a line"), line);
    }

    #[test]
    fn only_servers_that_there_are_have_arguments() {
        assert_eq!(arguments(&state(&ALL[..1])).expect("a line"), "--kafka 127.0.0.1:9092");
    }

    #[test]
    fn the_tests_learn_of_every_server() {
        let site = Site::at(Some(Path::new("/no-such-folder"))).expect("a site");
        let state = State { sasl: true, ..state(ALL) };
        let variables = variables(&site, &state).expect("variables");
        let names: Vec<&str> = variables.iter().map(|(name, _)| *name).collect();
        for name in ["TEST_KAFKA", "TEST_REGISTRY", "TEST_POSTGRES", "TEST_JAEGER"] {
            assert!(names.contains(&name), "{names:?}");
        }
        assert!(variables.contains(&("TEST_KAFKA_SASL", "127.0.0.1:9094".to_owned())));
        assert!(
            variables.contains(&("TEST_KAFKA_CA", "/no-such-folder/kafka/tls/ca.pem".to_owned()))
        );
    }

    #[test]
    fn a_shell_reads_values_as_they_are() {
        assert_eq!(quote("postgres://shop:a1@127.0.0.1:5432"), "postgres://shop:a1@127.0.0.1:5432");
        assert_eq!(quote("/a b/it's"), r"'/a b/it'\''s'");
    }

    #[test]
    fn a_columns_width_is_its_widest_cells() {
        let rows = [["a", "bb"], ["ccc", "d"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "a    bb\nccc  d\n");
    }
}
