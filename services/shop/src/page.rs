//! The page at `/`: the shop at work, for a first look.

use actix_web::{HttpResponse, web};

const PAGE: &str = include_str!("page.html");
/// Everything the page needs is in it; nothing is loaded from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Adds the page.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/", web::get().to(index));
}

async fn index() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("Content-Security-Policy", POLICY))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .body(PAGE)
}
