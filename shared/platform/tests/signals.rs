//! Signals, sent to a process of its own: this test program started once more.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{env::current_exe, future::pending, process::Stdio};

use platform::shutdown;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// The process that the others send signals to.
#[tokio::test]
#[ignore = "started by the other tests"]
async fn child() {
    if !std::env::args().any(|arg| arg == "as-child") {
        return;
    }
    let requested = shutdown::requested().unwrap();
    println!("\nready");
    requested.await;
    println!("stopping");
    if std::env::args().any(|arg| arg == "hang") {
        pending::<()>().await;
    }
}

async fn start(hang: bool) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = Command::new(current_exe().unwrap());
    command
        .args(["--ignored", "--exact", "--nocapture", "child", "as-child"])
        .args(hang.then_some("hang"));
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    until(&mut lines, "ready").await;
    (child, lines)
}

async fn until(lines: &mut Lines<BufReader<ChildStdout>>, wanted: &str) {
    while lines.next_line().await.unwrap().unwrap() != wanted {}
}

async fn send(child: &Child, signal: &str) {
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
}

#[tokio::test]
async fn the_first_signal_of_either_kind_lets_a_process_stop_in_its_own_time() {
    for signal in ["-INT", "-TERM"] {
        let (mut child, mut lines) = start(false).await;
        send(&child, signal).await;
        until(&mut lines, "stopping").await;
        // The test harness writes its summary before it ends.
        while lines.next_line().await.unwrap().is_some() {}
        assert!(child.wait().await.unwrap().success(), "{signal}");
    }
}

#[tokio::test]
async fn the_second_signal_ends_a_process_at_once() {
    let (mut child, mut lines) = start(true).await;
    send(&child, "-TERM").await;
    until(&mut lines, "stopping").await;
    send(&child, "-INT").await;
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
}
