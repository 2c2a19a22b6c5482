//! Files that were torn or garbled: never a wrong record, and a clear error where one is due.

use std::fs;

use messaging::log::LogError;
use tempfile::TempDir;

use super::*;
use crate::log_suite::{append, numbered, record};

const RECORDS: usize = 300;

/// The files as a power cut would leave them: copied while the log is open and nothing is under
/// way, so that the write-ahead log is not yet in the main file.
async fn crash_image() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.ensure_topics(&[&TOPIC]).await.unwrap();
    let producer = log.producer(None).await.unwrap();
    for batch in numbered(&TOPIC, RECORDS).chunks(3) {
        producer.append(batch.to_vec()).await.unwrap();
    }
    copy(dir.path())
}

fn copy(dir: &Path) -> TempDir {
    let image = tempfile::tempdir().unwrap();
    for name in ["log.db", "log.db-wal"] {
        fs::copy(dir.join(name), image.path().join(name)).unwrap();
    }
    image
}

/// Opens the image after `damage` to its write-ahead log; returns how many records are left. They
/// must be the oldest ones, and the log must go on.
async fn left_after(image: &TempDir, damage: impl FnOnce(&mut Vec<u8>)) -> usize {
    let damaged = copy(image.path());
    let path = damaged.path().join("log.db-wal");
    let mut wal = fs::read(&path).unwrap();
    damage(&mut wal);
    fs::write(&path, wal).unwrap();
    let log = open(damaged.path());
    let records = all_records(&log).await;
    assert_eq!(numbers(&records), (0..records.len()).collect::<Vec<_>>());
    append(&log, vec![record(&TOPIC, "key", &records.len().to_string())]).await;
    drop(log);
    assert_eq!(all_records(&open(damaged.path())).await.len(), records.len() + 1);
    records.len()
}

#[tokio::test]
async fn a_torn_write_at_the_end_takes_nothing_that_was_acknowledged() {
    let image = crash_image().await;
    assert_eq!(left_after(&image, |_| {}).await, RECORDS);
    for bytes in [1, 24, 25, 4000, 4120, 10_000] {
        let torn = move |wal: &mut Vec<u8>| {
            // A frame that began like the last one and was not finished.
            let last = wal.len() - 4120;
            let frame: Vec<u8> = wal[last..].iter().copied().cycle().take(bytes).collect();
            wal.extend(frame);
            *wal.last_mut().unwrap() ^= 0x5a;
        };
        assert_eq!(left_after(&image, torn).await, RECORDS, "{bytes} bytes");
    }
}

#[tokio::test]
async fn a_tail_that_the_disk_lost_or_garbled_leaves_the_records_before_it() {
    let image = crash_image().await;
    let mut most = 0;
    for lost in [1, 4119, 4120, 50_000, 200_000] {
        let left = left_after(&image, |wal| wal.truncate(wal.len() - lost)).await;
        assert!(left < RECORDS, "{lost} bytes lost");
        most = most.max(left);
    }
    for back in [1, 2000, 4100, 60_000] {
        let garble = |wal: &mut Vec<u8>| {
            let at = wal.len() - back;
            wal[at] ^= 0xff;
        };
        let left = left_after(&image, garble).await;
        assert!(left < RECORDS, "garbled {back} bytes before the end");
        most = most.max(left);
    }
    assert_eq!(most, RECORDS - 3, "the least damage takes one append");
}

#[tokio::test]
async fn a_damaged_main_file_is_a_clear_error_and_no_wrong_record() {
    let image = crash_image().await;
    drop(open(image.path()));
    let path = image.path().join("log.db");
    let sound = fs::read(&path).unwrap();
    for page in 0..sound.len() / 4096 {
        let mut garbled = sound.clone();
        garbled[page * 4096..page * 4096 + 200].fill(0xa5);
        fs::write(&path, garbled).unwrap();
        match EmbeddedLog::open(image.path(), Settings::new(TestClock::ticking())) {
            Err(LogError::Damaged(message)) => assert!(message.contains("log.db"), "{message}"),
            Err(error) => panic!("page {page}: {error}"),
            Ok(log) => assert_only_sound_records(&log).await,
        }
    }
}

/// Reads until an error or the end: what is read must be what was written.
async fn assert_only_sound_records(log: &EmbeddedLog) {
    let Ok(ends) = log.end_positions(&[TOPIC.name]).await else { return };
    let mut left: u64 = ends.iter().map(|end| end.offset).sum();
    let mut consumer = reader(log, &TOPIC).await;
    while left > 0 {
        match consumer.next().await {
            messaging::log::LogEvent::Records(_, records) => {
                left -= records.len() as u64;
                for record in &records {
                    let number: usize = text(record).parse().unwrap();
                    assert_eq!(
                        record.key.as_deref(),
                        Some(format!("key {}", number % 100).as_bytes())
                    );
                }
            }
            messaging::log::LogEvent::Error(error) => {
                assert!(matches!(error, LogError::Damaged(_)), "{error}");
                assert!(!error.is_transient());
                return;
            }
            _ => {}
        }
    }
}

#[test]
fn a_file_that_is_no_log_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    fs::write(&path, "dear diary, ".repeat(1000)).unwrap();
    let error = EmbeddedLog::open(dir.path(), Settings::new(TestClock::ticking())).err().unwrap();
    assert!(matches!(error, LogError::Damaged(_)), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "dear diary, ".repeat(1000));
}
