//! Other people's clients read the same events from the same topics: `kcat`, and the Python client
//! `confluent-kafka` with its `AvroDeserializer` (the interpreter that has it is in `TEST_PYTHON`).

use std::{collections::BTreeMap, path::Path, process::Command};

use events::{Codec, Envelope, codec::Decoded, topics};
use messaging::{
    kafka::{KafkaConfig, KafkaLog},
    log::{AT_ONCE, EventLog as _, LogEvent},
};
use saga_tests::customers::{Customer, Goods};
use schema_registry_converter::async_impl::schema_registry::SrSettings;
use serde_json::{Value, json};
use testkit::Random;

use crate::fleet::Fleet;

/// Orders of all kinds of ends.
const ORDERS: usize = 30;

/// By topic, partition and offset.
type Records = BTreeMap<(String, u64, u64), Value>;

/// Places orders, and compares what the clients read.
pub async fn compare(fleet: &Fleet) {
    let goods: Goods = [("mug".to_owned(), 10), ("lamp".to_owned(), 1000)].into();
    let mut customer = Customer::new(fleet.front(), &goods);
    customer.fill_shop(&goods).await;
    for number in 0..ORDERS {
        let mut random = Random::new(number as u64);
        customer.order(number, &mut random, || ()).await;
    }
    let ours = ours(fleet).await;
    assert!(ours.len() > 4 * ORDERS, "{} records", ours.len());
    let names: Vec<_> = topics::ALL.iter().map(|topic| topic.name).collect();
    for name in &names {
        let of_topic = |(topic, ..): &&(String, u64, u64)| topic == name;
        let ours: Vec<_> = ours.iter().filter(|(at, _)| of_topic(at)).map(without_value).collect();
        assert_eq!(kcat(fleet, name), ours, "{name}");
    }
    println!("kcat reads the same {} records", ours.len());
    #[expect(clippy::disallowed_methods, reason = "the environment says which Python")]
    match std::env::var("TEST_PYTHON") {
        Ok(interpreter) => {
            assert_eq!(python(fleet, &interpreter, &names), ours);
            println!("confluent-kafka's AvroDeserializer reads the same {} events", ours.len());
        }
        Err(_) => println!("skipped confluent-kafka: TEST_PYTHON is not set"),
    }
}

/// With our own consumer and codec.
async fn ours(fleet: &Fleet) -> Records {
    let config =
        KafkaConfig { prefix: fleet.prefix.clone(), ..KafkaConfig::new(&fleet.servers.kafka) };
    let log = KafkaLog::connect(config).unwrap();
    let codec = Codec::new(SrSettings::new(fleet.servers.registry.clone()));
    let names: Vec<_> = topics::ALL.iter().map(|topic| topic.name).collect();
    let mut reader =
        log.assign(&log.first_positions(&names).await.unwrap(), AT_ONCE).await.unwrap();
    let mut found = Records::new();
    let patience = std::time::Duration::from_secs(3);
    while let Ok(event) = tokio::time::timeout(patience, reader.next()).await {
        let LogEvent::Records(at, records) = event else { continue };
        for record in records {
            let envelope = Envelope::from_headers(|name| record.header(name)).unwrap();
            let decoded = codec.decode(record.value.as_ref().unwrap()).await.unwrap();
            let Decoded::Event(event) = decoded else { panic!("an unknown event") };
            let place = (at.topic.to_string(), u64::from(at.partition), record.offset);
            let key = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
            let record = json!({"key": key, "ce_id": envelope.id, "ce_type": envelope.kind,
                "value": serde_json::to_value(&event).unwrap()});
            found.insert(place, record);
        }
    }
    found
}

/// Partition, offset, key and id of each record.
fn without_value(((_, partition, offset), record): (&(String, u64, u64), &Value)) -> String {
    let text = |name: &str| record[name].as_str().unwrap().to_owned();
    format!("{partition}|{offset}|{}|{}", text("key"), text("ce_id"))
}

fn kcat(fleet: &Fleet, topic: &str) -> Vec<String> {
    let output = Command::new("kcat")
        .args(["-C", "-q", "-e", "-b", &fleet.servers.kafka])
        .args(["-X", "isolation.level=read_committed", "-f", "%p|%o|%k|%h\n"])
        .args(["-t", &format!("{}{topic}", fleet.prefix)])
        .output()
        .expect("kcat is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let line = |line: &str| {
        let [partition, offset, key, headers] = line.splitn(4, '|').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let id = headers.split(',').find_map(|header| header.strip_prefix("ce_id=")).unwrap();
        let place = (partition.parse::<u64>().unwrap(), offset.parse::<u64>().unwrap());
        (place, format!("{partition}|{offset}|{key}|{id}"))
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: BTreeMap<_, _> = text.lines().map(line).collect();
    lines.into_values().collect()
}

fn python(fleet: &Fleet, interpreter: &str, topics: &[&str]) -> Records {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/read.py");
    let outside = topics.iter().map(|topic| format!("{}{topic}", fleet.prefix));
    let output = Command::new(interpreter)
        .arg(script)
        .args([&fleet.servers.kafka, &fleet.servers.registry])
        .args(outside)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let record = |line: &str| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        let fields = record.as_object_mut().unwrap();
        let topic = fields.remove("topic").unwrap();
        let topic = topic.as_str().unwrap().strip_prefix(&fleet.prefix).unwrap().to_owned();
        let mut number = |name| fields.remove(name).unwrap().as_u64().unwrap();
        ((topic, number("partition"), number("offset")), record)
    };
    String::from_utf8(output.stdout).unwrap().lines().map(record).collect()
}
