//! How to reach a Kafka cluster, and the settings of its clients with the reason for each.

use std::{fmt, path::PathBuf, time::Duration};

use rdkafka::ClientConfig;

/// The largest record we append: key, value and headers. The embedded log has the same limit.
pub const MAX_RECORD_BYTES: usize = 1 << 20;
/// `max.message.bytes` of our topics: the largest record and what Kafka wraps around it.
pub const MAX_BATCH_BYTES: usize = MAX_RECORD_BYTES + (1 << 16);
/// How long one `append` tries before it says that the log is out of reach.
pub const APPEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a question to the cluster may take.
pub const QUERY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the cluster may take to show that it is there; probes of readiness do not wait longer.
pub const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a revocation may take before the group goes on without the member that does not
/// answer, and how long a member may go without asking for the next event.
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(60);
/// A killed relay's open transaction hides later records until the next relay aborts it, at the
/// latest after this. It must not be shorter than an append.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);

/// What is worth an answer to a consumer that has patience.
const GATHERED_BYTES: usize = 64 << 10;

/// Where the cluster is and how to talk to it.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// `host:port`, several separated by commas.
    pub bootstrap_servers: String,
    /// Encryption and log-in.
    pub security: Security,
    /// Replicas of the topics that are created; `None` leaves it to the broker's default.
    pub replication_factor: Option<u16>,
    /// Put before the names of topics, groups and producers, and taken off again: tests that share
    /// a broker do not see each other.
    pub prefix: String,
    /// After this without a heartbeat a member is dead and its partitions are taken over. 6 s, the
    /// least that brokers allow by default: with Kafka's 45 s the orders of a killed replica's
    /// partitions would wait that long. A pause of 6 s costs a rebalance, never an event.
    pub session_timeout: Duration,
}

impl KafkaConfig {
    /// The usual settings, without encryption or log-in.
    pub fn new(bootstrap_servers: impl Into<String>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            security: Security::default(),
            replication_factor: None,
            prefix: String::new(),
            session_timeout: Duration::from_secs(6),
        }
    }
}

/// Both `None` is PLAINTEXT, the others are SSL, SASL_PLAINTEXT and SASL_SSL.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// Encrypts, and checks the brokers' certificates and names.
    pub tls: Option<Tls>,
    /// Says who we are.
    pub sasl: Option<Sasl>,
}

/// TLS to the brokers.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The authority that signed the brokers' certificates, in PEM; `None` takes the system's.
    pub ca_file: Option<PathBuf>,
}

/// How the client proves who it is.
#[derive(Clone, Debug)]
pub enum Sasl {
    /// PLAIN: the password goes over the wire, so use it with TLS only.
    Plain(Login),
    /// SCRAM-SHA-256.
    ScramSha256(Login),
    /// SCRAM-SHA-512.
    ScramSha512(Login),
    /// OAUTHBEARER with the JSON web token in this file, read anew before it expires: whatever
    /// gets the tokens (Kubernetes, a sidecar) only has to write the file.
    OAuthBearer {
        /// The file.
        token_file: PathBuf,
    },
}

impl Sasl {
    fn mechanism(&self) -> &'static str {
        match self {
            Self::Plain(_) => "PLAIN",
            Self::ScramSha256(_) => "SCRAM-SHA-256",
            Self::ScramSha512(_) => "SCRAM-SHA-512",
            Self::OAuthBearer { .. } => "OAUTHBEARER",
        }
    }
}

/// A user and a password.
#[derive(Clone)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password; it is never shown.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Security {
    fn protocol(&self) -> &'static str {
        match (&self.tls, &self.sasl) {
            (None, None) => "PLAINTEXT",
            (Some(_), None) => "SSL",
            (None, Some(_)) => "SASL_PLAINTEXT",
            (Some(_), Some(_)) => "SASL_SSL",
        }
    }

    fn apply(&self, config: &mut ClientConfig) {
        config.set("security.protocol", self.protocol());
        if let Some(ca_file) = self.tls.as_ref().and_then(|tls| tls.ca_file.as_ref()) {
            config.set("ssl.ca.location", ca_file.to_string_lossy());
        }
        let Some(sasl) = &self.sasl else { return };
        config.set("sasl.mechanism", sasl.mechanism());
        match sasl {
            Sasl::Plain(login) | Sasl::ScramSha256(login) | Sasl::ScramSha512(login) => {
                config.set("sasl.username", &login.user).set("sasl.password", &login.password);
            }
            Sasl::OAuthBearer { .. } => {}
        }
    }
}

