//! The notification service over HTTP: parse, ask, answer.

pub mod view;
mod webhooks;

use actix_web::{
    HttpResponse, get, post, put,
    web::{Data, Json},
};
use events::trace::TraceContext;
use kernel::{CustomerId, OrderId};
use messaging::{app::App, database::StoreError};
use platform::{
    Body, Listing, Operator, OptionalBody, Page, PageParams, Paged, Params, Problem, Segment,
    Trace, answer, openapi::Problems,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use self::view::{NotificationInFull, NotificationView, PreferencesView, Reply};
use crate::{
    app::Notifications,
    domain::{Action, Channel, Command, Preferences, Refusal, Status},
    store::query::{self, Filter},
    words::Grouped,
};

type Shared = Data<App<Notifications>>;

/// Notifications of a digest that its text names.
const GROUPED_LIMIT: u64 = 100;
/// The longest BCP 47 tag that RFC 5646 asks to be taken, in characters.
const MAX_LANGUAGE: usize = 35;

/// Adds this service's calls. The application's data must have a [`platform::OperatorToken`].
pub fn routes(app: App<Notifications>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config.app_data(Data::new(app));
        config.service(list).service(show).service(resend);
        config.service(show_preferences).service(prefer);
        webhooks::routes(config);
    }
}

/// Which notifications are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct NotificationFilter {
    /// Only those that concern this customer.
    #[param(value_type = Option<String>)]
    customer_id: Option<CustomerId>,
    /// Only those about this order.
    #[param(value_type = Option<String>, format = "uuid")]
    order_id: Option<OrderId>,
    /// Only those in this status.
    #[param(inline)]
    status: Option<Status>,
}

/// No parameters, no fields: any that is sent is refused by name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// List notifications, newest first
#[utoipa::path(
    tag = "notification",
    params(PageParams, NotificationFilter),
    responses((status = 200, body = Paged<NotificationView>), Problems)
)]
#[get("/api/v1/notifications")]
async fn list(
    app: Shared,
    listing: Listing<NotificationFilter>,
) -> Result<Json<Paged<NotificationView>>, Problem> {
    let Listing { page, filter: NotificationFilter { customer_id, order_id, status } } = listing;
    page_of(&app, &page, Filter { customer_id, order_id, status, ..Filter::default() }).await
}

async fn page_of(
    app: &Shared,
    page: &Page,
    filter: Filter,
) -> Result<Json<Paged<NotificationView>>, Problem> {
    let filter = Filter { after: page.after()?, ..filter };
    let reader = app.ctx.database.reader();
    let found = query::list(reader, filter, page.rows_to_fetch()).await.map_err(unreadable)?;
    let rows = found.iter().map(NotificationView::of).collect();
    Paged::from_rows(rows, page, |last: &NotificationView| (last.created_at.0, last.id)).map(Json)
}

/// Show a notification, with its words
#[utoipa::path(
    tag = "notification",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = NotificationInFull), Problems),
    security((), ("operator" = []))
)]
#[get("/api/v1/notifications/{id}")]
async fn show(
    app: Shared,
    _: Operator,
    Segment(id): Segment<Uuid>,
    _: Params<Nothing>,
) -> Result<Json<NotificationInFull>, Problem> {
    let reader = app.ctx.database.reader();
    let found = query::find(reader, id).await.map_err(unreadable)?;
    let notification = found.ok_or_else(|| unknown(id))?;
    let (members, count) = query::members(reader, id, GROUPED_LIMIT).await.map_err(unreadable)?;
    let grouped = Grouped { members, count };
    let message = app.ctx.service.words.message(&notification, &grouped);
    let message = message.map_err(|error| Problem::internal(&error))?;
    let notification = NotificationView::of(&notification);
    Ok(Json(NotificationInFull { notification, subject: message.subject, text: message.text }))
}

/// Send a notification again
///
/// At once, whether or not it was sent, and under the same id.
#[utoipa::path(
    tag = "notification",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 202, body = NotificationView), Problems),
    security((), ("operator" = []))
)]
#[post("/api/v1/notifications/{id}/resend")]
async fn resend(
    app: Shared,
    _: Operator,
    Trace(trace): Trace,
    Segment(id): Segment<Uuid>,
    _: Params<Nothing>,
    _: OptionalBody<Nothing>,
) -> Result<HttpResponse, Problem> {
    let reply = change(&app, Action::Resend(id), trace).await?;
    Ok(HttpResponse::Accepted().json(reply.notification.ok_or_else(|| unknown(id))?))
}

/// Show how a customer wants to be told
#[utoipa::path(
    tag = "notification",
    params(("id" = String, Path)),
    responses((status = 200, body = PreferencesView), Problems)
)]
#[get("/api/v1/customers/{id}/preferences")]
async fn show_preferences(
    app: Shared,
    Segment(customer_id): Segment<CustomerId>,
    _: Params<Nothing>,
) -> Result<Json<PreferencesView>, Problem> {
    let found = query::recipient(app.ctx.database.reader(), &customer_id).await;
    let preferences = found.map_err(unreadable)?.preferences;
    Ok(Json(PreferencesView { customer_id, preferences }))
}

/// Say how a customer wants to be told
#[utoipa::path(
    tag = "notification",
    params(("id" = String, Path)),
    request_body = Preferences,
    responses((status = 200, body = PreferencesView), Problems)
)]
#[put("/api/v1/customers/{id}/preferences")]
async fn prefer(
    app: Shared,
    Trace(trace): Trace,
    Segment(customer_id): Segment<CustomerId>,
    _: Params<Nothing>,
    Body(preferences): Body<Preferences>,
) -> Result<Json<PreferencesView>, Problem> {
    check(&preferences)?;
    let reply = change(&app, Action::Prefer(customer_id.clone(), preferences), trace).await?;
    Ok(Json(PreferencesView { customer_id, preferences: reply.preferences }))
}

fn check(preferences: &Preferences) -> Result<(), Problem> {
    let Preferences { language, channels, .. } = preferences;
    let is_tag = (2..=MAX_LANGUAGE).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !is_tag {
        return Err(Problem::field("language", "must be a BCP 47 tag such as de or de-AT"));
    }
    if channels.is_empty() || channels.contains(&Channel::Webhook) {
        return Err(Problem::field("channels", "must be email, log or both"));
    }
    Ok(())
}

/// A command from outside.
async fn change(app: &Shared, action: Action, trace: TraceContext) -> Result<Reply, Problem> {
    let policy = app.ctx.service.policy.clone();
    let command = Command { now: app.ctx.clock.now(), policy, action };
    let changed = app.executor.request(command, None, trace).await;
    changed.map_err(|error| answer::problem(error, refused))
}

fn refused(refusal: Refusal) -> Problem {
    let slug = match refusal {
        Refusal::NoNotification | Refusal::NoEndpoint => {
            return Problem::not_found(refusal.to_string());
        }
        Refusal::NothingToSend => "nothing-to-send",
        Refusal::Busy => "being-sent",
        Refusal::Disabled => "webhook-disabled",
        Refusal::TooMany => "too-many-webhooks",
    };
    Problem::conflict(slug, refusal.to_string())
}

fn unknown(id: Uuid) -> Problem {
    Problem::not_found(format!("there is no notification {id}"))
}

fn unreadable(error: StoreError) -> Problem {
    answer::unreadable(&error)
}
