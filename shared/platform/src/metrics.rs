//! `GET /metrics`: the process's numbers for Prometheus, in OpenMetrics text.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpResponse, get, http::header, web::Data};
use messaging::metrics::{CONTENT_TYPE, Metrics};
use tokio::{sync::Mutex, time::Instant};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::host::Hosted;

/// How long what was looked at is good for: databases and the log are asked no more often.
const MAX_AGE: Duration = Duration::from_secs(2);
/// How long looking may take; Prometheus waits for 10 s.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// Answers scrapes for the services of a listener.
pub struct Scrape {
    services: Vec<Arc<dyn Hosted>>,
    metrics: Metrics,
    sampled: Mutex<Option<Instant>>,
}

impl Scrape {
    /// For these services, which share their process's numbers.
    pub fn new(services: &[Arc<dyn Hosted>]) -> Self {
        let metrics = services.first().map(|service| service.metrics().process().clone());
        let (metrics, sampled) = (metrics.unwrap_or_default(), Mutex::default());
        Self { services: services.to_vec(), metrics, sampled }
    }

    async fn text(&self) -> String {
        let mut sampled = self.sampled.lock().await;
        if sampled.is_none_or(|at| at.elapsed() >= MAX_AGE) {
            let all = futures::future::join_all(self.services.iter().map(|s| s.sample()));
            // What takes longer keeps its last value.
            tokio::time::timeout(MAX_WAIT, all).await.ok();
            *sampled = Some(Instant::now());
        }
        self.metrics.text()
    }
}

/// `GET /metrics`; the application's data must have a [`Scrape`].
pub fn routes(config: &mut ServiceConfig) {
    config.service(scrape);
}

/// Numbers for Prometheus
#[utoipa::path(tag = "operations", responses((status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text")))]
#[get("/metrics")]
async fn scrape(scrape: Data<Scrape>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    response.content_type(CONTENT_TYPE).body(scrape.text().await)
}
