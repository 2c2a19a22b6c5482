//! The order service over HTTP: parse, ask, answer.

mod request;
mod stream;
pub mod view;

use std::sync::Arc;

use actix_web::{
    HttpResponse, get,
    http::header::LOCATION,
    post,
    web::{Data, Json},
};
use kernel::OrderId;
use messaging::{app::App, database::StoreError, sets};
use platform::{
    Idempotent, Listing, OptionalBody, PageParams, Paged, Problem, Segment, Trace, answer,
    openapi::Problems,
};
use sea_orm::{Order::Desc, QueryOrder, QuerySelect, entity::prelude::*};
use utoipa_actix_web::service_config::ServiceConfig;

use self::{
    request::{CancelOrder, OrderFilter, PlaceOrder},
    view::{OrderView, TimelineView},
};
use crate::{
    app::OrderService,
    domain::{Change, Command, Order, Refusal},
    store::{self, entity, timeline},
};

type Orders = Data<App<OrderService>>;

/// Adds this service's calls.
pub fn routes(app: App<OrderService>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        let fanout = Data::new(stream::Fanout::default());
        config.app_data(Data::new(app)).app_data(fanout);
        config.service(place).service(list).service(show).service(cancel);
        config.service(show_timeline).service(stream::follow);
    }
}

/// Place an order
///
/// Answers at once; the order is PENDING until stock and shipping have answered.
#[utoipa::path(
    tag = "order",
    params(("Idempotency-Key" = String, Header, description = "Names this order; a repeat with it gets the same answer")),
    request_body = PlaceOrder,
    responses((status = 201, body = OrderView, headers(("Location" = String))), Problems)
)]
#[post("/api/v1/orders")]
async fn place(
    orders: Orders,
    Trace(trace): Trace,
    request: Idempotent<PlaceOrder>,
) -> Result<HttpResponse, Problem> {
    let key = request.stored_key();
    let stamp = orders.ctx.stamp();
    let command = Command::Place {
        id: OrderId(stamp.new_id),
        order: Box::new(request.body.into()),
        now: stamp.now,
        patience: orders.ctx.service.config.patience,
    };
    let placed = orders.executor.request(command, Some(key), trace).await;
    let order = placed.map_err(|error| answer::problem(error, refused))?;
    let location = format!("/api/v1/orders/{}", order.id);
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(order))
}

/// Show an order
#[utoipa::path(tag = "order", responses((status = 200, body = OrderView), Problems))]
#[get("/api/v1/orders/{id}")]
async fn show(orders: Orders, Segment(id): Segment<OrderId>) -> Result<Json<OrderView>, Problem> {
    Ok(Json(OrderView::from(&*find(&orders, id).await?)))
}

/// List orders, newest first
#[utoipa::path(tag = "order", params(PageParams, OrderFilter), responses((status = 200, body = Paged<OrderView>), Problems))]
#[get("/api/v1/orders")]
async fn list(
    orders: Orders,
    listing: Listing<OrderFilter>,
) -> Result<Json<Paged<OrderView>>, Problem> {
    let Listing { page, filter } = listing;
    let mut query = entity::Entity::find();
    if let Some(status) = filter.status {
        query = sets::only(query, entity::Column::Status, status.as_str(), Desc);
    }
    if let Some(last) = page.after::<OrderId>()? {
        query = query.filter(entity::Column::Id.lt(last.to_string()));
    }
    if let Some(customer_id) = filter.customer_id {
        query = query.filter(entity::Column::CustomerId.eq(customer_id.as_str()));
    }
    query = query.order_by_desc(entity::Column::Id).limit(page.rows_to_fetch());
    let rows = query.all(orders.ctx.database.reader()).await.map_err(|e| unreadable(e.into()))?;
    let found =
        rows.iter().map(store::read_body).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    Ok(Json(Paged::from_rows(found, &page, |order| order.id)?.map(|order| OrderView::from(&order))))
}

/// Cancel an order
///
/// While it is PENDING it is cancelled at once; once it is CONFIRMED, shipping decides.
#[utoipa::path(tag = "order", request_body = Option<CancelOrder>, responses((status = 202, body = OrderView), Problems))]
#[post("/api/v1/orders/{id}/cancel")]
async fn cancel(
    orders: Orders,
    Trace(trace): Trace,
    Segment(id): Segment<OrderId>,
    body: OptionalBody<CancelOrder>,
) -> Result<HttpResponse, Problem> {
    let reason = body.0.and_then(CancelOrder::into_reason);
    let command = Command::Change(id, Change::Cancel(reason), orders.ctx.stamp().now);
    let cancelled = orders.executor.request(command, None, trace).await;
    let order = cancelled.map_err(|error| answer::problem(error, refused))?;
    Ok(HttpResponse::Accepted().json(order))
}

/// Show every event of an order's saga, causes before effects
///
/// Ninety days after an order's end (unless configured otherwise) its events are forgotten: then there are none here.
#[utoipa::path(tag = "order", responses((status = 200, body = TimelineView), Problems))]
#[get("/api/v1/orders/{id}/timeline")]
async fn show_timeline(
    orders: Orders,
    Segment(id): Segment<OrderId>,
) -> Result<Json<TimelineView>, Problem> {
    let order = find(&orders, id).await?;
    let events = timeline::of_order(orders.ctx.database.reader(), id).await.map_err(unreadable)?;
    Ok(Json(TimelineView::new(&order, events)))
}

async fn find(orders: &Orders, id: OrderId) -> Result<Arc<Order>, Problem> {
    let found = orders.ctx.service.lookup.find(&orders.ctx.database.reads(), id).await;
    found.map_err(|error| answer::unreadable(&error))?.ok_or_else(|| unknown(id))
}

fn unknown(id: OrderId) -> Problem {
    Problem::not_found(format!("there is no order {id}"))
}

fn unreadable(error: StoreError) -> Problem {
    answer::unreadable(&error)
}

fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Unknown(id) => unknown(id),
        Refusal::Invalid(errors) => Problem::validation(
            errors.into_iter().map(|e| platform::FieldError::new(e.field, e.detail)).collect(),
        ),
        Refusal::TooLate(_) => Problem::conflict("too-late-to-cancel", refusal.to_string()),
    }
}

#[cfg(test)]
mod tests;