impl KafkaConfig {
    /// What every client needs.
    pub(super) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", "shop")
            // Topics come from the table; a misspelt name must fail.
            .set("allow.auto.create.topics", "false")
            // Small requests must not wait for the acknowledgement of the one before.
            .set("socket.nagle.disable", "true")
            // A request to a broker that hangs fails after this, not after a minute.
            .set("socket.timeout.ms", "10000")
            // A broker that restarts is tried again soon; the default goes up to 10 s.
            .set("reconnect.backoff.max.ms", "1000")
            .set("log.connection.close", "false");
        self.security.apply(&mut config);
        config
    }

    /// An idempotent producer: no duplicates and no reordering by its own retries.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        // Producers do not know this setting; the check of the names before sending serves them.
        config.remove("allow.auto.create.topics");
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // Kafka's Java client and `murmur2.rs`: a key has the same partition everywhere.
            .set("partitioner", "murmur2_random")
            // The caller's batch is the batch: waiting for more would only add latency.
            .set("linger.ms", "0")
            // About half the bytes for a batch of events at hardly any CPU; a record that does
            // not get smaller is sent as it is.
            .set("compression.type", "lz4")
            .set("message.max.bytes", MAX_BATCH_BYTES.to_string())
            .set("queue.buffering.max.kbytes", "65536");
        config
    }

    /// The idempotent producer for appends outside transactions.
    pub(super) fn plain_producer(&self) -> ClientConfig {
        let mut config = self.producer();
        // Never gives up on a single message: that would let later ones of its partition overtake
        // it. `append` has the time limit and gives up on all of them together.
        config.set("message.timeout.ms", "0");
        config
    }

    /// A transactional producer.
    pub(super) fn transactional_producer(&self, identity: &str) -> ClientConfig {
        let mut config = self.producer();
        config
            .set("transactional.id", identity)
            // A transaction that comes before the end of the last one is refused and tried again.
            .set("retry.backoff.ms", "10")
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string())
            .set("message.timeout.ms", APPEND_TIMEOUT.as_millis().to_string());
        config
    }

    /// A consumer in `group`, which it may never join. Unless it has patience, the broker answers as soon as there is
    /// a byte: to be told of each record by itself costs both sides more than the record.
    pub(super) fn consumer(&self, group: &str, patience: Duration) -> ClientConfig {
        let mut config = self.inquirer();
        let session_ms = self.session_timeout.as_millis();
        config
            .set("group.id", group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session_ms.to_string())
            // Members hear of a rebalance with a heartbeat, so this is also how long one takes.
            .set("heartbeat.interval.ms", (session_ms / 12).to_string())
            .set("max.poll.interval.ms", MAX_POLL_INTERVAL.as_millis().to_string())
            // Only what is stored after the database's commit may be committed.
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            // Says when everything up to the end was read, past transaction markers too.
            .set("enable.partition.eof", "true")
            // What is fetched ahead is bounded for all partitions together.
            .set("queued.max.messages.kbytes", "16384")
            .set("queued.min.messages", "10000")
            .set("fetch.error.backoff.ms", "100")
            .set("fetch.queue.backoff.ms", "10");
        if !patience.is_zero() {
            config
                .set("fetch.min.bytes", GATHERED_BYTES.to_string())
                .set("fetch.wait.max.ms", patience.as_millis().to_string());
        }
        config
    }

    /// A consumer that is given its partitions, and mostly reads a topic from end to end. It names `group`, and never
    /// joins it.
    pub(super) fn reader(&self, group: &str, patience: Duration) -> ClientConfig {
        let mut config = self.consumer(group, patience);
        config
            // At the end of a topic nothing is different. Before it, an answer is read ahead as a whole, and librdkafka takes
            // half a kilobyte for each message in it, whatever that holds: by default, 1 MiB of each partition at a time,
            // 100,000 clicks. A tenth of that still has what is read while the next answer is on its way, if the reader
            // pauses partitions whose ends it has reached: an answer about those alone is not sent for as long as the broker may wait.
            .set("fetch.message.max.bytes", (96 << 10).to_string())
            // It asks again when fewer are left, and looks so often.
            .set("queued.min.messages", "3000")
            .set("fetch.queue.backoff.ms", "1");
        config
    }

    /// A client that asks for offsets and metadata; the ends are those of committed transactions.
    pub(super) fn inquirer(&self) -> ClientConfig {
        let mut config = self.client();
        config.set("isolation.level", "read_committed");
        config
    }

    /// The file with the token, if the log-in is by OAUTHBEARER.
    pub(super) fn token_file(&self) -> Option<PathBuf> {
        match &self.security.sasl {
            Some(Sasl::OAuthBearer { token_file }) => Some(token_file.clone()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::AT_ONCE;

    #[test]
    fn a_password_is_never_shown() {
        let login = Login { user: "shop".to_owned(), password: "hunter2".to_owned() };
        let mut config = KafkaConfig::new("kafka:9093");
        config.security =
            Security { tls: Some(Tls::default()), sasl: Some(Sasl::ScramSha512(login)) };
        let shown = format!("{config:?}");
        assert!(shown.contains("shop") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn the_protocol_follows_from_what_is_given() {
        let login = Login { user: String::new(), password: String::new() };
        for (tls, sasl, protocol) in [
            (None, None, "PLAINTEXT"),
            (Some(Tls::default()), None, "SSL"),
            (None, Some(Sasl::Plain(login.clone())), "SASL_PLAINTEXT"),
            (Some(Tls::default()), Some(Sasl::ScramSha256(login)), "SASL_SSL"),
        ] {
            let config =
                KafkaConfig { security: Security { tls, sasl }, ..KafkaConfig::new("kafka:9092") };
            assert_eq!(config.client().get("security.protocol"), Some(protocol));
        }
    }

    #[test]
    fn librdkafka_knows_every_setting() {
        let config = KafkaConfig::new("127.0.0.1:1");
        for client in [
            config.inquirer(),
            config.reader("reader", AT_ONCE),
            config.consumer("group", Duration::from_millis(100)),
            config.plain_producer(),
            config.transactional_producer("relay"),
        ] {
            client.create_native_config().unwrap();
        }
    }
}
