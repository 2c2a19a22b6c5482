//! The servers of a distributed shop, from configuration: Kafka, the schema registry, PostgreSQL.

use std::{path::PathBuf, sync::Arc, time::Duration};

use events::{
    Codec,
    topics::{self, Topic},
};
use messaging::{
    app::{Databases, Platform},
    kafka::{KafkaConfig, KafkaLog, Login, Sasl, Security, Tls},
    log::{EventLog, LogError},
    retry::Backoff,
    telemetry::Telemetry,
};
use schema_registry_converter::{async_impl::schema_registry::SrSettings, error::SRCError};

use crate::{
    SystemClock,
    environment::{ConfigError, Environment, Variable},
};

/// The longest a call to the registry may take.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(5);

/// How to reach the servers, beside where they are.
pub const SECURITY: &[Variable] = &[
    Variable::with_default(
        "SHOP_KAFKA_TLS",
        "false",
        "`true` encrypts and checks the brokers' certificates",
    ),
    Variable::optional(
        "SHOP_KAFKA_CA_FILE",
        "the authority that signed the brokers' certificates, a PEM file (default: the system's)",
    ),
    Variable::optional(
        "SHOP_KAFKA_SASL",
        "how to log in: `plain`, `scram-sha-256`, `scram-sha-512` or `oauthbearer` (default: not at all)",
    ),
    Variable::optional("SHOP_KAFKA_USER", "the user, for all but `oauthbearer`"),
    Variable::optional("SHOP_KAFKA_PASSWORD", "the user's password").secret(),
    Variable::optional(
        "SHOP_KAFKA_TOKEN_FILE",
        "a file with a JSON web token, for `oauthbearer`; read anew before it expires",
    ),
    Variable::optional(
        "SHOP_KAFKA_REPLICATION",
        "replicas of the topics that are created, 1 or more (default: the broker's)",
    ),
    Variable::optional(
        "SHOP_KAFKA_PARTITIONS",
        "partitions of `shop.orders`, `shop.inventory` and `shop.shipping`, 1 to 64, for good and for all services (default: 6)",
    ),
    Variable::optional(
        "SHOP_KAFKA_PREFIX",
        "put before the names of topics, groups and producers, for shops that share a cluster",
    ),
    Variable::optional("SHOP_REGISTRY_USER", "the user, for basic authentication (default: none)"),
    Variable::optional("SHOP_REGISTRY_PASSWORD", "the user's password").secret(),
    Variable::optional(
        "SHOP_REGISTRY_CA_FILE",
        "the authority that signed the registry's certificate, a PEM file (default: the system's)",
    ),
];

/// Where the event log and the registry are.
#[derive(Clone, Debug)]
pub struct Servers {
    /// `host:port`, several separated by commas.
    pub kafka: String,
    /// The registry's URL.
    pub registry: String,
    /// Where the databases are.
    pub databases: Databases,
}

