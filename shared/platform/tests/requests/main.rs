//! Everything that may be wrong with a request, and what it is answered: over real sockets, every
//! refusal a problem document of the right kind that names the field.
#![expect(clippy::unwrap_used, reason = "tests")]

mod app;
mod bodies;
mod client;
mod edges;
mod parameters;

use std::net::SocketAddr;

use client::{Answer, Call};

/// Sends a call that must be refused with this status, naming this field (`""`: none).
#[track_caller]
fn refused(to: SocketAddr, call: Call, status: u16, field: &str) -> impl Future<Output = Answer> {
    let caller = std::panic::Location::caller();
    async move {
        let answer = call.send(to).await;
        assert_eq!(answer.status, status, "{caller}: {answer:?}");
        assert_eq!(answer.header("Content-Type"), "application/problem+json", "{caller}");
        assert_eq!(answer.body["status"], status, "{caller}: {answer:?}");
        let named = answer.body["errors"][0]["field"].as_str().unwrap_or_default();
        assert_eq!(named, field, "{caller}: {answer:?}");
        answer
    }
}

/// Sends a call that must be answered with this body.
#[track_caller]
fn answered(to: SocketAddr, call: Call, body: serde_json::Value) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let answer = call.send(to).await;
        assert!((200..300).contains(&answer.status), "{caller}: {answer:?}");
        assert_eq!(answer.body, body, "{caller}");
    }
}
