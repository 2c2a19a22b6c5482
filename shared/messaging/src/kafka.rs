//! The event log on Apache Kafka, by librdkafka. Nothing outside this crate names it.
//!
//! - `config`: every setting of a client, with its reason
//! - `callbacks`, `membership`, `progress`, `consumer`: a consumer; revocations, positions, commits
//! - `producer`, `fence`, `lane`: appending; `fence` says when in a transaction, `lane` are those that nobody waits for
//! - `query`, `topics`: questions to the cluster; the topics of the table
//! - `names`, `error`, `diagnostics`, `token`: names, errors and their reasons, log-in tokens

mod callbacks;
mod client;
mod config;
mod consumer;
mod departures;
mod diagnostics;
mod error;
mod fence;
mod inbox;
mod lane;
mod membership;
mod names;
mod producer;
mod progress;
mod query;
mod token;
mod topics;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use events::topics::{Cleanup, Topic};
use rdkafka::{ClientConfig, consumer::Consumer as _, error::KafkaResult};

pub use self::config::{KafkaConfig, Login, Sasl, Security, Tls};
use self::{
    callbacks::Callbacks,
    consumer::KafkaConsumer,
    departures::Departures,
    diagnostics::Diagnostics,
    error::translate,
    fence::{FencedProducer, Newest},
    membership::Membership,
    names::Names,
    producer::{KafkaProducer, PlainProducer, check_sizes},
    query::{Place, Query},
    topics::{Admin, compare_partitions},
};
use crate::{
    log::{Consumer, EventLog, LogError, Producer},
    record::{NewRecord, Position},
};

/// The group that librdkafka wants a reader outside any group to name. It is never joined.
const READER: &str = "shop-reader";

/// An event log on Kafka. Clones share it.
#[derive(Clone)]
pub struct KafkaLog(Arc<Inner>);

struct Inner {
    config: KafkaConfig,
    names: Names,
    diagnostics: Arc<Diagnostics>,
    query: Query,
    plain: PlainProducer,
    newest: Newest,
    departures: Arc<Departures>,
    /// The topics that were ensured.
    table: Mutex<HashMap<&'static str, Cleanup>>,
}

impl KafkaLog {
    /// Checks the settings and connects in the background: a service starts while the cluster is
    /// away. [`ping`](EventLog::ping) says whether it answers.
    ///
    /// # Errors
    /// When a setting is wrong.
    pub fn connect(config: KafkaConfig) -> Result<Self, LogError> {
        let names = Names::new(&config.prefix);
        let diagnostics = Arc::new(Diagnostics::new(config.token_file()));
        let query = Query::new(config.clone(), names.clone(), Arc::clone(&diagnostics))?;
        let plain = PlainProducer::new(config.clone(), names.clone(), Arc::clone(&diagnostics));
        let (newest, departures, table) = Default::default();
        let inner = Inner { config, names, diagnostics, query, plain, newest, departures, table };
        Ok(Self(Arc::new(inner)))
    }

    fn config(&self) -> &KafkaConfig {
        &self.0.config
    }

    fn names(&self) -> &Names {
        &self.0.names
    }

    fn diagnostics(&self) -> Arc<Diagnostics> {
        Arc::clone(&self.0.diagnostics)
    }

    fn plain(&self) -> &PlainProducer {
        &self.0.plain
    }

    fn newest(&self) -> &Newest {
        &self.0.newest
    }

    /// Whether the topic keeps the newest record of each key. What was never ensured might.
    fn is_compacted(&self, topic: &str) -> bool {
        let table = self.0.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.get(topic).is_none_or(|cleanup| *cleanup == Cleanup::Compact)
    }

