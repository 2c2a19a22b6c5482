//! Questions to the cluster: which partitions there are, where they begin and end, and what a
//! group has committed. librdkafka's calls block, so they run where blocking is allowed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaResult,
    metadata::Metadata,
};

use super::{
    callbacks::Callbacks,
    config::{KafkaConfig, PING_TIMEOUT, QUERY_TIMEOUT},
    diagnostics::Diagnostics,
    error::{from_code, translate},
    names::{Names, offset, signed},
};
use crate::{
    log::{AT_ONCE, LogError},
    record::{Position, TopicPartition},
};

type Client = BaseConsumer<Callbacks>;

/// Asks the cluster, with a client that is in no group.
pub struct Query {
    config: KafkaConfig,
    names: Names,
    diagnostics: Arc<Diagnostics>,
    client: Client,
    /// One for each group that was asked for: librdkafka ties a client to one group.
    groups: Mutex<HashMap<String, Arc<Client>>>,
    /// Numbers of partitions, which never change: a change is a mismatch with the table.
    partitions: Mutex<HashMap<String, u32>>,
}

/// Where in every partition.
#[derive(Clone, Copy)]
pub enum Place {
    /// The first record still kept.
    First,
    /// After the last record that a reader of committed transactions gets.
    End,
    /// The first record at or after this time, in milliseconds.
    Time(i64),
}

impl Place {
    /// The time that Kafka's `ListOffsets` understands as the place.
    fn offset(self) -> Offset {
        match self {
            Self::First => Offset::Beginning,
            Self::End => Offset::End,
            Self::Time(ms) => offset(u64::try_from(ms).unwrap_or(0)),
        }
    }
}

impl Query {
    /// Connects in the background.
    ///
    /// # Errors
    /// When a setting is wrong.
    pub fn new(
        config: KafkaConfig,
        names: Names,
        diagnostics: Arc<Diagnostics>,
    ) -> Result<Self, LogError> {
        let callbacks = Callbacks::new(Arc::clone(&diagnostics));
        let client: KafkaResult<Client> = config.inquirer().create_with_context(callbacks);
        let client = client.map_err(|error| translate(&error, "connecting", &diagnostics))?;
        let (groups, partitions) = Default::default();
        Ok(Self { config, names, diagnostics, client, groups, partitions })
    }

    /// Whether the cluster answers.
    pub fn ping(&self) -> Result<(), LogError> {
        let known = self.lock_partitions().keys().next().cloned();
        self.metadata(known.as_deref(), "asking for the metadata", PING_TIMEOUT).map(drop)
    }

    /// The number of partitions of a topic.
    ///
    /// # Errors
    /// [`LogError::UnknownTopic`] when there is none of this name.
    pub fn partitions_of(&self, topic: &str) -> Result<u32, LogError> {
        if let Some(count) = self.known_partitions_of(topic) {
            return Ok(count);
        }
        let metadata = self.metadata(Some(topic), topic, QUERY_TIMEOUT)?;
        let found = metadata.topics().first();
        if let Some(error) = found.and_then(|topic| topic.error()) {
            return Err(from_code(error.into(), topic, &self.diagnostics));
        }
        let count = found.map_or(0, |topic| topic.partitions().len());
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if count == 0 {
            return Err(LogError::UnknownTopic(topic.to_owned()));
        }
        self.lock_partitions().insert(topic.to_owned(), count);
        Ok(count)
    }

    /// The number of partitions of a topic if it was asked for before: without asking again.
    pub fn known_partitions_of(&self, topic: &str) -> Option<u32> {
        self.lock_partitions().get(topic).copied()
    }

    /// Asks that the partition exists.
    ///
    /// # Errors
    /// [`LogError::UnknownTopic`] when it does not.
    pub fn require(&self, at: &TopicPartition) -> Result<(), LogError> {
        if at.partition < self.partitions_of(&at.topic)? {
            return Ok(());
        }
        Err(LogError::UnknownTopic(at.to_string()))
    }

