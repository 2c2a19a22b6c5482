//! The description of all calls, OpenAPI 3.1, and the page to try them on.
//!
//! Handlers are described by `#[utoipa::path]` and collected by `utoipa_actix_web`; their refusals
//! by [`Problems`]. The types of `kernel` describe themselves.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, http::header, web};
use utoipa::{
    IntoResponses, PartialSchema, ToSchema,
    openapi::{
        Content, Info, OpenApi, Ref, RefOr, Response, ResponseBuilder,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_swagger_ui::SwaggerUi;

use crate::{
    FieldError, fallback,
    problem::{self, Document},
};

/// Where the description is.
pub const JSON_PATH: &str = "/api/openapi.json";
/// Where the page is.
pub const DOCS_PATH: &str = "/api/docs";
/// The name of the operators' bearer token: `#[utoipa::path(security(("operator" = [])))]`.
pub const OPERATOR: &str = "operator";

/// The refusals of any call, for `#[utoipa::path(responses(…, Problems))]`.
#[derive(Clone, Copy, Debug)]
pub struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let refusals = [("4XX", "The request is refused"), ("5XX", "It cannot be served")];
        refusals.map(|(status, why)| (status.to_owned(), RefOr::T(problem_response(why)))).into()
    }
}

fn problem_response(description: &str) -> Response {
    let schema = Ref::from_schema_name(Document::name());
    ResponseBuilder::new()
        .description(description)
        .content(problem::CONTENT_TYPE, Content::new(Some(schema)))
        .build()
}

/// Adds what comes last, when all calls are known: the description, the page, and the answer to
/// everything else.
pub fn complete(config: &mut web::ServiceConfig, api: OpenApi) {
    let api = with_shared_parts(api);
    config
        .default_service(fallback::unmatched(&api))
        .service(SwaggerUi::new(format!("{DOCS_PATH}/{{_:.*}}")).url(JSON_PATH, api))
        .route(DOCS_PATH, web::get().to(to_docs));
}

async fn to_docs() -> HttpResponse {
    HttpResponse::TemporaryRedirect()
        .insert_header((header::LOCATION, format!("{DOCS_PATH}/")))
        .finish()
}

/// What every service's description refers to.
fn with_shared_parts(mut api: OpenApi) -> OpenApi {
    api.info = Info::new("Shop", env!("CARGO_PKG_VERSION"));
    api.info.description =
        Some("Orders, products and shipments; refusals are RFC 9457 problem documents.".to_owned());
    let components = api.components.get_or_insert_default();
    components.schemas.insert(Document::name().into_owned(), Document::schema());
    components.schemas.insert(FieldError::name().into_owned(), FieldError::schema());
    components
        .add_security_scheme(OPERATOR, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    api
}