    /// Refuses records that are too large or of unknown topics before any is sent: librdkafka
    /// would wait half a minute for an unknown topic to appear.
    async fn check(&self, records: &[NewRecord]) -> Result<(), LogError> {
        check_sizes(records)?;
        let mut unknown: Vec<String> = Vec::new();
        for NewRecord { topic, .. } in records {
            let is_known = self.0.query.known_partitions_of(topic).is_some();
            if !is_known && !unknown.contains(topic) {
                unknown.push(topic.clone());
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        self.require(unknown).await
    }

    async fn require(&self, topics: Vec<String>) -> Result<(), LogError> {
        self.ask(move |query| {
            topics.iter().try_for_each(|name| query.partitions_of(name).map(drop))
        })
        .await
    }

    async fn positions(&self, topics: &[&str], place: Place) -> Result<Vec<Position>, LogError> {
        let topics = owned(topics);
        self.ask(move |query| query.positions(&topics, place)).await
    }

    /// Asks where blocking is allowed.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Query) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let inner = Arc::clone(&self.0);
        let answer = tokio::task::spawn_blocking(move || question(&inner.query)).await;
        answer.unwrap_or_else(|error| Err(LogError::Unavailable(error.to_string())))
    }

    fn membership(&self, config: &ClientConfig, group: &str) -> Result<Membership, LogError> {
        let consumer = config.create_with_context(Callbacks::new(self.diagnostics()));
        let consumer = consumer.map_err(|error| self.failed(&error, group))?;
        Ok(Membership::new(consumer, self.0.names.clone()))
    }

    fn failed(&self, error: &rdkafka::error::KafkaError, what: &str) -> LogError {
        translate(error, what, &self.0.diagnostics)
    }

    fn begin(&self, result: KafkaResult<()>, what: &str) -> Result<(), LogError> {
        result.map_err(|error| self.failed(&error, what))
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[async_trait]
impl EventLog for KafkaLog {
    async fn ensure_topics(&self, topics: &[&Topic]) -> Result<(), LogError> {
        let mut topics = topics.to_vec();
        topics.sort_by_key(|topic| topic.name);
        topics.dedup_by_key(|topic| topic.name);
        // An administrator does not hear why it is turned away; whoever asks for the metadata does.
        self.ping().await?;
        let admin = Admin::new(self.config(), self.names().clone(), self.diagnostics())?;
        if let Some(admin) = &admin {
            admin.create(&topics).await?;
        }
        for topic in &topics {
            let name = topic.name.to_owned();
            let partitions_of = || {
                let name = name.clone();
                self.ask(move |query| query.partitions_of(&name))
            };
            compare_partitions(topic, partitions_of).await?;
        }
        if let Some(admin) = &admin {
            admin.compare_policies(&topics).await?;
        }
        let mut table = self.0.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.extend(topics.iter().map(|topic| (topic.name, topic.cleanup)));
        Ok(())
    }

    async fn producer(&self, identity: Option<&str>) -> Result<Box<dyn Producer>, LogError> {
        Ok(match identity {
            Some(identity) => Box::new(FencedProducer::take_over(self.clone(), identity).await?),
            None => Box::new(KafkaProducer(self.clone())),
        })
    }

    async fn subscribe(
        &self,
        group: &str,
        topics: &[&str],
        patience: Duration,
    ) -> Result<Box<dyn Consumer>, LogError> {
        self.require(owned(topics)).await?;
        // One that has not left yet would be asked to give its partitions back.
        self.0.departures.over(group).await;
        let config = self.config().consumer(&self.0.names.outside(group), patience);
        let membership = self.membership(&config, group)?;
        let outside: Vec<_> = topics.iter().map(|topic| self.0.names.outside(topic)).collect();
        let outside: Vec<_> = outside.iter().map(String::as_str).collect();
        self.begin(membership.consumer().subscribe(&outside), group)?;
        let group = (group.to_owned(), Arc::clone(&self.0.departures));
        Ok(Box::new(KafkaConsumer::member(membership, group, self.diagnostics())))
    }

    async fn assign(
        &self,
        from: &[Position],
        patience: Duration,
    ) -> Result<Box<dyn Consumer>, LogError> {
        let partitions: Vec<_> = from.iter().map(|position| position.at.clone()).collect();
        let required = partitions.clone();
        self.ask(move |query| required.iter().try_for_each(|at| query.require(at))).await?;
        let config = self.config().reader(&self.0.names.outside(READER), patience);
        let membership = self.membership(&config, READER)?;
        let list = self.0.names.list_of_positions(from);
        self.begin(membership.consumer().assign(&list), "reading")?;
        Ok(Box::new(KafkaConsumer::reader(membership, partitions, self.diagnostics())))
    }

    async fn end_positions(&self, topics: &[&str]) -> Result<Vec<Position>, LogError> {
        self.positions(topics, Place::End).await
    }

    async fn first_positions(&self, topics: &[&str]) -> Result<Vec<Position>, LogError> {
        self.positions(topics, Place::First).await
    }

    async fn positions_at(
        &self,
        topic: &str,
        timestamp_ms: i64,
    ) -> Result<Vec<Position>, LogError> {
        self.positions(&[topic], Place::Time(timestamp_ms)).await
    }

    async fn committed(&self, group: &str, topics: &[&str]) -> Result<Vec<Position>, LogError> {
        // What a consumer had stored is committed at the latest when it has left.
        self.0.departures.over(group).await;
        let (group, topics) = (group.to_owned(), owned(topics));
        self.ask(move |query| query.committed(&group, &topics)).await
    }

    async fn ping(&self) -> Result<(), LogError> {
        self.ask(Query::ping).await
    }
}