    /// A place in every partition of `topics`.
    ///
    /// # Errors
    /// When the cluster is out of reach or a topic is unknown.
    pub fn positions(&self, topics: &[String], place: Place) -> Result<Vec<Position>, LogError> {
        let mut list = self.all_partitions(topics)?;
        let asked = list.set_all_offsets(place.offset());
        asked.map_err(|error| translate(&error, "asking for offsets", &self.diagnostics))?;
        let found = self.ask("asking for offsets", &self.client, |client| {
            client.offsets_for_times(list, QUERY_TIMEOUT)
        })?;
        self.check(&found)?;
        let mut positions = self.names.positions(&found);
        if positions.len() < found.count() {
            // After the time that was asked for there is nothing in these.
            let known: Vec<_> = positions.iter().map(|position| position.at.clone()).collect();
            let ends = self.positions(topics, Place::End)?;
            positions.extend(ends.into_iter().filter(|end| !known.contains(&end.at)));
        }
        positions.sort_by(|one, other| one.at.cmp(&other.at));
        Ok(positions)
    }

    /// What `group` has committed.
    ///
    /// # Errors
    /// When the cluster is out of reach or a topic is unknown.
    pub fn committed(&self, group: &str, topics: &[String]) -> Result<Vec<Position>, LogError> {
        let list = self.all_partitions(topics)?;
        let client = self.client_of(group)?;
        let found = self.ask("asking for committed offsets", &client, |client| {
            client.committed_offsets(list, QUERY_TIMEOUT)
        })?;
        self.check(&found)?;
        Ok(self.names.positions(&found))
    }

    fn all_partitions(&self, topics: &[String]) -> Result<TopicPartitionList, LogError> {
        let mut list = TopicPartitionList::new();
        for topic in topics {
            let last = signed(self.partitions_of(topic)?) - 1;
            list.add_partition_range(&self.names.outside(topic), 0, last);
        }
        Ok(list)
    }

    fn check(&self, list: &TopicPartitionList) -> Result<(), LogError> {
        for element in list.elements() {
            if let Err(error) = element.error() {
                let topic = self.names.inside(element.topic());
                // It may have been deleted: ask anew next time.
                self.lock_partitions().remove(topic);
                return Err(translate(&error, topic, &self.diagnostics));
            }
        }
        Ok(())
    }

    fn metadata(
        &self,
        topic: Option<&str>,
        what: &str,
        limit: Duration,
    ) -> Result<Metadata, LogError> {
        let outside = topic.map(|topic| self.names.outside(topic));
        self.ask(what, &self.client, |client| client.fetch_metadata(outside.as_deref(), limit))
    }

    /// Asks, and serves librdkafka's callbacks before and after: it gets its token there, and an
    /// error says why.
    fn ask<T>(
        &self,
        what: &str,
        client: &Client,
        question: impl FnOnce(&Client) -> KafkaResult<T>,
    ) -> Result<T, LogError> {
        serve(client);
        let answer = question(client);
        serve(client);
        match answer {
            Ok(answer) => {
                self.diagnostics.clear();
                Ok(answer)
            }
            Err(error) => Err(translate(&error, what, &self.diagnostics)),
        }
    }

    fn client_of(&self, group: &str) -> Result<Arc<Client>, LogError> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = groups.get(group) {
            return Ok(Arc::clone(client));
        }
        let callbacks = Callbacks::new(Arc::clone(&self.diagnostics));
        let config = self.config.consumer(&self.names.outside(group), AT_ONCE);
        let client: KafkaResult<Client> = config.create_with_context(callbacks);
        let client = client.map_err(|error| translate(&error, group, &self.diagnostics))?;
        let client = Arc::new(client);
        groups.insert(group.to_owned(), Arc::clone(&client));
        Ok(client)
    }

    fn lock_partitions(&self) -> std::sync::MutexGuard<'_, HashMap<String, u32>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves what waits in the client's queue; it has no messages.
fn serve(client: &Client) {
    loop {
        let served = client.context().served();
        if client.poll(Duration::ZERO).is_none() && client.context().served() == served {
            return;
        }
    }
}
