//! The shop under load: where it is, and how it is called.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, header::RETRY_AFTER};
use serde_json::Value;

use crate::{cli::Sites, recorder::Recorder};

/// The shortest, so that "at once" is no attack, and the longest that `Retry-After` is followed.
const MIN_RETRY_AFTER: Duration = Duration::from_millis(10);
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);
/// How long to wait after an answer that names no time, or after none.
const PAUSE: Duration = Duration::from_millis(100);

/// Who answers a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Orders.
    Order,
    /// Products and stock.
    Inventory,
    /// Activity, related products, recommendations.
    Recommendation,
}

/// The shop under load.
#[derive(Debug)]
pub struct Shop {
    http: Client,
    order: Vec<String>,
    inventory: Vec<String>,
    recommendation: Vec<String>,
    others: Vec<String>,
    token: Option<String>,
    patience: Duration,
    turn: AtomicUsize,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    /// What it is called in the figures.
    pub operation: &'static str,
    /// Who answers it.
    pub service: Service,
    /// How.
    pub method: Method,
    /// With the query.
    pub path: String,
    /// Its JSON.
    pub body: Option<Value>,
    /// Its idempotency key.
    pub key: Option<String>,
}

impl Call {
    /// A question.
    pub fn get(operation: &'static str, service: Service, path: impl Into<String>) -> Self {
        let path = path.into();
        Self { operation, service, method: Method::GET, path, body: None, key: None }
    }

    /// Something new.
    pub fn post(operation: &'static str, service: Service, path: &str, body: Value) -> Self {
        let path = path.to_owned();
        Self { operation, service, method: Method::POST, path, body: Some(body), key: None }
    }

    /// With an idempotency key.
    pub fn key(self, key: String) -> Self {
        Self { key: Some(key), ..self }
    }

    fn may_be_repeated(&self) -> bool {
        self.method != Method::POST || self.key.is_some() || self.operation == "activity"
    }
}

impl Shop {
    /// Where the command line says.
    ///
    /// # Errors
    /// When a URL is not on this machine and that was not allowed.
    pub fn new(sites: &Sites, patience: Duration) -> Result<Self> {
        if !sites.allow_remote {
            refuse_remote(sites)?;
        }
        let http = Client::builder().no_proxy().pool_max_idle_per_host(usize::MAX).build()?;
        let or_target = |urls: &[String]| match urls {
            [] => sites.target.clone(),
            urls => urls.to_vec(),
        };
        Ok(Self {
            http,
            order: or_target(&sites.order),
            inventory: or_target(&sites.inventory),
            recommendation: or_target(&sites.recommendation),
            others: [sites.shipping.clone(), sites.notification.clone()].concat(),
            token: sites.operator_token.clone(),
            patience,
            turn: AtomicUsize::new(0),
        })
    }

    /// Every process that answers, once.
    pub fn all(&self) -> Vec<String> {
        let lists = [&self.order, &self.inventory, &self.recommendation, &self.others];
        let all: BTreeSet<_> = lists.into_iter().flatten().cloned().collect();
        all.into_iter().collect()
    }

    /// The client, for what is no load.
    pub fn http(&self) -> &Client {
        &self.http
    }

    /// Calls until there is an answer other than "later", and measures that from `since`.
    ///
    /// # Errors
    /// The answer's status, 0 without an answer; it is counted already.
    pub async fn call(
        &self,
        call: &Call,
        recorder: &Recorder,
        since: Instant,
    ) -> Result<Value, u16> {
        let answer = self.ask(call, recorder, since).await?;
        recorder.answered(call.operation, since.elapsed());
        Ok(answer)
    }

