//! Webhooks as a resource. Only operators see and change them: their URLs may hold secrets.

use std::collections::BTreeSet;

use actix_web::{HttpResponse, get, post, web::Json};
use platform::{
    Body, Listing, Operator, OptionalBody, PageParams, Paged, Params, Problem, Segment, Trace,
    openapi::Problems,
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::{
    Nothing, Shared, change, page_of, unreadable,
    view::{NewWebhook, NotificationView, WebhookView},
};
use crate::{
    channels::signature,
    domain::{Action, Endpoint, Kind, MAX_ENDPOINTS, Refusal},
    store::query::{self, Filter},
};

/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 500;

/// Adds the calls.
pub fn routes(config: &mut ServiceConfig) {
    config.service(list).service(create).service(show).service(disable).service(enable);
    config.service(test).service(deliveries);
}

/// A webhook to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WebhookRequest {
    /// Where messages are posted to.
    #[schema(example = "https://example.org/hooks")]
    url: String,
    /// What it is for.
    #[serde(default)]
    description: String,
    /// What it is told; everything about orders when empty.
    #[serde(default)]
    types: BTreeSet<Kind>,
}

/// Create a webhook
///
/// Messages are signed as the Standard Webhooks specification says; the secret is shown this once.
#[utoipa::path(
    tag = "notification",
    request_body = WebhookRequest,
    responses((status = 201, body = NewWebhook), Problems),
    security((), ("operator" = []))
)]
#[post("/api/v1/webhooks")]
async fn create(
    app: Shared,
    _: Operator,
    Trace(trace): Trace,
    _: Params<Nothing>,
    Body(request): Body<WebhookRequest>,
) -> Result<HttpResponse, Problem> {
    check(&app, &request)?;
    let secret = signature::secret(rand::random());
    let id = app.ctx.clock.new_id();
    let endpoint = Endpoint {
        id,
        url: request.url,
        description: request.description,
        kinds: request.types,
        secret: secret.clone(),
        created_at: app.ctx.clock.now().0,
        failing_since: None,
        disabled: None,
    };
    let reply = change(&app, Action::AddEndpoint(endpoint), trace).await?;
    let webhook = reply.webhook.ok_or_else(no_webhook)?;
    let location = ("Location", format!("/api/v1/webhooks/{id}"));
    let created = NewWebhook { webhook, secret: secret.0 };
    Ok(HttpResponse::Created().insert_header(location).json(created))
}

fn check(app: &Shared, request: &WebhookRequest) -> Result<(), Problem> {
    let poster = &app.ctx.service.poster;
    poster.check(&request.url).map_err(|detail| Problem::field("url", detail))?;
    if request.description.chars().count() > MAX_DESCRIPTION {
        let detail = format!("must have at most {MAX_DESCRIPTION} characters");
        return Err(Problem::field("description", detail));
    }
    let untold = |kind: &&Kind| **kind > Kind::OrderDelivered;
    if request.types.iter().any(|kind| untold(&kind)) {
        return Err(Problem::field("types", "must be types about orders, such as order-shipped"));
    }
    Ok(())
}

/// List webhooks, newest first
#[utoipa::path(
    tag = "notification",
    params(PageParams),
    responses((status = 200, body = Paged<WebhookView>), Problems),
    security((), ("operator" = []))
)]
#[get("/api/v1/webhooks")]
async fn list(
    app: Shared,
    _: Operator,
    listing: Listing<Nothing>,
) -> Result<Json<Paged<WebhookView>>, Problem> {
    let after: Option<usize> = listing.page.after()?;
    let all = query::endpoints(app.ctx.database.reader()).await.map_err(unreadable)?;
    let limit = usize::try_from(listing.page.rows_to_fetch()).unwrap_or(MAX_ENDPOINTS);
    let rows = all.iter().enumerate().skip(after.unwrap_or(0)).take(limit);
    let rows = rows.map(|(place, endpoint)| (place, WebhookView::of(endpoint))).collect();
    let page = Paged::from_rows(rows, &listing.page, |(place, _)| place + 1)?;
    Ok(Json(page.map(|(_, webhook)| webhook)))
}

/// Show a webhook
#[utoipa::path(
    tag = "notification",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = WebhookView), Problems),
    security((), ("operator" = []))
)]
#[get("/api/v1/webhooks/{id}")]
async fn show(
    app: Shared,
    _: Operator,
    Segment(id): Segment<Uuid>,
    _: Params<Nothing>,
) -> Result<Json<WebhookView>, Problem> {
    Ok(Json(WebhookView::of(&find(&app, id).await?)))
}

/// Disable a webhook
///
/// What waits for it is given up.
#[utoipa::path(
    tag = "notification",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = WebhookView), Problems),
    security((), ("operator" = []))
)]
#[post("/api/v1/webhooks/{id}/disable")]
async fn disable(
    app: Shared,
    _: Operator,
    Trace(trace): Trace,
    Segment(id): Segment<Uuid>,
    _: Params<Nothing>,
    _: OptionalBody<Nothing>,
) -> Result<Json<WebhookView>, Problem> {
    let action = Action::DisableEndpoint(id, "an operator disabled it".to_owned());
    change(&app, action, trace).await?.webhook.map(Json).ok_or_else(no_webhook)
}

/// Enable a webhook again
#[utoipa::path(
    tag = "notification",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = WebhookView), Problems),
    security((), ("operator" = []))
)]
#[post("/api/v1/webhooks/{id}/enable")]
async fn enable(
    app: Shared,
    _: Operator,
    Trace(trace): Trace,
    Segment(id): Segment<Uuid>,
    _: Params<Nothing>,
    _: OptionalBody<Nothing>,
) -> Result<Json<WebhookView>, Problem> {
    let reply = change(&app, Action::EnableEndpoint(id), trace).await?;
    reply.webhook.map(Json).ok_or_else(no_webhook)
}

/// Send a test event to a webhook
#[utoipa::path(
    tag = "notification",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 202, body = NotificationView), Problems),
    security((), ("operator" = []))
)]
#[post("/api/v1/webhooks/{id}/test")]
async fn test(
    app: Shared,
    _: Operator,
    Trace(trace): Trace,
    Segment(id): Segment<Uuid>,
    _: Params<Nothing>,
    _: OptionalBody<Nothing>,
) -> Result<HttpResponse, Problem> {
    let action = Action::TestEndpoint(id, app.ctx.clock.new_id());
    let sent = change(&app, action, trace).await?.notification.ok_or_else(no_webhook)?;
    Ok(HttpResponse::Accepted().json(sent))
}

/// List a webhook's deliveries, newest first
#[utoipa::path(
    tag = "notification",
    params(("id" = String, Path, format = "uuid"), PageParams),
    responses((status = 200, body = Paged<NotificationView>), Problems),
    security((), ("operator" = []))
)]
#[get("/api/v1/webhooks/{id}/deliveries")]
async fn deliveries(
    app: Shared,
    _: Operator,
    Segment(id): Segment<Uuid>,
    listing: Listing<Nothing>,
) -> Result<Json<Paged<NotificationView>>, Problem> {
    find(&app, id).await?;
    let receiver = Some(id.to_string());
    page_of(&app, &listing.page, Filter { receiver, ..Filter::default() }).await
}

async fn find(app: &Shared, id: Uuid) -> Result<Endpoint, Problem> {
    let found = query::endpoint(app.ctx.database.reader(), id).await.map_err(unreadable)?;
    found.ok_or_else(no_webhook)
}

fn no_webhook() -> Problem {
    Problem::not_found(Refusal::NoEndpoint.to_string())
}
