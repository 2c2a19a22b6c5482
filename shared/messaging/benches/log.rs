//! What the embedded log costs: appends with their fsync, alone and 200 at a time, and reading 10,000 records.

use std::time::Instant;

use bytes::Bytes;
use divan::{Bencher, counter::ItemsCount};
use events::topics;
use messaging::{
    embedded::{EmbeddedLog, Settings},
    log::{AT_ONCE, EventLog as _, LogEvent, Producer},
    record::{NewRecord, Position, TopicPartition},
};
use std::sync::Arc;
use tempfile::TempDir;
use testkit::VirtualClock;
use tokio::runtime::Runtime;

const RECORDS: usize = 10_000;
/// Of a usual event.
const VALUE_BYTES: usize = 300;

fn main() {
    divan::main();
    if std::env::args().any(|argument| argument == "--bench") {
        println!("\na record among 200 costs {:.3} of one alone", ratio());
    }
}

/// One append and its fsync; in the order of a commit's records, so mostly one partition or few.
#[divan::bench(args = [1, 200], sample_count = 50, sample_size = 1)]
fn append(bencher: Bencher, count: usize) {
    let ground = Ground::new();
    let append = |records| ground.append(records);
    bencher
        .counter(ItemsCount::new(count))
        .with_inputs(|| records(count))
        .bench_local_values(append);
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn read_10_000(bencher: Bencher) {
    let ground = Ground::new();
    (0..RECORDS / 200).for_each(|_| ground.append(records(200)));
    bencher.counter(ItemsCount::new(RECORDS)).bench_local(|| ground.read(RECORDS));
}

/// A log on disk, with whoever writes to it.
struct Ground {
    log: EmbeddedLog,
    producer: Box<dyn Producer>,
    runtime: Runtime,
    _dir: TempDir,
}

impl Ground {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let settings = Settings::new(Arc::new(VirtualClock::new(1)));
        let log = EmbeddedLog::open(dir.path(), settings).expect("a log");
        let runtime = Runtime::new().expect("a runtime");
        let producer = runtime.block_on(async {
            log.ensure_topics(&[&topics::ORDERS]).await.expect("a topic");
            log.producer(None).await.expect("a producer")
        });
        Self { log, producer, runtime, _dir: dir }
    }

    fn append(&self, records: Vec<NewRecord>) {
        self.runtime.block_on(self.producer.append(records)).expect("they are written");
    }

    fn read(&self, count: usize) {
        let partition = |n| TopicPartition::new(topics::ORDERS.name, n);
        let from = (0..topics::ORDERS.partitions).map(|n| Position { at: partition(n), offset: 0 });
        let from: Vec<_> = from.collect();
        self.runtime.block_on(async {
            let mut reader = self.log.assign(&from, AT_ONCE).await.expect("a reader");
            let mut read = 0;
            while read < count {
                if let LogEvent::Records(_, records) = reader.next().await {
                    read += records.len();
                }
            }
        });
    }
}

fn records(count: usize) -> Vec<NewRecord> {
    let record = |n: usize| NewRecord {
        topic: topics::ORDERS.name.to_owned(),
        key: Bytes::from(format!("order-{n:05}")),
        value: Some(Bytes::from(vec![7; VALUE_BYTES])),
        headers: vec![("ce_type".into(), Bytes::from_static(b"OrderPlaced"))],
    };
    (0..count).map(record).collect()
}

fn ratio() -> f64 {
    let ground = Ground::new();
    let seconds = |count: usize, times: u32| {
        let began_at = Instant::now();
        (0..times).for_each(|_| ground.append(records(count)));
        began_at.elapsed().as_secs_f64() / f64::from(times)
    };
    let alone = seconds(1, 200);
    seconds(200, 20) / 200.0 / alone
}
