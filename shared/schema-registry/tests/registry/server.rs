//! The registry under test, and a client that returns status and JSON.

use std::hash::{BuildHasher, Hasher, RandomState};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use reqwest::{Method, RequestBuilder};
use schema_registry::{Registry, configure};
use serde_json::{Value, json};

pub struct Server {
    pub url: String,
    pub is_foreign: bool,
    http: reqwest::Client,
    handle: Option<ServerHandle>,
}

impl Server {
    /// The registry at `TEST_REGISTRY`, else an empty one of ours.
    pub async fn any() -> Self {
        // `var_os`: only configuration may read variables, and a test's configuration is this line.
        let Some(url) = std::env::var_os("TEST_REGISTRY") else { return Self::ours().await };
        let url = url.into_string().unwrap().trim_end_matches('/').to_owned();
        Self { url, is_foreign: true, http: reqwest::Client::new(), handle: None }
    }

    /// An empty one of ours.
    pub async fn ours() -> Self {
        Self::serving(Registry::in_memory().await.unwrap())
    }

    /// As [`Self::any`], unless that is a foreign registry: then says that the test is skipped, and
    /// why.
    pub async fn unless_foreign(reason: &str) -> Option<Self> {
        let server = Self::any().await;
        if !server.is_foreign {
            return Some(server);
        }
        skipped(reason);
        None
    }

    /// As [`Self::any`], unless that is a foreign registry that checks by default: in Apicurio the
    /// level `NONE` of a subject means the global level, so that nothing incompatible can be
    /// prepared there.
    pub async fn unless_checking() -> Option<Self> {
        let server = Self::any().await;
        let (_, global) = server.get("/config").await;
        if !server.is_foreign || global["compatibilityLevel"] == "NONE" {
            return Some(server);
        }
        skipped("its global level is not NONE");
        None
    }

    pub fn serving(registry: Registry) -> Self {
        let server = HttpServer::new(move || {
            App::new().service(web::scope("/registry").configure(configure(registry.clone())))
        });
        let server = server.workers(2).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/registry", server.addrs()[0]);
        let server = server.run();
        let handle = Some(server.handle());
        tokio::spawn(server);
        Self { url, is_foreign: false, http: reqwest::Client::new(), handle }
    }

    pub async fn stop(mut self) {
        if let Some(handle) = self.handle.take() {
            handle.stop(true).await;
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        reply(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> (u16, Value) {
        reply(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        reply(self.request(Method::POST, path).json(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        reply(self.request(Method::PUT, path).json(body)).await
    }

    /// Registers and returns the id.
    pub async fn register(&self, subject: &str, schema: &Value) -> i64 {
        let (status, body) = self.post_schema(subject, schema).await;
        assert_eq!(status, 200, "{body}");
        body["id"].as_i64().unwrap()
    }

    pub async fn post_schema(&self, subject: &str, schema: &Value) -> (u16, Value) {
        self.post(&format!("/subjects/{subject}/versions"), &body_of(schema)).await
    }

    pub async fn set_level(&self, subject: &str, level: &str) {
        let body = json!({ "compatibility": level });
        let (status, answer) = self.put(&format!("/config/{subject}"), &body).await;
        // Apicurio echoes `compatibilityLevel` instead.
        let is_echoed = answer == body || (self.is_foreign && answer.is_object());
        assert!(status == 200 && is_echoed, "{status}: {answer}");
    }

    /// Whether a schema would be accepted, by whichever of the two calls.
    pub async fn is_compatible(&self, subject_and_version: &str, schema: &Value) -> bool {
        let path = format!("/compatibility/subjects/{subject_and_version}");
        let (status, body) = self.post(&path, &body_of(schema)).await;
        assert_eq!(status, 200, "{body}");
        body["is_compatible"].as_bool().unwrap()
    }
}

fn skipped(reason: &str) {
    let thread = std::thread::current();
    eprintln!("skipped on a foreign registry: {}: {reason}", thread.name().unwrap_or("?"));
}

/// Status and JSON; every answer of the registry is JSON, errors too.
pub async fn reply(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}: not JSON: {text}"));
    (status, body)
}

#[track_caller]
pub fn assert_error((status, body): (u16, Value), code: u64) {
    let expected = if code >= 1000 { code / 100 } else { code };
    assert_eq!((u64::from(status), &body["error_code"]), (expected, &json!(code)), "{body}");
    assert!(!body["message"].as_str().unwrap().is_empty());
}

pub fn body_of(schema: &Value) -> Value {
    json!({ "schema": schema.to_string() })
}

/// A name that nobody used before, for registries that outlive the test.
pub fn unique(name: &str) -> String {
    format!("{name}-{:016x}", RandomState::new().build_hasher().finish())
}

/// A record with these fields, whose name makes it unlike any other test's.
pub fn record(name: &str, fields: &[(&str, &str)]) -> Value {
    let field = |(name, ty): &(&str, &str)| json!({ "name": name, "type": ty });
    let fields: Vec<_> = fields.iter().map(field).collect();
    json!({ "type": "record", "name": name, "namespace": "shop.test", "fields": fields })
}
