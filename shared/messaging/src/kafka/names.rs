//! Our names and those on the broker, and our positions as librdkafka's lists.

use rdkafka::{Offset, TopicPartitionList};

use crate::record::{Position, TopicPartition};

/// Puts a prefix before every name that goes to the broker and takes it off what comes back.
#[derive(Clone, Debug)]
pub struct Names {
    prefix: String,
}

impl Names {
    /// Names with this prefix, which may be empty.
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The broker's name of a topic, a group or a producer.
    pub fn outside(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Our name of what the broker calls `name`.
    pub fn inside<'a>(&self, name: &'a str) -> &'a str {
        name.strip_prefix(&self.prefix).unwrap_or(name)
    }

    /// Our name of a partition.
    pub fn partition(&self, topic: &str, partition: i32) -> TopicPartition {
        TopicPartition::new(self.inside(topic), unsigned(partition))
    }

    /// The partitions of a list.
    pub fn partitions(&self, list: &TopicPartitionList) -> Vec<TopicPartition> {
        let elements = list.elements();
        elements
            .iter()
            .map(|element| self.partition(element.topic(), element.partition()))
            .collect()
    }

    /// The elements of a list that have an offset.
    pub fn positions(&self, list: &TopicPartitionList) -> Vec<Position> {
        let elements = list.elements();
        let position = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            let Offset::Offset(offset) = element.offset() else { return None };
            let at = self.partition(element.topic(), element.partition());
            Some(Position { at, offset: u64::try_from(offset).ok()? })
        };
        elements.iter().filter_map(position).collect()
    }

    /// A list without offsets.
    pub fn list<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for at in partitions {
            list.add_partition(&self.outside(&at.topic), signed(at.partition));
        }
        list
    }

    /// A list of positions.
    pub fn list_of_positions(&self, positions: &[Position]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for position in positions {
            let (topic, partition) = (&position.at.topic, signed(position.at.partition));
            let added =
                list.add_partition_offset(&self.outside(topic), partition, offset(position.offset));
            // Only offsets that Kafka has no number for are refused.
            debug_assert!(added.is_ok());
        }
        list
    }
}

/// An absolute offset, or a timestamp in the place of one.
pub fn offset(number: u64) -> Offset {
    Offset::Offset(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Kafka's partitions are signed, and never that many.
pub fn signed(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

fn unsigned(partition: i32) -> u32 {
    u32::try_from(partition).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_goes_on_and_comes_off() {
        let names = Names::new("test-7.");
        assert_eq!(names.outside("shop.orders"), "test-7.shop.orders");
        let positions = [
            Position { at: TopicPartition::new("shop.orders", 2), offset: 7 },
            Position { at: TopicPartition::new("shop.orders", 0), offset: 0 },
        ];
        let list = names.list_of_positions(&positions);
        assert_eq!(list.elements()[0].topic(), "test-7.shop.orders");
        assert_eq!(names.positions(&list), positions);
    }

    #[test]
    fn without_an_offset_there_is_no_position() {
        let names = Names::new("");
        let list = names.list(&[TopicPartition::new("shop.orders", 1)]);
        assert!(names.positions(&list).is_empty());
        assert_eq!(names.partitions(&list), [TopicPartition::new("shop.orders", 1)]);
    }
}
