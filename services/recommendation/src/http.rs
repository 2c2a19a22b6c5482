//! The recommendation service over HTTP: parse, ask, answer.

mod request;
mod view;

use std::time::Instant;

use actix_web::{
    HttpResponse, get, post,
    web::{Data, Json},
};
use kernel::Sku;
use platform::{Body, Params, Problem, Segment, Trace, openapi::Problems};
use utoipa_actix_web::service_config::ServiceConfig;

use self::{
    request::{ActivityEntry, RecommendationParams, RelatedParams, TrendingParams},
    view::{ReceiptView, RecommendationsView},
};
use crate::{
    activity::{self, ReportError},
    app::Recommendation,
    choreography::session_key,
    pool::{Answer, Pool, Question},
};

type Service = Data<Recommendation>;

/// Adds this service's calls.
pub fn routes(service: Recommendation) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config.app_data(Data::new(service));
        config.service(report).service(recommendations).service(related).service(trending);
    }
}

/// Report what visitors do
///
/// Up to 500 entries, in any order and of any age since 2000. One that is wrong refuses all. A repeat, by session and
/// `event_id`, has no effect. The answer comes when the event log has them; a second later at most, answers know of them.
#[utoipa::path(
    tag = "recommendation",
    request_body = Vec<ActivityEntry>,
    responses((status = 202, description = "The event log has them", body = ReceiptView), Problems)
)]
#[post("/api/v1/activity")]
async fn report(
    service: Service,
    Trace(trace): Trace,
    Body(entries): Body<Vec<ActivityEntry>>,
) -> Result<HttpResponse, Problem> {
    let entries: Vec<_> = entries.into_iter().map(Into::into).collect();
    let errors = activity::check(&entries, service.clock().now());
    if !errors.is_empty() {
        return Err(Problem::validation(errors));
    }
    let receipt = service.record(entries, &trace).await.map_err(unwritten)?;
    Ok(HttpResponse::Accepted().json(ReceiptView::from(receipt)))
}

/// Recommend products to a visitor
///
/// By the visitor's session, or by what they looked at (`recent`), or by the product on the page, or, with none of these, what
/// is popular. All are listed and in stock; the product on the page is not among them.
#[utoipa::path(
    tag = "recommendation",
    params(RecommendationParams),
    responses((status = 200, body = RecommendationsView), Problems)
)]
#[get("/api/v1/recommendations")]
async fn recommendations(
    service: Service,
    Params(asked): Params<RecommendationParams>,
) -> Result<Json<RecommendationsView>, Problem> {
    let session = asked.session_id.as_ref().map(|id| session_key(id.as_str()));
    let (recent, limit) = (asked.recent(), asked.limit());
    let page = asked.sku.as_ref();
    answer(&service, |pool| pool.recommend(&Question { session, recent, page, limit }))
}

/// Recommend products to somebody who looks at this one
#[utoipa::path(
    tag = "recommendation",
    params(("sku" = Sku, Path), RelatedParams),
    responses((status = 200, body = RecommendationsView), Problems)
)]
#[get("/api/v1/products/{sku}/related")]
async fn related(
    service: Service,
    Segment(sku): Segment<Sku>,
    Params(asked): Params<RelatedParams>,
) -> Result<Json<RecommendationsView>, Problem> {
    let (page, limit) = (Some(&sku), asked.limit());
    answer(&service, |pool| pool.recommend(&Question { session: None, recent: &[], page, limit }))
}

/// What is popular
///
/// The score counts views, carts (twice) and orders (three times) within the window, which ends at `as_of`.
#[utoipa::path(
    tag = "recommendation",
    params(TrendingParams),
    responses((status = 200, body = RecommendationsView), Problems)
)]
#[get("/api/v1/trending")]
async fn trending(
    service: Service,
    Params(asked): Params<TrendingParams>,
) -> Result<Json<RecommendationsView>, Problem> {
    answer(&service, |pool| pool.trending(asked.window(), asked.limit()))
}

fn answer(
    service: &Recommendation,
    ask: impl FnOnce(&Pool) -> Answer,
) -> Result<Json<RecommendationsView>, Problem> {
    let began_at = Instant::now();
    let pool = service.pool().ok_or_else(still_learning)?;
    let answer = ask(&pool);
    service.numbers().answer_seconds.observe(began_at.elapsed().as_secs_f64());
    Ok(Json(RecommendationsView::new(answer, service.clock().now())))
}

fn still_learning() -> Problem {
    Problem::unavailable("what happened until now is still being learned", 1)
}

fn unwritten(error: ReportError) -> Problem {
    match error {
        ReportError::Unavailable(_) => Problem::unavailable(error.to_string(), 1),
        ReportError::Log(_) | ReportError::Codec(_) => Problem::internal(&error),
    }
}

#[cfg(test)]
mod tests;
