//! Members that join while batches are in flight, and members that die.

use std::{
    collections::{BTreeMap, HashMap},
    io::{BufRead, BufReader, Read as _, Write},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use messaging::record::{Position, TopicPartition};
use tokio::sync::{Notify, mpsc};

use super::*;

/// Everything that all members have handled.
#[derive(Default)]
struct Ledger {
    handled: Mutex<Vec<(TopicPartition, u64)>>,
    changed: Notify,
}

impl Ledger {
    fn add(&self, at: &TopicPartition, offset: u64) {
        self.handled.lock().unwrap().push((at.clone(), offset));
        self.changed.notify_one();
    }

    fn count(&self) -> usize {
        self.handled.lock().unwrap().len()
    }

    async fn reaches(&self, count: usize) {
        while self.count() < count {
            self.changed.notified().await;
        }
    }
}

/// A member whose records are handled by a task per partition, as our partition actors do: when a
/// partition is revoked, the batch in flight is finished and the rest is dropped.
struct Member {
    consumer: Box<dyn Consumer>,
    ledger: Arc<Ledger>,
    queues: HashMap<TopicPartition, mpsc::UnboundedSender<Vec<Record>>>,
    done: mpsc::UnboundedReceiver<Position>,
    sender: mpsc::UnboundedSender<Position>,
}

/// What is handled at once.
const BATCH: usize = 50;

impl Member {
    fn new(consumer: Box<dyn Consumer>, ledger: Arc<Ledger>) -> Self {
        let (sender, done) = mpsc::unbounded_channel();
        Self { consumer, ledger, queues: HashMap::new(), done, sender }
    }

    async fn run(mut self) {
        let (ended, mut ends) = mpsc::unbounded_channel::<TopicPartition>();
        loop {
            tokio::select! {
                Some(position) = self.done.recv() => self.consumer.store(position),
                event = self.consumer.next() => match event {
                    LogEvent::Assigned(partitions) => {
                        for at in partitions {
                            self.start(at, ended.clone());
                        }
                    }
                    LogEvent::Records(at, records) => {
                        self.queues[&at].send(records).unwrap();
                    }
                    LogEvent::Revoked(partitions, revocation) => {
                        for at in &partitions {
                            self.queues.remove(at);
                        }
                        for _ in &partitions {
                            ends.recv().await.unwrap();
                        }
                        while let Ok(position) = self.done.try_recv() {
                            self.consumer.store(position);
                        }
                        revocation.done();
                    }
                    LogEvent::Error(error) => assert!(error.is_transient(), "{error}"),
                },
            }
        }
    }

    fn start(&mut self, at: TopicPartition, ended: mpsc::UnboundedSender<TopicPartition>) {
        let (queue, mut records) = mpsc::unbounded_channel::<Vec<Record>>();
        self.queues.insert(at.clone(), queue.clone());
        let (ledger, done) = (Arc::clone(&self.ledger), self.sender.clone());
        let queue = queue.downgrade();
        tokio::spawn(async move {
            while let Some(records) = records.recv().await {
                for batch in records.chunks(BATCH) {
                    // Revoked: what is not begun belongs to the next owner.
                    if queue.upgrade().is_none() {
                        break;
                    }
                    for record in batch {
                        tokio::task::yield_now().await;
                        ledger.add(&record.at, record.offset);
                    }
                    let offset = batch.last().unwrap().offset + 1;
                    // The test may be over.
                    done.send(Position { at: at.clone(), offset }).ok();
                }
            }
            ended.send(at).ok();
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_join_in_mid_batch_lose_and_repeat_nothing() {
    const RECORDS: usize = 30_000;
    let Some(harness) = kafka("rebalance in mid-batch").await else { return };
    let log = harness.another();
    let topic = create(&log, 6).await;
    append(&log, numbered(topic, RECORDS)).await;
    let (group, ledger) = (group(), Arc::new(Ledger::default()));
    let mut members = tokio::task::JoinSet::new();
    let test = async {
        for joined in 0..3 {
            ledger.reaches(joined * RECORDS / 20).await;
            let consumer = log.subscribe(&group, &[topic.name], AT_ONCE).await.unwrap();
            members.spawn(Member::new(consumer, Arc::clone(&ledger)).run());
        }
        ledger.reaches(RECORDS).await;
    };
    watched(test).await;
    let mut next: BTreeMap<TopicPartition, u64> = BTreeMap::new();
    for (at, offset) in ledger.handled.lock().unwrap().iter() {
        let expected = next.entry(at.clone()).or_default();
        assert_eq!(offset, expected, "in {at}");
        *expected += 1;
    }
    assert_eq!(next.values().sum::<u64>(), RECORDS as u64);
    members.shutdown().await;
}

/// Kills a member in another process and measures how long its partitions wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_partitions_of_a_killed_member_are_taken_over() {
    let Some(harness) = kafka("kill -9 of a member").await else { return };
    let log = harness.another();
    let topic = create(&log, 4).await;
    let group = group();
    let mut child =
        ChildMember::start(&format!("{} {} {group}", harness.config.prefix, topic.name));
    let mut mine = Vec::new();
    assert_eq!(child.line(), "assigned 4");
    let mut consumer = log.subscribe(&group, &[topic.name], AT_ONCE).await.unwrap();
    while mine.len() < 2 {
        if let LogEvent::Assigned(partitions) = consumer.next().await {
            mine.extend(partitions);
        }
    }
    append(&log, numbered(topic, 400)).await;
    child.kill();
    let killed_at = Instant::now();
    while mine.len() < 4 {
        if let LogEvent::Assigned(partitions) = consumer.next().await {
            mine.extend(partitions);
        }
    }
    let took = killed_at.elapsed();
    println!("kill -9 of a member: its partitions were taken over after {took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

/// A member in a process of its own.
struct ChildMember {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl ChildMember {
    fn start(input: &str) -> Self {
        let name = "on_kafka::rebalance::child_that_is_a_member_until_it_is_killed";
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(process.stdin.take().unwrap(), "{input}").unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output }
    }

    /// The next line that the child says to us.
    fn line(&mut self) -> String {
        let mut lines = self.output.by_ref().lines().map(Result::unwrap);
        lines.find_map(|line| line.strip_prefix("> ").map(str::to_owned)).unwrap()
    }

    fn kill(&mut self) {
        // It may have ended by itself.
        self.process.kill().ok();
        self.process.wait().unwrap();
    }
}

impl Drop for ChildMember {
    fn drop(&mut self) {
        self.kill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "is started, and killed, by another test"]
async fn child_that_is_a_member_until_it_is_killed() {
    let mut input = String::new();
    std::io::stdin().read_line(&mut input).unwrap();
    let [prefix, topic, group] = input.split_whitespace().collect::<Vec<_>>()[..] else { return };
    let config = messaging::kafka::KafkaConfig {
        prefix: prefix.to_owned(),
        ..messaging::kafka::KafkaConfig::new(crate::broker().unwrap())
    };
    let log = KafkaLog::connect(config).unwrap();
    let mut consumer = log.subscribe(group, &[topic], AT_ONCE).await.unwrap();
    loop {
        match consumer.next().await {
            LogEvent::Assigned(partitions) => println!("> assigned {}", partitions.len()),
            LogEvent::Revoked(_, revocation) => revocation.done(),
            LogEvent::Records(..) | LogEvent::Error(_) => {}
        }
    }
}
