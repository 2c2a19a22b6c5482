//! Creates the topics of the table, or compares those that exist with it.

use std::{sync::Arc, time::Duration};

use events::topics::{Cleanup, Topic};
use rdkafka::{
    admin::{
        AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
    },
    error::{KafkaResult, RDKafkaErrorCode as Code},
};

use super::{
    callbacks::Callbacks,
    config::{KafkaConfig, MAX_BATCH_BYTES, QUERY_TIMEOUT},
    diagnostics::Diagnostics,
    error::{from_code, translate},
    names::{Names, signed},
};
use crate::log::LogError;

/// A new topic is in the metadata of every broker a moment after it was created.
const VISIBLE_LIMIT: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Creates and describes topics.
pub struct Admin {
    client: AdminClient<Callbacks>,
    replication_factor: Option<u16>,
    names: Names,
    diagnostics: Arc<Diagnostics>,
}

impl Admin {
    /// An administrator; it lives for one errand. There is none when the log-in is by token:
    /// rdkafka's does not ask for it (fede1024/rust-rdkafka#757).
    ///
    /// # Errors
    /// When a setting is wrong.
    pub fn new(
        config: &KafkaConfig,
        names: Names,
        diagnostics: Arc<Diagnostics>,
    ) -> Result<Option<Self>, LogError> {
        if config.token_file().is_some() {
            tracing::warn!("OAUTHBEARER: topics are not created, clean-up policies not compared");
            return Ok(None);
        }
        let callbacks = Callbacks::new(Arc::clone(&diagnostics));
        let mut settings = config.client();
        settings.remove("allow.auto.create.topics");
        let client: KafkaResult<_> = settings.create_with_context(callbacks);
        let client = client.map_err(|error| translate(&error, "connecting", &diagnostics))?;
        let replication_factor = config.replication_factor;
        Ok(Some(Self { client, replication_factor, names, diagnostics }))
    }

    /// Creates the topics; those that exist, or that another replica creates at this moment, stay
    /// as they are.
    ///
    /// # Errors
    /// When the cluster is out of reach or refuses.
    pub async fn create(&self, topics: &[&Topic]) -> Result<(), LogError> {
        let what = "creating topics";
        let plans: Vec<_> = topics.iter().map(|topic| self.plan(topic)).collect();
        let new = plans.iter().map(|plan| plan.new_topic());
        let options = options();
        let results = self.client.create_topics(&new.collect::<Vec<_>>(), &options).await;
        let results = results.map_err(|error| translate(&error, what, &self.diagnostics))?;
        for result in results {
            match result {
                Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    return Err(from_code(code, self.names.inside(&name), &self.diagnostics));
                }
            }
        }
        Ok(())
    }

    /// Compares the clean-up policies with the table.
    ///
    /// # Errors
    /// [`LogError::Mismatch`] when one differs.
    pub async fn compare_policies(&self, topics: &[&Topic]) -> Result<(), LogError> {
        let what = "describing topics";
        let names: Vec<_> = topics.iter().map(|topic| self.names.outside(topic.name)).collect();
        let resources: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let results = self.client.describe_configs(&resources, &options()).await;
        let results = results.map_err(|error| translate(&error, what, &self.diagnostics))?;
        for (topic, result) in topics.iter().zip(results) {
            let found = result.map_err(|code| from_code(code, topic.name, &self.diagnostics))?;
            compare(topic, &found)?;
        }
        Ok(())
    }

    fn plan(&self, topic: &Topic) -> Plan {
        let mut settings = vec![
            ("cleanup.policy", policy(topic.cleanup).to_owned()),
            ("max.message.bytes", MAX_BATCH_BYTES.to_string()),
            // When it was appended by one clock, the broker's, which is what readers ask for.
            ("message.timestamp.type", "LogAppendTime".to_owned()),
        ];
        if let Cleanup::Delete { hours, bytes } = topic.cleanup {
            settings.push(("retention.ms", (u64::from(hours) * 3_600_000).to_string()));
            let bytes = bytes.map_or_else(|| "-1".to_owned(), |bytes| bytes.to_string());
            settings.push(("retention.bytes", bytes));
        }
        if let Some(replicas) = self.replication_factor {
            // With acks=all: an acknowledged record is on two disks when there are three, and one
            // broker may fail without stopping us.
            let in_sync = replicas.saturating_sub(1).clamp(1, 2);
            settings.push(("min.insync.replicas", in_sync.to_string()));
        }
        let name = self.names.outside(topic.name);
        let replicas = self.replication_factor.map_or(-1, i32::from);
        Plan { name, partitions: signed(topic.partitions), replicas, settings }
    }
}

/// A topic that is to be created.
struct Plan {
    name: String,
    partitions: i32,
    /// -1 is the broker's default.
    replicas: i32,
    settings: Vec<(&'static str, String)>,
}

impl Plan {
    fn new_topic(&self) -> NewTopic<'_> {
        let replication = TopicReplication::Fixed(self.replicas);
        let topic = NewTopic::new(&self.name, self.partitions, replication);
        self.settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value))
    }
}

/// Asks `partitions_of` until it knows the topic, and compares what it says with the table.
///
/// # Errors
/// [`LogError::Mismatch`] when the numbers differ.
pub async fn compare_partitions<F>(
    topic: &Topic,
    partitions_of: impl Fn() -> F,
) -> Result<(), LogError>
where
    F: Future<Output = Result<u32, LogError>>,
{
    let visible = async {
        loop {
            match partitions_of().await {
                Err(LogError::UnknownTopic(_)) => tokio::time::sleep(LOOK_AGAIN).await,
                answer => return answer,
            }
        }
    };
    let unknown = |_| LogError::UnknownTopic(topic.name.to_owned());
    let found = tokio::time::timeout(VISIBLE_LIMIT, visible).await.map_err(unknown)??;
    if found == topic.partitions {
        return Ok(());
    }
    let (found, expected) = (partitions(found), partitions(topic.partitions));
    Err(LogError::Mismatch { topic: topic.name.to_owned(), found, expected })
}

fn partitions(count: u32) -> String {
    format!("{count} partitions")
}

fn compare(topic: &Topic, found: &ConfigResource) -> Result<(), LogError> {
    let found = found.get("cleanup.policy").and_then(|entry| entry.value.as_deref());
    let (found, expected) = (found.unwrap_or("none"), policy(topic.cleanup));
    if found == expected {
        return Ok(());
    }
    let describe = |policy: &str| format!("cleanup.policy={policy}");
    let (found, expected) = (describe(found), describe(expected));
    Err(LogError::Mismatch { topic: topic.name.to_owned(), found, expected })
}

fn policy(cleanup: Cleanup) -> &'static str {
    match cleanup {
        Cleanup::Compact => "compact",
        Cleanup::Delete { .. } => "delete",
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(QUERY_TIMEOUT)).operation_timeout(Some(QUERY_TIMEOUT))
}
