//! A small mail server that can fail in all the ways that one can. What mails look like to a real
//! one, `python` finds out.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// How it treats a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Takes,
    /// 451: try again.
    Busy,
    /// 550: never.
    Refuses,
    /// Takes the mail, and closes the connection without saying so.
    HangsUp,
    /// Says nothing any more.
    Hangs,
}

/// A mail server on a port of this machine.
pub struct Smtp {
    pub port: u16,
    mood: Arc<Mutex<Mood>>,
    mails: Arc<watch::Sender<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Smtp {
    pub async fn start() -> Self {
        Self::on(0).await
    }

    /// On this port; 0 is any.
    pub async fn on(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mood = Arc::new(Mutex::new(Mood::Takes));
        let mails = Arc::new(watch::Sender::default());
        let (its_mood, its_mails) = (mood.clone(), mails.clone());
        let task = tokio::spawn(async move {
            let mut talks = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                talks.spawn(talk(stream, its_mood.clone(), its_mails.clone()));
            }
        });
        Self { port, mood, mails, task }
    }

    pub fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// What has come so far, once there are `count`.
    pub async fn mails(&self, count: usize) -> Vec<String> {
        self.mails_within(count, super::rig::PATIENCE).await
    }

    pub async fn mails_within(&self, count: usize, limit: Duration) -> Vec<String> {
        let mut mails = self.mails.subscribe();
        let wait = mails.wait_for(|mails| mails.len() >= count);
        let came = tokio::time::timeout(limit, wait).await;
        came.expect("mail in time").unwrap().clone()
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection (RFC 5321), until somebody hangs up.
async fn talk(
    stream: TcpStream,
    mood: Arc<Mutex<Mood>>,
    mails: Arc<watch::Sender<Vec<String>>>,
) -> Option<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 test\r\n").await.ok()?;
    while let Some(line) = lines.next_line().await.ok()? {
        let mood_now = *mood.lock().unwrap();
        if mood_now == Mood::Hangs {
            return std::future::pending().await;
        }
        let word = line.get(..4).unwrap_or(&line).to_ascii_uppercase();
        let answer = match word.as_str() {
            "DATA" => {
                write.write_all(b"354 go on\r\n").await.ok()?;
                let mut mail = String::new();
                loop {
                    // Who hangs up before the dot has sent nothing.
                    let line = lines.next_line().await.ok()??;
                    if line == "." {
                        break;
                    }
                    mail.push_str(line.strip_prefix('.').unwrap_or(&line));
                    mail.push('\n');
                }
                mails.send_modify(|mails| mails.push(mail));
                if mood_now == Mood::HangsUp {
                    return None;
                }
                "250 taken"
            }
            "RCPT" if mood_now == Mood::Busy => "451 try again",
            "RCPT" if mood_now == Mood::Refuses => "550 no such user",
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        write.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
    Some(())
}

/// A header of a mail.
pub fn header<'m>(mail: &'m str, name: &str) -> &'m str {
    let found = mail.lines().take_while(|line| !line.is_empty()).find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    });
    found.unwrap_or_default()
}