/// Why the servers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Kafka turns us away, or its topics are not ours.
    #[error("Kafka: {0}")]
    Log(#[from] LogError),
    /// The registry's client cannot be made.
    #[error("the schema registry's client: {0}")]
    Registry(#[from] SRCError),
}

/// Connects to the servers; they may be away, and are waited for.
///
/// # Errors
/// When the configuration makes no sense, a server turns us away, or the topics are not those of
/// the table.
pub async fn connect(
    servers: Servers,
    environment: &Environment,
    telemetry: Telemetry,
) -> Result<Platform, ConnectError> {
    let log = KafkaLog::connect(kafka(&servers.kafka, environment)?)?;
    let codec = Codec::new(registry(servers.registry, environment)?);
    topics_of(&log, partitions(environment)?).await?;
    Ok(Platform {
        log: Arc::new(log),
        codec: Arc::new(codec),
        clock: Arc::new(SystemClock),
        databases: servers.databases,
        telemetry,
    })
}

/// Creates or compares the topics, however long it takes for the brokers to be there.
async fn topics_of(log: &KafkaLog, partitions: Option<u32>) -> Result<(), LogError> {
    let table = table(partitions);
    let all: Vec<_> = table.iter().collect();
    let mut backoff = Backoff::default();
    loop {
        match log.ensure_topics(&all).await {
            Err(error) if error.is_transient() => {
                waiting(&backoff, "Kafka", &error);
                backoff.wait().await;
            }
            done => return done,
        }
    }
}

/// The table of topics; those of sagas with so many partitions instead of their own.
fn table(partitions: Option<u32>) -> Vec<Topic> {
    let all = topics::ALL.iter().copied().chain(topics::DEAD_LETTERS);
    let topic = |&Topic { name, partitions: usual, cleanup }: &Topic| {
        let is_of_sagas = topics::SAGA.iter().any(|saga| saga.name == name);
        let partitions = partitions.filter(|_| is_of_sagas).unwrap_or(usual);
        Topic { name, partitions, cleanup }
    };
    all.map(topic).collect()
}

fn partitions(environment: &Environment) -> Result<Option<u32>, ConfigError> {
    let name = "SHOP_KAFKA_PARTITIONS";
    match environment.value(name)? {
        Some(count @ 1..=64) => Ok(Some(count)),
        None => Ok(None),
        Some(_) => Err(environment.invalid(name, "from 1 to 64".to_owned())),
    }
}

/// Says what is waited for, now and then.
pub fn waiting(backoff: &Backoff, server: &str, error: &dyn std::fmt::Display) {
    if backoff.failures().is_multiple_of(10) {
        tracing::warn!(server, %error, "waiting for a server");
    }
}

fn kafka(bootstrap_servers: &str, environment: &Environment) -> Result<KafkaConfig, ConfigError> {
    let replication_factor = environment.value("SHOP_KAFKA_REPLICATION")?;
    if replication_factor == Some(0) {
        return Err(environment.invalid("SHOP_KAFKA_REPLICATION", "at least 1".to_owned()));
    }
    let ca_file = environment.value::<PathBuf>("SHOP_KAFKA_CA_FILE")?;
    let tls = environment.required::<bool>("SHOP_KAFKA_TLS")?;
    if ca_file.is_some() && !tls {
        let reason = "it is used with SHOP_KAFKA_TLS=true only".to_owned();
        return Err(environment.invalid("SHOP_KAFKA_CA_FILE", reason));
    }
    let security = Security { tls: tls.then_some(Tls { ca_file }), sasl: sasl(environment)? };
    let prefix = environment.text("SHOP_KAFKA_PREFIX")?.unwrap_or_default();
    Ok(KafkaConfig { security, replication_factor, prefix, ..KafkaConfig::new(bootstrap_servers) })
}

fn sasl(environment: &Environment) -> Result<Option<Sasl>, ConfigError> {
    let Some(mechanism) = environment.text("SHOP_KAFKA_SASL")? else { return Ok(None) };
    let needed = |name: &str| match environment.text(name)? {
        Some(text) => Ok(text),
        None => Err(ConfigError::Together(format!(
            "{name} is not set: SHOP_KAFKA_SASL={mechanism} needs it"
        ))),
    };
    let login = || {
        Ok::<_, ConfigError>(Login {
            user: needed("SHOP_KAFKA_USER")?,
            password: needed("SHOP_KAFKA_PASSWORD")?,
        })
    };
    Ok(Some(match mechanism.as_str() {
        "plain" => Sasl::Plain(login()?),
        "scram-sha-256" => Sasl::ScramSha256(login()?),
        "scram-sha-512" => Sasl::ScramSha512(login()?),
        "oauthbearer" => Sasl::OAuthBearer { token_file: needed("SHOP_KAFKA_TOKEN_FILE")?.into() },
        _ => {
            let known = "plain, scram-sha-256, scram-sha-512 or oauthbearer".to_owned();
            return Err(environment.invalid("SHOP_KAFKA_SASL", known));
        }
    }))
}

fn registry(url: String, environment: &Environment) -> Result<SrSettings, ConnectError> {
    let mut settings = SrSettings::new_builder(url.trim_end_matches('/').to_owned());
    let password = environment.text("SHOP_REGISTRY_PASSWORD")?;
    match environment.text("SHOP_REGISTRY_USER")? {
        Some(user) => {
            settings.set_basic_authorization(&user, password.as_deref());
        }
        None if password.is_some() => {
            let reason = "it is used with SHOP_REGISTRY_USER only".to_owned();
            return Err(environment.invalid("SHOP_REGISTRY_PASSWORD", reason).into());
        }
        None => {}
    }
    let mut client = reqwest::Client::builder().timeout(REGISTRY_TIMEOUT);
    if let Some(file) = environment.text("SHOP_REGISTRY_CA_FILE")? {
        let unusable = |reason: String| environment.invalid("SHOP_REGISTRY_CA_FILE", reason);
        let pem = std::fs::read(&file).map_err(|error| unusable(error.to_string()))?;
        let authorities = reqwest::Certificate::from_pem_bundle(&pem);
        for authority in authorities.map_err(|error| unusable(error.to_string()))? {
            client = client.add_root_certificate(authority);
        }
    }
    Ok(settings.build_with(client)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(value: &str) -> Environment {
        let values = [("SHOP_KAFKA_PARTITIONS".to_owned(), value.to_owned())];
        Environment::new(&[SECURITY], values)
    }

    #[test]
    fn only_the_topics_of_sagas_get_other_partitions() {
        let usual = table(None);
        for (topic, usual) in table(partitions(&set("12")).unwrap()).iter().zip(&usual) {
            let is_of_sagas = topics::SAGA.contains(&usual);
            assert_eq!(topic.partitions, if is_of_sagas { 12 } else { usual.partitions });
        }
        assert_eq!(usual.len(), topics::ALL.len() + topics::DEAD_LETTERS.len());
    }

    #[test]
    fn a_number_of_partitions_that_cannot_be_is_refused_by_name() {
        for value in ["0", "65", "many"] {
            let error = partitions(&set(value)).unwrap_err().to_string();
            assert!(error.contains("SHOP_KAFKA_PARTITIONS"), "{error}");
        }
    }
}
