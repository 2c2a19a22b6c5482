//! Ports: flags, defaults, what is recorded, and whether somebody else has them.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::wait::wait_until;

/// One port of a server: its use, the flag that sets it, and where it is by default.
#[derive(Clone, Copy, Debug)]
pub struct PortSpec {
    /// Its key in the state file and, with `_port`, in templates.
    pub usage: &'static str,
    /// The flag, as the user types it.
    pub flag: &'static str,
    /// The port if nobody says otherwise. If a server's first port is moved, the others move with it.
    pub default: u16,
}

/// The flags that choose ports; 0 means any free one.
#[derive(Debug, Default, Args)]
pub struct PortFlags {
    /// Kafka's clients [default: 9092]
    #[arg(long)]
    kafka_port: Option<u16>,
    /// Kafka's controller [default: Kafka's port + 1]
    #[arg(long)]
    kafka_controller_port: Option<u16>,
    /// Kafka's clients with TLS and SASL [default: Kafka's port + 2]
    #[arg(long)]
    kafka_sasl_port: Option<u16>,
    /// The schema registry [default: 8081]
    #[arg(long)]
    registry_port: Option<u16>,
    /// PostgreSQL [default: 5432]
    #[arg(long)]
    postgres_port: Option<u16>,
    /// Jaeger's query API [default: 16686]
    #[arg(long)]
    jaeger_port: Option<u16>,
    /// Jaeger's OTLP over gRPC [default: 4317]
    #[arg(long)]
    jaeger_otlp_grpc_port: Option<u16>,
    /// Jaeger's OTLP over HTTP [default: 4318]
    #[arg(long)]
    jaeger_otlp_http_port: Option<u16>,
}

impl PortFlags {
    fn get(&self, flag: &str) -> Option<u16> {
        match flag {
            "--kafka-port" => self.kafka_port,
            "--kafka-controller-port" => self.kafka_controller_port,
            "--kafka-sasl-port" => self.kafka_sasl_port,
            "--registry-port" => self.registry_port,
            "--postgres-port" => self.postgres_port,
            "--jaeger-port" => self.jaeger_port,
            "--jaeger-otlp-grpc-port" => self.jaeger_otlp_grpc_port,
            "--jaeger-otlp-http-port" => self.jaeger_otlp_http_port,
            _ => None,
        }
    }

    /// The port by flag or record; a recorded port is as good as any, so 0 keeps it.
    fn wanted(&self, spec: &PortSpec, recorded: &BTreeMap<String, u16>) -> Option<u16> {
        let recorded = recorded.get(spec.usage).copied();
        match self.get(spec.flag) {
            None => recorded,
            Some(0) => recorded.or(Some(0)),
            flag => flag,
        }
    }

    /// A server's ports: by flag, else as recorded, else by default.
    pub fn resolve(
        &self,
        specs: &[PortSpec],
        recorded: &BTreeMap<String, u16>,
    ) -> Result<BTreeMap<String, u16>> {
        let first = specs.first().context("a server without a port")?;
        let wanted_first = self.wanted(first, recorded);
        // A first port that was just moved takes the others along: they may be somebody else's where they were.
        let moved = wanted_first != recorded.get(first.usage).copied();
        let mut ports = BTreeMap::new();
        for spec in specs {
            let wanted = if moved { self.get(spec.flag) } else { self.wanted(spec, recorded) };
            let mut port = wanted.unwrap_or_else(|| beside(spec, first, wanted_first));
            while port == 0 {
                port = free_port()?;
                if ports.values().any(|other| *other == port) {
                    port = 0;
                }
            }
            ports.insert(spec.usage.to_owned(), port);
        }
        Ok(ports)
    }
}

/// The port as far from the first one as the defaults are from each other.
fn beside(spec: &PortSpec, first: &PortSpec, wanted_first: Option<u16>) -> u16 {
    match wanted_first {
        None => spec.default,
        Some(0) => 0,
        Some(port) => port.wrapping_add(spec.default).wrapping_sub(first.default),
    }
}

/// A port that nobody has at this moment.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Checks that a port can be listened on. A process that was just killed still has its own for a moment, so it asks
/// again for as long as `grace`.
///
/// # Errors
/// When somebody else has it: the message names the port and the flag that chooses another.
pub fn ensure_free(server: &str, port: u16, flag: &str, grace: Duration) -> Result<()> {
    let free = wait_until(grace, || match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(false),
        Err(error) => Err(error)
            .with_context(|| format!("cannot listen on port {port} for {server} ({flag})")),
    })?;
    if !free {
        bail!(
            "port {port} for {server} is in use by another process: end that, or choose another port with {flag}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: [PortSpec; 2] = [
        PortSpec { usage: "client", flag: "--kafka-port", default: 9092 },
        PortSpec { usage: "controller", flag: "--kafka-controller-port", default: 9093 },
    ];

    fn check(flags: &PortFlags, recorded: &[(&str, u16)], expected: [u16; 2]) {
        let recorded = recorded.iter().map(|(usage, port)| ((*usage).to_owned(), *port)).collect();
        let ports = flags.resolve(&SPECS, &recorded).expect("ports");
        assert_eq!([ports["client"], ports["controller"]], expected);
    }

    #[test]
    fn a_flag_wins_over_the_record_and_the_record_over_the_default() {
        let none = PortFlags::default();
        let moved = PortFlags { kafka_port: Some(19092), ..PortFlags::default() };
        let controller = PortFlags { kafka_controller_port: Some(7), ..PortFlags::default() };
        check(&none, &[], [9092, 9093]);
        check(&none, &[("client", 1), ("controller", 5)], [1, 5]);
        check(&moved, &[], [19092, 19093]);
        check(&moved, &[("client", 1), ("controller", 2)], [19092, 19093]);
        check(&moved, &[("client", 19092), ("controller", 5)], [19092, 5]);
        check(&controller, &[("client", 1), ("controller", 2)], [1, 7]);
    }

    #[test]
    fn zero_means_any_free_port_for_all_of_a_server() {
        let flags = PortFlags { kafka_port: Some(0), ..PortFlags::default() };
        let ports = flags.resolve(&SPECS, &BTreeMap::new()).expect("ports");
        assert!(ports.values().all(|port| *port != 0), "{ports:?}");
        assert_eq!(flags.resolve(&SPECS, &ports).expect("again"), ports, "and they are kept");
    }

    #[test]
    fn a_taken_port_is_named_with_its_flag() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let port = taken.local_addr().expect("its address").port();
        let error = ensure_free("kafka", port, "--kafka-port", Duration::ZERO)
            .expect_err("taken")
            .to_string();
        assert!(error.contains(&port.to_string()) && error.contains("--kafka-port"), "{error}");
    }

    #[test]
    fn a_port_that_was_given_back_is_free() {
        let is_free = |_| {
            let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
            let port = taken.local_addr().expect("its address").port();
            drop(taken);
            ensure_free("kafka", port, "--kafka-port", Duration::ZERO).is_ok()
        };
        // Another process may be given any of them.
        assert!((0..10).any(is_free));
    }
}
