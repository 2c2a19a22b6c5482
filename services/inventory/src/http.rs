//! The inventory service over HTTP: parse, ask, answer.

mod request;
pub mod view;

use actix_web::{
    HttpResponse, get, post, put,
    web::{Data, Json},
};
use kernel::Sku;
use messaging::{app::App, database::StoreError};
use platform::{
    Body, FieldError, Idempotent, Listing, Operator, PageParams, Paged, Problem, Segment, Trace,
    answer, openapi::Problems,
};
use utoipa_actix_web::service_config::ServiceConfig;

use self::{
    request::{AdjustStock, ProductFilter, PutProduct},
    view::{ProductView, StockView},
};
use crate::{
    app::Inventory,
    domain::{Command, Details, Refusal},
    store::catalogue::{self, Listed, Wanted},
};

type Inventories = Data<App<Inventory>>;

/// Adds this service's calls.
pub fn routes(app: App<Inventory>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config.app_data(Data::new(app));
        config.service(put_product).service(list).service(show).service(adjust_stock);
    }
}

/// List a product, or list it differently
///
/// What is left out is cleared; a repeat changes nothing. For operators.
#[utoipa::path(
    tag = "inventory",
    params(("sku" = Sku, Path)),
    request_body = PutProduct,
    responses(
        (status = 200, description = "It was listed before", body = ProductView),
        (status = 201, description = "It is new", body = ProductView),
        Problems
    ),
    security((), ("operator" = []))
)]
#[put("/api/v1/products/{sku}")]
async fn put_product(
    _: Operator,
    inventory: Inventories,
    Trace(trace): Trace,
    Segment(sku): Segment<Sku>,
    Body(body): Body<PutProduct>,
) -> Result<HttpResponse, Problem> {
    let details = Details::from(body);
    let command = Command::PutProduct { sku: sku.clone(), details: details.clone() };
    let put = inventory.executor.request(command, None, trace).await;
    let reply = put.map_err(|error| answer::problem(error, refused))?;
    let product = ProductView::new(sku, details, reply.stock, reply.version);
    let mut response = if reply.is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.json(product))
}

/// Show a product and its stock
#[utoipa::path(
    tag = "inventory",
    params(("sku" = Sku, Path)),
    responses((status = 200, body = ProductView), Problems)
)]
#[get("/api/v1/products/{sku}")]
async fn show(
    inventory: Inventories,
    Segment(sku): Segment<Sku>,
) -> Result<Json<ProductView>, Problem> {
    let found = catalogue::find(inventory.ctx.database.reader(), &sku).await.map_err(unreadable)?;
    Ok(Json(found.map(view).ok_or_else(|| unknown(&sku))?))
}

/// List products, by SKU
#[utoipa::path(
    tag = "inventory",
    params(PageParams, ProductFilter),
    responses((status = 200, body = Paged<ProductView>), Problems)
)]
#[get("/api/v1/products")]
async fn list(
    inventory: Inventories,
    Listing { page, filter }: Listing<ProductFilter>,
) -> Result<Json<Paged<ProductView>>, Problem> {
    let wanted = Wanted {
        category: filter.category,
        text: filter.q.map(String::from),
        after: page.after()?,
        limit: page.rows_to_fetch(),
    };
    let found = catalogue::list(inventory.ctx.database.reader(), wanted).await;
    let found = found.map_err(unreadable)?;
    Ok(Json(Paged::from_rows(found, &page, |(sku, ..)| sku.clone())?.map(view)))
}

/// Add to a product's stock, or take away from it
///
/// What orders hold can't be taken away. For operators.
#[utoipa::path(
    tag = "inventory",
    params(
        ("sku" = Sku, Path),
        ("Idempotency-Key" = String, Header, description = "Names this change; a repeat with it gets the same answer")
    ),
    request_body = AdjustStock,
    responses((status = 200, body = StockView), Problems),
    security((), ("operator" = []))
)]
#[post("/api/v1/products/{sku}/stock")]
async fn adjust_stock(
    _: Operator,
    inventory: Inventories,
    Trace(trace): Trace,
    Segment(sku): Segment<Sku>,
    request: Idempotent<AdjustStock>,
) -> Result<Json<StockView>, Problem> {
    let key = request.stored_key();
    let AdjustStock { delta, reason } = request.body;
    let now = inventory.ctx.clock.now();
    let command = Command::AdjustStock { sku, delta, reason, now };
    let adjusted = inventory.executor.request(command, Some(key), trace).await;
    Ok(Json(adjusted.map_err(|error| answer::problem(error, refused))?.stock))
}

fn view((sku, product, stock): Listed) -> ProductView {
    ProductView::new(sku, product.details, stock.into(), product.version)
}

fn unknown(sku: &Sku) -> Problem {
    Problem::not_found(format!("there is no product {sku}"))
}

fn unreadable(error: StoreError) -> Problem {
    answer::unreadable(&error)
}

fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::UnknownProduct(sku) => unknown(&sku),
        Refusal::Invalid(errors) => Problem::validation(
            errors.into_iter().map(|error| FieldError::new(error.field, error.detail)).collect(),
        ),
        Refusal::BelowReserved { .. } => Problem::conflict("below-reserved", refusal.to_string()),
    }
}

#[cfg(test)]
mod tests;
