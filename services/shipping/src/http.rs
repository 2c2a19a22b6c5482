//! The shipping service over HTTP: parse, ask, answer.

pub mod view;

use actix_web::{
    get, post,
    web::{Data, Json},
};
use events::trace::TraceContext;
use kernel::{OrderId, ShipmentId};
use messaging::{app::App, database::StoreError};
use platform::{
    Listing, Operator, OptionalBody, PageParams, Paged, Params, Problem, Segment, Trace, answer,
    openapi::Problems,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use self::view::ShipmentView;
use crate::{
    app::Shipping,
    domain::{Action, Command, Refusal, Status},
    store::{self, Filter},
};

type Shipments = Data<App<Shipping>>;

/// Adds this service's calls. The application's data must have a [`platform::OperatorToken`].
pub fn routes(app: App<Shipping>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config.app_data(Data::new(app));
        config.service(list).service(show).service(dispatch).service(deliver);
    }
}

/// Which shipments are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ShipmentFilter {
    /// Only the one of this order.
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

/// Show a shipment
#[utoipa::path(
    tag = "shipping",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = ShipmentView), Problems)
)]
#[get("/api/v1/shipments/{id}")]
async fn show(
    shipments: Shipments,
    Segment(id): Segment<ShipmentId>,
    _: Params<Nothing>,
) -> Result<Json<ShipmentView>, Problem> {
    find(&shipments, id).await.map(Json)
}

/// List shipments, newest first
#[utoipa::path(
    tag = "shipping",
    params(PageParams, ShipmentFilter),
    responses((status = 200, body = Paged<ShipmentView>), Problems)
)]
#[get("/api/v1/shipments")]
async fn list(
    shipments: Shipments,
    listing: Listing<ShipmentFilter>,
) -> Result<Json<Paged<ShipmentView>>, Problem> {
    let Listing { page, filter: ShipmentFilter { order_id, status } } = listing;
    let filter = Filter { order_id, status, before: page.after()? };
    let reader = shipments.ctx.database.reader();
    let found = store::list(reader, filter, page.rows_to_fetch()).await.map_err(unreadable)?;
    let rows = found.iter().filter_map(ShipmentView::of).collect();
    Paged::from_rows(rows, &page, |shipment: &ShipmentView| shipment.id).map(Json)
}

/// Dispatch a shipment
///
/// Only a RELEASED one; after that its order cannot be cancelled any more.
#[utoipa::path(
    tag = "shipping",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = ShipmentView), Problems),
    security((), ("operator" = []))
)]
#[post("/api/v1/shipments/{id}/dispatch")]
async fn dispatch(
    shipments: Shipments,
    _: Operator,
    Trace(trace): Trace,
    Segment(id): Segment<ShipmentId>,
    _: Params<Nothing>,
    _: OptionalBody<Nothing>,
) -> Result<Json<ShipmentView>, Problem> {
    change(&shipments, id, Action::Dispatch(id), trace).await
}

/// Record that a shipment has arrived
///
/// Only a DISPATCHED one.
#[utoipa::path(
    tag = "shipping",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = ShipmentView), Problems),
    security((), ("operator" = []))
)]
#[post("/api/v1/shipments/{id}/deliver")]
async fn deliver(
    shipments: Shipments,
    _: Operator,
    Trace(trace): Trace,
    Segment(id): Segment<ShipmentId>,
    _: Params<Nothing>,
    _: OptionalBody<Nothing>,
) -> Result<Json<ShipmentView>, Problem> {
    change(&shipments, id, Action::Deliver(id), trace).await
}

/// An operator's command. Clients name the shipment, commands the order it belongs to: that never
/// changes, so it is read first; all else is left to the rules.
async fn change(
    shipments: &Shipments,
    id: ShipmentId,
    action: Action,
    trace: TraceContext,
) -> Result<Json<ShipmentView>, Problem> {
    let order_id = find(shipments, id).await?.order_id;
    let command = Command { order_id, now: shipments.ctx.stamp().now, action };
    let changed = shipments.executor.request(command, None, trace).await;
    let shipment = changed.map_err(|error| answer::problem(error, |why| refused(id, why)))?;
    shipment.map(Json).ok_or_else(|| unknown(id))
}

async fn find(shipments: &Shipments, id: ShipmentId) -> Result<ShipmentView, Problem> {
    let found = store::find(shipments.ctx.database.reader(), id).await.map_err(unreadable)?;
    found.as_ref().and_then(ShipmentView::of).ok_or_else(|| unknown(id))
}

fn unknown(id: ShipmentId) -> Problem {
    Problem::not_found(format!("there is no shipment {id}"))
}

fn unreadable(error: StoreError) -> Problem {
    answer::unreadable(&error)
}

fn refused(id: ShipmentId, refusal: Refusal) -> Problem {
    let slug = match refusal {
        Refusal::NoShipment => return unknown(id),
        Refusal::NotReleased => "not-released",
        Refusal::NotDispatched => "not-dispatched",
        Refusal::AlreadyDispatched => "already-dispatched",
        Refusal::AlreadyDelivered => "already-delivered",
        Refusal::Cancelled => "shipment-cancelled",
        Refusal::Refused => "shipment-refused",
    };
    Problem::conflict(slug, refusal.to_string())
}
