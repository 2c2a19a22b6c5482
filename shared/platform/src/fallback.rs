//! What no handler answers, and what actix answers by itself, as problem documents too.

use std::sync::Arc;

use actix_web::{
    Error, HttpRequest, HttpResponse, Route,
    body::{BoxBody, MessageBody},
    dev::{ResourceDef, ServiceRequest, ServiceResponse},
    http::{Method, header},
    middleware::Next,
    web,
};
use utoipa::openapi::{OpenApi, PathItem};

use crate::Problem;

/// The application's default service: 405 with `Allow` where other methods have a handler, 404
/// elsewhere. actix itself cannot tell, because every method's handler is a resource of its own.
pub fn unmatched(api: &OpenApi) -> Route {
    let table: Arc<[_]> = api.paths.paths.iter().map(|(path, item)| entry(path, item)).collect();
    web::route().to(move |request: HttpRequest| {
        let problem = refuse(&table, &request);
        async move { Err::<HttpResponse, _>(problem) }
    })
}

fn entry(path: &str, item: &PathItem) -> (ResourceDef, Vec<Method>) {
    let operations = [
        (Method::GET, &item.get),
        (Method::PUT, &item.put),
        (Method::POST, &item.post),
        (Method::DELETE, &item.delete),
        (Method::OPTIONS, &item.options),
        (Method::HEAD, &item.head),
        (Method::PATCH, &item.patch),
        (Method::TRACE, &item.trace),
    ];
    let methods = operations.into_iter().filter(|(_, operation)| operation.is_some());
    (ResourceDef::new(path), methods.map(|(method, _)| method).collect())
}

fn refuse(table: &[(ResourceDef, Vec<Method>)], request: &HttpRequest) -> Problem {
    let matching = table.iter().filter(|(path, _)| path.is_match(request.path()));
    let mut allowed: Vec<_> = matching.flat_map(|(_, methods)| methods.clone()).collect();
    allowed.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    allowed.dedup();
    if allowed.is_empty() {
        return Problem::not_found(format!("there is nothing at {}", request.path()));
    }
    Problem::method_not_allowed(request.method(), &allowed)
}

/// A middleware (`actix_web::middleware::from_fn`) that turns errors in plain text or without a
/// body, as actix's own are, into problem documents. Errors in any other format stay, such as the
/// schema registry's.
///
/// # Errors
/// Those of the services behind it.
pub async fn documents<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let response = next.call(request).await?;
    if !is_bare_error(response.response()) {
        return Ok(response.map_into_boxed_body());
    }
    let (request, response) = response.into_parts();
    Ok(ServiceResponse::new(request, dress(&response)))
}

fn is_bare_error<B>(response: &HttpResponse<B>) -> bool {
    let failed = response.status().is_client_error() || response.status().is_server_error();
    let media_type = response.headers().get(header::CONTENT_TYPE);
    failed && media_type.is_none_or(|media_type| media_type.as_bytes().starts_with(b"text/plain"))
}

/// The problem document for an error response; headers such as `Allow` stay.
fn dress<B>(response: &HttpResponse<B>) -> HttpResponse {
    let status = response.status();
    let problem = match response.error() {
        Some(error) if status.is_server_error() => {
            tracing::error!(%error, "a request failed");
            Problem::of(status, "the request could not be served")
        }
        Some(error) => Problem::of(status, error.to_string()),
        None => Problem::of(status, "the request could not be served"),
    };
    let mut dressed = HttpResponse::from_error(problem);
    for (name, value) in response.headers() {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            dressed.headers_mut().append(name.clone(), value.clone());
        }
    }
    dressed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_errors_are_dressed() {
        let check = |response: HttpResponse, bare| assert_eq!(is_bare_error(&response), bare);
        check(HttpResponse::Ok().finish(), false);
        check(HttpResponse::NotFound().finish(), true);
        check(HttpResponse::BadRequest().content_type("text/plain; charset=utf-8").finish(), true);
        check(HttpResponse::BadRequest().content_type("application/json").finish(), false);
        check(
            HttpResponse::BadRequest().content_type(crate::problem::CONTENT_TYPE).finish(),
            false,
        );
    }
}
