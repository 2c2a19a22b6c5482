//! A receiver of webhooks that can fail in all the ways that one can.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    web::{self, Bytes, Data},
};
use tokio::sync::watch;

/// How it treats a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Takes,
    /// Answers with this status.
    Answers(u16),
    /// Never answers.
    Hangs,
    /// Takes the message, and closes the connection without an answer.
    HangsUp,
    /// Sends the message elsewhere: to itself, which would take it.
    Redirects,
    /// Answers with a body without an end.
    Floods,
}

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Message {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Message {
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }
}

pub struct Receiver {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    mood: Mutex<Mood>,
    messages: watch::Sender<Vec<Message>>,
}

impl Receiver {
    pub fn start() -> Self {
        let shared =
            Arc::new(Shared { mood: Mutex::new(Mood::Takes), messages: watch::Sender::default() });
        let its = Data::from(shared.clone());
        let server = HttpServer::new(move || {
            App::new().app_data(its.clone()).default_service(web::to(receive))
        });
        let server = server.workers(1).disable_signals().shutdown_timeout(0);
        let server = server.bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/hook?key=hidden", server.addrs()[0]);
        actix_web::rt::spawn(server.run());
        Self { url, shared }
    }

    pub fn is(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    /// What has come so far, once there are `count`.
    pub async fn messages(&self, count: usize) -> Vec<Message> {
        let mut messages = self.shared.messages.subscribe();
        let wait = messages.wait_for(|messages| messages.len() >= count);
        let came = tokio::time::timeout(super::rig::PATIENCE, wait).await;
        came.expect("messages in time").unwrap().clone()
    }
}

async fn receive(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    let header = |(name, value): (
        &actix_web::http::header::HeaderName,
        &actix_web::http::header::HeaderValue,
    )| { (name.to_string(), value.to_str().unwrap().to_owned()) };
    let headers = request.headers().iter().map(header).collect();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let message = Message { path: request.path().to_owned(), headers, body };
    shared.messages.send_modify(|messages| messages.push(message));
    let mood = *shared.mood.lock().unwrap();
    match mood {
        Mood::Takes => HttpResponse::NoContent().finish(),
        Mood::Answers(status) => HttpResponse::build(status.try_into().unwrap()).finish(),
        Mood::Hangs => std::future::pending().await,
        // The connection's task ends with the panic, and the connection with it.
        Mood::HangsUp => panic!("planted: hangs up"),
        Mood::Redirects => {
            HttpResponse::TemporaryRedirect().insert_header(("location", "/elsewhere")).finish()
        }
        Mood::Floods => HttpResponse::Ok().streaming(futures::stream::repeat_with(|| {
            Ok::<_, actix_web::Error>(Bytes::from_static(&[b'x'; 65_536]))
        })),
    }
}
