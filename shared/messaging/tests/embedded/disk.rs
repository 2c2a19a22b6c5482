//! Disks that are full or refuse: a clear error, nothing lost, and on it goes.

use std::{fs, process::Command};

use messaging::log::LogError;

use super::*;
use crate::log_suite::record;

fn open_error(dir: &Path) -> LogError {
    EmbeddedLog::open(dir, Settings::new(TestClock::ticking())).err().unwrap()
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "not a directory").unwrap();
    // Nothing can be made in these, not even by root.
    for path in [file.join("log"), file.clone(), "/proc/log".into()] {
        let error = open_error(&path);
        assert!(matches!(error, LogError::Storage(_)), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_directory_has_one_log_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let error = open_error(dir.path());
    assert!(matches!(error, LogError::Unavailable(_)), "{error}");
    assert!(error.to_string().contains("another process"), "{error}");
    let producer = first.producer(None).await.unwrap();
    first.ensure_topics(&[&TOPIC]).await.unwrap();
    // Closing lets it go at once, though producers and clones are still about.
    first.close().await.unwrap();
    first.close().await.unwrap();
    let second = open(dir.path());
    let error = producer.append(vec![record(&TOPIC, "key", "late")]).await.unwrap_err();
    assert!(matches!(error, LogError::Unavailable(_)), "{error}");
    assert!(all_records(&second).await.is_empty());
}

/// On a disk of 8 MiB: a tmpfs in a mount namespace of its own, which needs no root and leaves
/// nothing behind.
#[test]
fn a_full_disk_loses_nothing_and_appends_go_on_when_there_is_room_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut confined = Command::new("unshare");
    let script = r#"mount -t tmpfs -o size=8m none "$0" && echo "> mounted" && exec "$@""#;
    confined.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
    confined.arg(dir.path()).arg(this());
    let name = "embedded::disk::child_on_a_small_disk";
    let mut child = ChildTest::start(confined, name, dir.path());
    if child.line().is_none() {
        println!("skipped: no mount namespaces here, so no small disk");
        return;
    }
    assert_eq!(child.line().as_deref(), Some("passed"), "see the child's output");
}

#[tokio::test]
#[ignore = "is started on a small disk by another test"]
async fn child_on_a_small_disk() {
    let Some(dir) = input() else { return };
    let dir = Path::new(&dir);
    let ballast = dir.join("ballast");
    fs::write(&ballast, vec![1; 4 << 20]).unwrap();
    let log = open(dir);
    log.ensure_topics(&[&TOPIC]).await.unwrap();
    let mut acknowledged = 0;
    for _ in 0..3 {
        let error;
        (acknowledged, error) = fill(&log, acknowledged).await;
        assert!(matches!(error, LogError::Storage(_)), "{error}");
        assert!(error.is_transient());
        assert!(log.ping().await.is_err(), "readiness must say so");
    }
    assert!(acknowledged > 50, "{acknowledged}");
    assert_eq!(all_records(&log).await.len(), acknowledged, "what is there can be read");
    fs::remove_file(ballast).unwrap();
    log.ping().await.unwrap();
    let kept = all_records(&log).await.len();
    assert_eq!(kept, acknowledged + 1, "the append that failed was kept, those after it not");
    let (more, _) = fill(&log, kept).await;
    assert!(more > kept + 50, "{more} after {kept}");
    drop(log);
    let log = open(dir);
    assert_eq!(numbers(&all_records(&log).await), (0..more).collect::<Vec<_>>());
    tell("passed");
}

/// Appends numbers from `next` on until the disk is full.
async fn fill(log: &EmbeddedLog, mut next: usize) -> (usize, LogError) {
    let producer = log.producer(None).await.unwrap();
    loop {
        let mut new = record(&TOPIC, &next.to_string(), &next.to_string());
        new.headers.push(("filler".into(), vec![0; 2000].into()));
        match producer.append(vec![new]).await {
            Ok(()) => next += 1,
            Err(error) => return (next, error),
        }
    }
}
