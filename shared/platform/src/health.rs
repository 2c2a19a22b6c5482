//! Whether the process lives, and whether all that it needs is within reach.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpResponse, http::header, route, web::Data};
use futures::{FutureExt, future::BoxFuture, future::join_all};
use serde::{Deserialize, Serialize};
use tokio::{sync::Mutex, time::Instant};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// How long a check may take.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// How long an answer is good for: whoever probes faster does not load what is checked.
const MAX_AGE: Duration = Duration::from_secs(1);

type Probe = dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync;

/// One thing that a service needs, and how to find out whether it is within reach.
#[derive(Clone)]
pub struct Check {
    name: String,
    probe: Arc<Probe>,
}

impl Check {
    /// A check named such as `order.database`; `probe` says what is wrong.
    pub fn new<F, E>(name: impl Into<String>, probe: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: ToString,
    {
        let probe = move || {
            let probing = probe();
            async move { probing.await.map_err(|error| error.to_string()) }.boxed()
        };
        Self { name: name.into(), probe: Arc::new(probe) }
    }

    async fn run(&self) -> CheckReport {
        let outcome = tokio::time::timeout(MAX_WAIT, (self.probe)()).await;
        let outcome = outcome.unwrap_or_else(|_| Err(format!("no answer within {MAX_WAIT:?}")));
        CheckReport {
            name: self.name.clone(),
            status: Status::of(outcome.is_ok()),
            detail: outcome.err(),
        }
    }
}

/// Ready or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Within reach.
    Ready,
    /// Out of reach.
    NotReady,
}

impl Status {
    fn of(ready: bool) -> Self {
        if ready { Self::Ready } else { Self::NotReady }
    }
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckReport {
    /// The check's name.
    pub name: String,
    /// What it found.
    pub status: Status,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What all checks have found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// Ready only if every check is.
    pub status: Status,
    /// Each check.
    pub checks: Vec<CheckReport>,
}

/// All checks of a process, and what they found last.
pub struct Health {
    checks: Vec<Check>,
    last: Mutex<Option<(Instant, Report)>>,
}

impl Health {
    /// The health of a process with these checks.
    pub fn new(checks: Vec<Check>) -> Self {
        Self { checks, last: Mutex::new(None) }
    }

    /// What the checks find, at most a second old. They run at once, and once for all who ask.
    pub async fn report(&self) -> Report {
        let mut last = self.last.lock().await;
        if let Some((at, report)) = &*last
            && at.elapsed() < MAX_AGE
        {
            return report.clone();
        }
        let checks = join_all(self.checks.iter().map(Check::run)).await;
        let ready = checks.iter().all(|check| check.status == Status::Ready);
        let report = Report { status: Status::of(ready), checks };
        *last = Some((Instant::now(), report.clone()));
        report
    }
}

/// `GET /health/live` and `GET /health/ready`; the application's data must have a [`Health`].
pub fn routes(config: &mut ServiceConfig) {
    config.service(get_live).service(get_ready);
}

/// Whether the process lives.
#[utoipa::path(tag = "health", responses((status = 200, description = "It answers, so it lives")))]
#[route("/health/live", method = "GET", method = "HEAD")]
async fn get_live() -> HttpResponse {
    answer(HttpResponse::Ok(), &serde_json::json!({ "status": "live" }))
}

/// Whether the log, the registry and the database are within reach, and which is not.
#[utoipa::path(tag = "health", responses(
    (status = 200, description = "All are", body = Report),
    (status = 503, description = "Some are not", body = Report),
))]
#[route("/health/ready", method = "GET", method = "HEAD")]
async fn get_ready(health: Data<Health>) -> HttpResponse {
    let report = health.report().await;
    let response = match report.status {
        Status::Ready => HttpResponse::Ok(),
        Status::NotReady => HttpResponse::ServiceUnavailable(),
    };
    answer(response, &report)
}

fn answer(mut response: actix_web::HttpResponseBuilder, body: &impl Serialize) -> HttpResponse {
    response.insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}
