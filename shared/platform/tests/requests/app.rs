//! A small application that uses every extractor, on a real port.

use std::net::SocketAddr;

use actix_web::{
    App, HttpResponse, HttpServer, Responder, get,
    middleware::from_fn,
    post, put,
    web::{Data, Json},
};
use kernel::{CustomerId, OrderId, Sku};
use platform::{
    Body, Idempotent, Listing, Operator, OperatorToken, OptionalBody, PageParams, Paged, Params,
    Segment, Trace, fallback, openapi, trace,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_actix_web::{AppExt, service_config::ServiceConfig};

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Line {
    sku: Sku,
    quantity: u16,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PlaceOrder {
    customer_id: CustomerId,
    lines: Vec<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cancel {
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Status {
    Pending,
}

#[derive(Deserialize)]
struct Filter {
    customer_id: Option<CustomerId>,
    status: Option<Status>,
    urgent: Option<bool>,
}

#[derive(Deserialize)]
struct Shown {
    recent: Option<Vec<Sku>>,
    days: Option<i8>,
}

#[utoipa::path(
    params(("Idempotency-Key" = String, Header)),
    request_body = PlaceOrder,
    responses((status = 201, body = Paged<Line>), openapi::Problems),
)]
#[post("/orders")]
async fn place(request: Idempotent<PlaceOrder>) -> impl Responder {
    let hash: String = request.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    HttpResponse::Created().json(json!({
        "key": request.key.as_str(), "hash": hash, "body": request.body,
    }))
}

#[utoipa::path(responses((status = 200)))]
#[put("/orders/{id}")]
async fn replace(id: Segment<OrderId>, body: Body<PlaceOrder>) -> impl Responder {
    Json(json!({ "id": id.0, "lines": body.0.lines.len() }))
}

#[utoipa::path(responses((status = 202)))]
#[post("/orders/{id}/cancel")]
async fn cancel(_: Segment<OrderId>, body: OptionalBody<Cancel>) -> impl Responder {
    Json(json!({ "reason": body.0.map(|cancel| cancel.reason) }))
}

#[utoipa::path(params(PageParams), responses((status = 200)))]
#[get("/orders")]
async fn list(listing: Listing<Filter>) -> Result<HttpResponse, platform::Problem> {
    let after: Option<(String, u32)> = listing.page.after()?;
    let Filter { customer_id, status, urgent } = listing.filter;
    Ok(HttpResponse::Ok().json(json!({
        "limit": listing.page.limit, "after": after, "customer_id": customer_id,
        "pending": status.map(|Status::Pending| true), "urgent": urgent,
    })))
}

#[utoipa::path(responses((status = 200)))]
#[get("/products/{sku}")]
async fn product(sku: Segment<Sku>, shown: Params<Shown>) -> impl Responder {
    Json(json!({ "sku": sku.0, "recent": shown.0.recent, "days": shown.0.days }))
}

#[utoipa::path(responses((status = 200)))]
#[post("/operations")]
async fn operate(_: Operator) -> &'static str {
    "done"
}

#[utoipa::path(responses((status = 200)))]
#[get("/trace")]
async fn traced(first: Trace, second: Trace) -> impl Responder {
    assert_eq!(first, second);
    Json(json!({ "parent": first.0.traceparent(), "state": first.0.tracestate() }))
}

/// actix's own extractor, whose errors are plain text.
#[utoipa::path(responses((status = 200)))]
#[post("/plain")]
async fn plain(body: Json<Value>) -> impl Responder {
    body
}

/// An error that isn't a problem document.
#[utoipa::path(responses((status = 500)))]
#[get("/broken")]
async fn broken() -> Result<&'static str, actix_web::Error> {
    Err(actix_web::error::ErrorInternalServerError("password is 1234"))
}

/// An error in another format of its own.
#[utoipa::path(responses((status = 404)))]
#[get("/subjects")]
async fn subjects() -> impl Responder {
    HttpResponse::NotFound().json(json!({ "error_code": 40401 }))
}

fn routes(config: &mut ServiceConfig) {
    config
        .service(place)
        .service(list)
        .service(replace)
        .service(cancel)
        .service(product)
        .service(operate)
        .service(traced)
        .service(plain)
        .service(broken)
        .service(subjects);
}

/// Starts the application on a port of its own and gives its address; it ends with the test.
pub fn start(token: Option<&'static str>) -> SocketAddr {
    let server = HttpServer::new(move || {
        let (app, api) = App::new().into_utoipa_app().configure(routes).split_for_parts();
        app.app_data(Data::new(OperatorToken::new(token).unwrap()))
            .configure(|config| openapi::complete(config, api))
            .wrap(from_fn(fallback::documents))
            .wrap(from_fn(trace::traced))
    });
    let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    address
}
