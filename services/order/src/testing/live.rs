//! A client of Server-Sent Events.

use reqwest::Response;
use serde_json::Value;

/// A stream that is read event by event.
pub struct Live {
    response: Response,
    buffer: String,
}

/// One event of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    pub id: i64,
    pub event: String,
    pub data: Value,
}

impl Live {
    pub fn new(response: Response) -> Self {
        Self { response, buffer: String::new() }
    }

    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The next event, or `None` at the end. A heartbeat would mean that nobody woke the stream.
    pub async fn next(&mut self) -> Option<Sent> {
        loop {
            if let Some((frame, rest)) = self.buffer.split_once("\n\n") {
                let sent = parse(frame);
                self.buffer = rest.to_owned();
                return Some(sent);
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next status, with its version.
    pub async fn status_change(&mut self) -> (i64, String) {
        let sent = self.next().await.unwrap();
        (sent.id, sent.data["status"].as_str().unwrap().to_owned())
    }

    /// Every event until the end.
    pub async fn rest(mut self) -> Vec<Sent> {
        let mut all = Vec::new();
        while let Some(sent) = self.next().await {
            all.push(sent);
        }
        all
    }
}

fn parse(frame: &str) -> Sent {
    let field = |name: &str| {
        let mut lines = frame.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    };
    let id = field("id").unwrap_or_else(|| panic!("{frame:?}"));
    Sent {
        id: id.parse().unwrap(),
        event: field("event").unwrap(),
        data: serde_json::from_str(&field("data").unwrap()).unwrap(),
    }
}
