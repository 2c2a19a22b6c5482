//! `kill -9` in the middle of 1,000 notifications: none is missing, and what comes twice has the
//! same id. The senders are processes: this test's program, started anew. On SQLite one at a time;
//! on PostgreSQL two share the work, and one of them is killed.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use actix_web::rt::System;
use events::{Codec, topics};
use messaging::{
    app::{App, Databases, Platform},
    embedded::EmbeddedLog,
    execute::{Batch, transact},
    log::EventLog,
    pipeline,
};
use platform::SystemClock;
use testkit::TempDatabases;

use super::{
    rig::{mailing, record},
    smtp::{Smtp, header},
    words::{confirmed, placed},
};
use crate::{
    Config, Notifications, build,
    domain::Status,
    store::query::{self, Filter},
};

/// Two notifications each.
const ORDERS: usize = 500;
/// A sender is killed when so many mails have come.
const KILLED_AT: [usize; 3] = [150, 450, 800];
/// Of the senders in this test; they are killed, and somebody else has to wait for its end.
const LEASE: Duration = Duration::from_secs(4);
/// How often it is looked whether the last outcome was recorded.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOKS: usize = 1_200;

#[actix_web::test]
async fn a_killed_senders_work_is_done_by_another_under_the_same_ids() {
    let smtp = Smtp::start().await;
    let databases = TempDatabases::new();
    let app = put_down(&databases).await;
    let replicas = match databases {
        TempDatabases::Sqlite(_) => 1,
        TempDatabases::Postgres(..) => 2,
    };
    let mut senders: Vec<_> = (0..replicas).map(|_| Sender::start(&databases, smtp.port)).collect();
    for moment in KILLED_AT {
        let came = smtp.mails_within(moment, Duration::from_secs(60)).await.len();
        assert!(came < 2 * ORDERS, "killed too late to prove anything: {came}");
        drop(senders.remove(0));
        senders.push(Sender::start(&databases, smtp.port));
    }
    let all: BTreeSet<_> = sent_ids(&app).await;
    let mails = smtp.mails(2 * ORDERS).await;
    let ids: Vec<_> = mails.iter().map(|mail| header(mail, "Message-ID").to_owned()).collect();
    let came: BTreeSet<_> = ids.iter().cloned().collect();
    let (missing, strangers) = (all.difference(&came).count(), came.difference(&all).count());
    tell(&format!(
        "kill -9 of {} senders ({replicas} at once): {} notifications, missing {missing}, \
         repeated under the same id {}, under another id {strangers}",
        KILLED_AT.len(),
        all.len(),
        ids.len() - came.len(),
    ));
    assert_eq!((all.len(), missing, strangers), (2 * ORDERS, 0, 0));
}

/// Puts 1,000 notifications down; nothing is sent yet.
async fn put_down(databases: &TempDatabases) -> App<Notifications> {
    let app = app(databases.databases(), Config { rate: unlimited(), ..mailing(1) }).await;
    let ctx = &app.ctx;
    for n in 0..ORDERS {
        let order = ctx.clock.new_id();
        let records = [
            record(ctx, placed(order, &format!("c-{n}"), Some("ada@example.org"))),
            record(ctx, confirmed(order)),
        ];
        let batch = Batch { items: pipeline::prepare(ctx, &records).await, ..Batch::default() };
        transact(ctx, &batch).await.unwrap();
    }
    app
}

fn unlimited() -> crate::domain::Rate {
    crate::domain::Rate { mails: u32::MAX, window: Duration::from_secs(3600) }
}

async fn app(databases: Databases, config: Config) -> App<Notifications> {
    let clock = Arc::new(SystemClock);
    let log: Arc<dyn EventLog> = Arc::new(EmbeddedLog::in_memory(clock.clone()));
    let all: Vec<_> = topics::ALL.iter().copied().chain(topics::DEAD_LETTERS).collect();
    log.ensure_topics(&all).await.unwrap();
    let platform = Platform {
        log,
        codec: Arc::new(Codec::fixed()),
        clock,
        databases,
        telemetry: Default::default(),
    };
    build(config, &platform).await.unwrap()
}

/// The Message-IDs of all notifications, once all are sent.
async fn sent_ids(app: &App<Notifications>) -> BTreeSet<String> {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    for _ in 0..LOOKS {
        looks.tick().await;
        let limit = 3 * ORDERS as u64;
        let all = query::list(app.ctx.database.reader(), Filter::default(), limit).await.unwrap();
        if all.iter().all(|one| one.progress.status() == Status::Sent) {
            return all.iter().map(|one| format!("<{}@example.org>", one.id)).collect();
        }
    }
    panic!("not all were sent")
}

/// A process that sends. It is killed when it is dropped.
struct Sender(Child);

impl Sender {
    fn start(databases: &TempDatabases, port: u16) -> Self {
        let place = match databases {
            TempDatabases::Sqlite(dir) => dir.path().display().to_string(),
            TempDatabases::Postgres(server, prefix) => format!("{server} {prefix}"),
        };
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::kill::sender", "--ignored", "--nocapture"])
            .env(PLACE, place)
            .env(PORT, port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        Self(process.unwrap())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // SIGKILL: it has no chance to finish anything.
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

const PLACE: &str = "NOTIFICATION_TEST_DATABASE";
const PORT: &str = "NOTIFICATION_TEST_SMTP_PORT";

/// The process that [`Sender`] starts.
#[test]
#[ignore = "a part of the test above, which starts it"]
#[expect(clippy::disallowed_methods, reason = "its parent says by environment what to do")]
fn sender() {
    let (Ok(place), Ok(port)) = (std::env::var(PLACE), std::env::var(PORT)) else { return };
    // Nobody is left to kill it when the parent is gone.
    std::thread::spawn(|| {
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        std::process::exit(1);
    });
    let databases = match place.split_once(' ') {
        Some((server, prefix)) => {
            Databases::Postgres { server: server.into(), prefix: prefix.into() }
        }
        None => Databases::Sqlite(place.into()),
    };
    let config = Config { lease: LEASE, rate: unlimited(), ..mailing(port.parse().unwrap()) };
    System::with_tokio_rt(platform::host::runtime).block_on(async {
        let app = app(databases, config).await;
        let _running = app.start();
        std::future::pending::<()>().await;
    });
}

/// Shown even when the test passes: `cargo test` captures only what the macros print.
fn tell(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}