    /// The same, but only what fails is counted.
    ///
    /// # Errors
    /// The answer's status, 0 without an answer; it is counted already.
    pub async fn ask(
        &self,
        call: &Call,
        recorder: &Recorder,
        since: Instant,
    ) -> Result<Value, u16> {
        loop {
            let failure = match self.attempt(call, recorder).await {
                Ok(body) => return Ok(body),
                Err(failure) => failure,
            };
            let Some(pause) = failure.pause.filter(|_| since.elapsed() < self.patience) else {
                return Err(failure.status);
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// One request that is answered with a stream.
    ///
    /// # Errors
    /// Says what to do about it; it is counted already.
    pub async fn open(
        &self,
        call: &Call,
        last_id: &str,
        recorder: &Recorder,
    ) -> Result<Response, Failure> {
        let request = self.request(call).header("Last-Event-ID", last_id);
        let sent = request.send().await;
        let response = sent.map_err(|error| Failure::transport(call, &error, recorder))?;
        Failure::of_status(call, &response, recorder).map_or(Ok(response), Err)
    }

    async fn attempt(&self, call: &Call, recorder: &Recorder) -> Result<Value, Failure> {
        let sent = self.request(call).timeout(self.patience).send().await;
        let response = sent.map_err(|error| Failure::transport(call, &error, recorder))?;
        if let Some(failure) = Failure::of_status(call, &response, recorder) {
            return Err(failure);
        }
        let body = response.bytes().await;
        let body = body.map_err(|error| Failure::transport(call, &error, recorder))?;
        serde_json::from_slice(&body).map_err(|_| {
            recorder.failed(&format!("{}: no JSON", call.operation));
            Failure { status: 0, pause: None }
        })
    }

    fn request(&self, call: &Call) -> RequestBuilder {
        let urls = match call.service {
            Service::Order => &self.order,
            Service::Inventory => &self.inventory,
            Service::Recommendation => &self.recommendation,
        };
        let url = &urls[self.turn.fetch_add(1, Ordering::Relaxed) % urls.len()];
        let mut request = self.http.request(call.method.clone(), format!("{url}{}", call.path));
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        if let Some(key) = &call.key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        request
    }
}

/// Why a request was not answered with what was asked for.
#[derive(Debug)]
pub struct Failure {
    /// The answer's status; 0 without an answer.
    pub status: u16,
    /// When it can be sent again, if it can.
    pub pause: Option<Duration>,
}

impl Failure {
    fn of_status(call: &Call, response: &Response, recorder: &Recorder) -> Option<Self> {
        let status = response.status();
        if status.is_success() {
            return None;
        }
        let later = [408, 429, 503].contains(&status.as_u16());
        let pause = if later {
            let named = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            recorder.deferred(status.as_str());
            Some(pause(named))
        } else {
            recorder.failed(&format!("{}: {}", call.operation, status.as_u16()));
            // A repeat that came while the first try is still in work.
            (status == StatusCode::CONFLICT && call.key.is_some()).then_some(PAUSE)
        };
        Some(Self { status: status.as_u16(), pause })
    }

    fn transport(call: &Call, error: &reqwest::Error, recorder: &Recorder) -> Self {
        let kind = match error {
            error if error.is_connect() => "cannot connect",
            error if error.is_timeout() => "no answer in time",
            _ => "broken off",
        };
        recorder.failed(&format!("{}: {kind}", call.operation));
        Self { status: 0, pause: call.may_be_repeated().then_some(PAUSE) }
    }
}

/// What `Retry-After` asks for; a date instead of seconds is not used by the shop.
fn pause(retry_after: Option<&str>) -> Duration {
    let seconds = retry_after.and_then(|text| text.trim().parse().ok());
    seconds.map_or(PAUSE, Duration::from_secs).clamp(MIN_RETRY_AFTER, MAX_RETRY_AFTER)
}

fn refuse_remote(sites: &Sites) -> Result<()> {
    let flags = [
        ("--target", &sites.target),
        ("--order", &sites.order),
        ("--inventory", &sites.inventory),
        ("--shipping", &sites.shipping),
        ("--notification", &sites.notification),
        ("--recommendation", &sites.recommendation),
    ];
    for (flag, urls) in flags {
        for url in urls {
            let parsed = Url::parse(url).with_context(|| format!("{flag} {url}"))?;
            let host = parsed.host_str().unwrap_or_default().trim_matches(['[', ']']);
            let local =
                host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
            ensure!(
                local,
                "{flag} {url} is not on this machine; --allow-remote loads it all the same"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
