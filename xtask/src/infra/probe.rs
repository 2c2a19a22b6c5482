//! Asks a server on loopback for an answer, by HTTP or in Kafka's protocol.
//!
//! By hand over a socket: two requests are not worth an HTTP client and a Kafka client in a build tool.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_ANSWER: u64 = 1 << 20;

/// An HTTP answer, as much of it as readiness needs.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Headers and body.
    pub text: String,
}

/// Sends one HTTP request and reads the answer to its end.
pub fn http(method: &str, port: u16, path: &str, json: &str) -> Result<Answer> {
    let mut stream = connect(port)?;
    let length = json.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nAccept: */*\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{json}"
    );
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.with_context(|| format!("port {port} does not speak HTTP"))?;
    Ok(Answer { status, text })
}

/// Whether a GET is answered with 200. A server that is only starting is no error.
pub fn http_is_ok(port: u16, path: &str) -> bool {
    http("GET", port, path, "").is_ok_and(|answer| answer.status == 200)
}

/// Whether a Kafka broker answers a metadata request and counts itself among the live brokers.
pub fn kafka_is_ready(port: u16) -> bool {
    kafka_brokers(port).is_ok_and(|brokers| brokers > 0)
}

/// Metadata request v1 without topics (<https://kafka.apache.org/protocol#The_Messages_Metadata>).
fn kafka_brokers(port: u16) -> Result<i32> {
    let mut stream = connect(port)?;
    stream.write_all(METADATA_REQUEST)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u64::from(u32::from_be_bytes(length));
    let mut answer = Vec::new();
    stream.take(length.min(LONGEST_ANSWER)).read_to_end(&mut answer)?;
    broker_count(&answer)
}

const CORRELATION_ID: i32 = 1;
/// Length, API key 3, version 1, correlation id 1, client "xtask", an empty array of topics.
const METADATA_REQUEST: &[u8] = b"\0\0\0\x13\0\x03\0\x01\0\0\0\x01\0\x05xtask\0\0\0\0";

fn broker_count(answer: &[u8]) -> Result<i32> {
    let number = |at: usize| -> Result<i32> {
        let bytes = answer.get(at..at + 4).context("the answer is too short")?;
        Ok(i32::from_be_bytes(bytes.try_into()?))
    };
    if number(0)? != CORRELATION_ID {
        bail!("the answer is to another request");
    }
    number(4)
}

fn connect(port: u16) -> Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one connection with `answer` once it has read something.
    fn serve(answer: &'static [u8]) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let port = listener.local_addr().expect("its address").port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).expect("a request") > 0);
            stream.write_all(answer).expect("answered");
        });
        port
    }

    #[test]
    fn only_200_is_ok() {
        assert!(http_is_ok(serve(b"HTTP/1.1 200 OK\r\n\r\n[]"), "/"));
        assert!(!http_is_ok(serve(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"), "/"));
        assert!(!http_is_ok(serve(b"hello"), "/"));
    }

    #[test]
    fn a_broker_is_ready_once_it_counts_itself() {
        let ready = b"\0\0\0\x0c\0\0\0\x01\0\0\0\x01\0\0\0\x07";
        let fenced = b"\0\0\0\x08\0\0\0\x01\0\0\0\0";
        let stranger = b"\0\0\0\x08\0\0\0\x09\0\0\0\x01";
        assert!(kafka_is_ready(serve(ready)));
        assert!(!kafka_is_ready(serve(fenced)));
        assert!(!kafka_is_ready(serve(stranger)));
        assert!(!kafka_is_ready(serve(b"\0\0\0\x08\0")));
    }

    #[test]
    fn the_request_says_its_own_length() {
        assert_eq!(usize::from(METADATA_REQUEST[3]), METADATA_REQUEST.len() - 4);
    }
}
