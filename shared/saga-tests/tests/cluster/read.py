"""Reads topics from the beginning to their present end with the public client confluent-kafka, and prints a JSON line per
record: topic, partition, offset, key, ce_id, ce_type and the value that its AvroDeserializer makes of the bytes.

Usage: read.py BROKERS REGISTRY TOPIC...
"""

import datetime
import json
import sys

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def micros(value):
    """Times as they stand in the schema: microseconds since 1970."""
    if isinstance(value, datetime.datetime):
        return (value - EPOCH) // datetime.timedelta(microseconds=1)
    raise TypeError(f"{value!r} is no JSON")


def main(brokers, registry, topics):
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "polyglot",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    deserialize = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    left = set()
    for topic in topics:
        for partition in consumer.list_topics(topic).topics[topic].partitions:
            left.add((topic, partition))
    consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in left])
    while left:
        message = consumer.poll(30)
        if message is None:
            sys.exit(f"nothing comes from {sorted(left)}")
        if message.error():
            left.discard((message.topic(), message.partition()))
            continue
        headers = {name: value.decode() for name, value in message.headers()}
        context = SerializationContext(message.topic(), MessageField.VALUE)
        line = {
            "topic": message.topic(),
            "partition": message.partition(),
            "offset": message.offset(),
            "key": message.key().decode(),
            "ce_id": headers["ce_id"],
            "ce_type": headers["ce_type"],
            "value": deserialize(message.value(), context),
        }
        print(json.dumps(line, default=micros))


main(sys.argv[1], sys.argv[2], sys.argv[3:])
