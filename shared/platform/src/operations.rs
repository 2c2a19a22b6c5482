//! What operators do by REST: look at dead letters and send them again.

use std::collections::BTreeMap;

use actix_web::{
    HttpResponse, get, post,
    web::{Data, Json, Path},
};
use messaging::{
    dead_letters::{DeadLetter, DeadLetters},
    log::LogError,
    record::Record,
    telemetry::notes,
};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{Listing, Operator, PageParams, Paged, Problem, openapi::Problems};

/// The dead letters of the services on this listener.
pub type Kept = BTreeMap<&'static str, DeadLetters>;

/// Adds the operators' calls.
pub fn routes(config: &mut ServiceConfig) {
    config.service(list).service(show).service(redrive);
}

/// No filter.
#[derive(Debug, Deserialize)]
struct All {}

/// List a service's dead letters, oldest first
#[utoipa::path(tag = "operations", params(("service" = String, Path), PageParams), security(("operator" = [])),
    responses((status = 200, body = Object, description = "A page of dead letters"), Problems))]
#[get("/api/v1/operations/dead-letters/{service}")]
async fn list(
    _: Operator,
    kept: Data<Kept>,
    service: Path<String>,
    listing: Listing<All>,
) -> Result<Json<Paged<DeadLetter>>, Problem> {
    let Listing { page, filter: All {} } = listing;
    let first = page.after::<u64>()?.map_or(0, |last| last + 1);
    let limit = usize::try_from(page.rows_to_fetch()).unwrap_or(usize::MAX);
    let records = of(&kept, &service)?.list(first, limit).await.map_err(away)?;
    let letters = records.iter().map(DeadLetter::from).collect();
    Ok(Json(Paged::from_rows(letters, &page, |letter: &DeadLetter| letter.id)?))
}

/// Show a dead letter
#[utoipa::path(tag = "operations", params(("service" = String, Path), ("id" = u64, Path)), security(("operator" = [])),
    responses((status = 200, body = Object, description = "The dead letter"), Problems))]
#[get("/api/v1/operations/dead-letters/{service}/{id}")]
async fn show(
    _: Operator,
    kept: Data<Kept>,
    path: Path<(String, u64)>,
) -> Result<Json<DeadLetter>, Problem> {
    let (service, id) = path.into_inner();
    let record = find(of(&kept, &service)?, id).await?;
    Ok(Json(DeadLetter::from(&record)))
}

/// Send a dead letter to its old topic again
#[utoipa::path(tag = "operations", params(("service" = String, Path), ("id" = u64, Path)), security(("operator" = [])),
    responses((status = 202, body = Object, description = "The dead letter that was sent"), Problems))]
#[post("/api/v1/operations/dead-letters/{service}/{id}/redrive")]
async fn redrive(
    _: Operator,
    kept: Data<Kept>,
    path: Path<(String, u64)>,
) -> Result<HttpResponse, Problem> {
    let (service, id) = path.into_inner();
    let letters = of(&kept, &service)?;
    let record = find(letters, id).await?;
    letters.redrive(&record).await.map_err(away)?;
    // What follows belongs to the trace that the record came from.
    record.trace().into_iter().for_each(notes::link);
    tracing::info!(service, id, "dead letter redriven");
    Ok(HttpResponse::Accepted().json(DeadLetter::from(&record)))
}

fn of<'k>(kept: &'k Kept, service: &str) -> Result<&'k DeadLetters, Problem> {
    kept.get(service).ok_or_else(|| {
        let names: Vec<_> = kept.keys().copied().collect();
        Problem::not_found(format!("no service {service} here, only {}", names.join(", ")))
    })
}

async fn find(letters: &DeadLetters, id: u64) -> Result<Record, Problem> {
    let record = letters.find(id).await.map_err(away)?;
    record.ok_or_else(|| Problem::not_found(format!("there is no dead letter {id}")))
}

fn away(error: LogError) -> Problem {
    if error.is_transient() {
        Problem::unavailable(error.to_string(), 1)
    } else {
        Problem::internal(&error)
    }
}
