//! A client that can send anything, also what no HTTP library would.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A request to be sent.
pub struct Call {
    head: Vec<u8>,
    body: Vec<u8>,
    chunked: bool,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Value,
}

impl Call {
    pub fn new(method: &str, target: &str) -> Self {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n");
        Self { head: head.into_bytes(), body: Vec::new(), chunked: false }
    }

    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.head.extend_from_slice(name.as_bytes());
        self.head.extend_from_slice(b": ");
        self.head.extend_from_slice(value.as_ref());
        self.head.extend_from_slice(b"\r\n");
        self
    }

    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    pub fn json(self, body: impl AsRef<[u8]>) -> Self {
        self.header("Content-Type", "application/json").body(body)
    }

    /// Sends the body without saying how long it is.
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    fn bytes(self) -> Vec<u8> {
        let (chunked, body) = (self.chunked, self.body.clone());
        if chunked {
            let mut bytes = self.header("Transfer-Encoding", "chunked").head;
            bytes.extend_from_slice(b"\r\n");
            for chunk in body.chunks(10_000) {
                bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
            return bytes;
        }
        let mut bytes = self.header("Content-Length", body.len().to_string()).head;
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&body);
        bytes
    }

    /// Sends and reads at once, as clients do: the answer may come before all is sent.
    pub async fn send(self, to: SocketAddr) -> Answer {
        let (mut reader, mut writer) = TcpStream::connect(to).await.unwrap().into_split();
        let bytes = self.bytes();
        let sending = async move {
            // The server may refuse to take all of it; the answer is what counts.
            drop(writer.write_all(&bytes).await);
            writer
        };
        let mut answer = Vec::new();
        let (_writer, read) = tokio::join!(sending, reader.read_to_end(&mut answer));
        read.unwrap();
        Answer::parse(&answer)
    }
}

impl Answer {
    fn parse(answer: &[u8]) -> Self {
        let text = String::from_utf8_lossy(answer);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned()));
        Self { status, head: head.to_owned(), body }
    }

    /// A header's value, or nothing.
    pub fn header(&self, name: &str) -> &str {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}
