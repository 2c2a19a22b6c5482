//! The log in memory is a deterministic machine: no runtime, no thread, no time of its own.

use futures::FutureExt;
use messaging::log::{AT_ONCE, LogEvent};

use super::*;
use crate::log_suite::numbered;

/// Does a bit of everything without any runtime; every call is finished when it returns.
fn story() -> Vec<String> {
    let log = EmbeddedLog::in_memory(TestClock::standing(1_000));
    log.ensure_topics(&[&TOPIC]).now_or_never().unwrap().unwrap();
    let producer = log.producer(Some("relay")).now_or_never().unwrap().unwrap();
    let mut members = Vec::new();
    let mut seen = Vec::new();
    for round in 0..6 {
        let topics = &[TOPIC.name];
        members.push(log.subscribe("group", topics, AT_ONCE).now_or_never().unwrap().unwrap());
        producer.append(numbered(&TOPIC, 50 * round)).now_or_never().unwrap().unwrap();
        if round == 4 {
            members.remove(0);
        }
        for (number, member) in members.iter_mut().enumerate() {
            while let Some(event) = member.next().now_or_never() {
                seen.push(format!("{number}: {event:?}"));
                if let LogEvent::Records(at, records) = event {
                    let offset = records[records.len() - 1].offset + 1;
                    member.store(Position { at, offset });
                }
            }
        }
    }
    seen
}

#[test]
fn the_log_in_memory_needs_no_runtime_and_does_the_same_every_time() {
    let first = story();
    assert!(first.len() > 20, "{first:#?}");
    assert!(first.iter().any(|event| event.contains("Revoked")));
    for _ in 0..10 {
        assert_eq!(story(), first);
    }
}
