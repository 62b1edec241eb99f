//! The outermost layer: names the request, times it, survives a panic, turns every error under
//! `/api`, `/health` and `/metrics` into a problem, and sets the headers that each answer has.
//!
//! Spans and counters carry the route's pattern, never the path with its ids, no query, no body and
//! no header.

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use gna_domain::error::{Error, Kind};
use std::panic::AssertUnwindSafe;
use std::time::Instant;
use tracing::Instrument;

use crate::problem::{self, Problem};
use crate::state::AppState;

/// The header that names a request, in both directions.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken over from the caller.
const ID_LIMIT: usize = 64;

/// The layer.
pub async fn around(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let id =
        given_id(request.headers()).unwrap_or_else(|| state.ports.ids.uuid().simple().to_string());
    if let Ok(value) = HeaderValue::from_str(&id) {
        request.headers_mut().insert(REQUEST_ID, value);
    }
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let is_api = is_api(request.uri().path());
    let span = tracing::info_span!(
        "http.request",
        http.method = %method,
        http.route = %route,
        http.status = tracing::field::Empty,
        request.id = %id,
    );
    let began = Instant::now();
    let answered = AssertUnwindSafe(next.run(request).instrument(span.clone()))
        .catch_unwind()
        .await;
    let response = match answered {
        Ok(response) => response,
        Err(_) => {
            let _entered = span.enter();
            Problem(Error::internal("internal.panic", "a handler panicked")).into_response()
        }
    };
    let response = allowed_methods(&method, response);
    let mut response = if is_api {
        as_problem(response)
    } else {
        response
    };
    response = problem::rewrite(response, &id);
    if method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    headers(response.headers_mut(), state.config.secure_cookies, is_api);
    span.record("http.status", i64::from(response.status().as_u16()));
    count(&method, &route, response.status(), began);
    response
}

/// The caller's id for the request, where it is short and plain enough for a log.
fn given_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(&REQUEST_ID)?.to_str().ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!id.is_empty() && id.len() <= ID_LIMIT && id.chars().all(plain)).then(|| id.to_owned())
}

fn is_api(path: &str) -> bool {
    ["/api", "/health", "/metrics"].iter().any(|start| {
        path.strip_prefix(start)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// OPTIONS tells what a place takes; no other site gets a permission out of it (no CORS headers).
fn allowed_methods(method: &Method, mut response: Response) -> Response {
    if method == Method::OPTIONS && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        *response.status_mut() = StatusCode::NO_CONTENT;
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.headers_mut().remove(header::CONTENT_TYPE);
        response.extensions_mut().remove::<Error>();
    }
    response
}

/// Errors that the framework made itself, said as ours are. What is JSON already stays.
fn as_problem(response: Response) -> Response {
    let status = response.status();
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("json"));
    if !(status.is_client_error() || status.is_server_error())
        || is_json
        || response.extensions().get::<Error>().is_some()
    {
        return response;
    }
    let error = match status {
        StatusCode::NOT_FOUND => no_such_route(),
        StatusCode::METHOD_NOT_ALLOWED => Error::not_found(
            "route.method_not_allowed",
            "this address does not take that method; the Allow header says which it takes",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => Error::limit(
            "body.too_large",
            "the body is larger than this address takes",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Error::invalid(
            "body.unsupported_encoding",
            "the body may be sent plain or with Content-Encoding: gzip",
        ),
        status if status.is_client_error() => {
            Error::invalid("request.malformed", "the request can't be read")
        }
        _ => Error::new(Kind::Internal, "internal.failed", "a layer failed"),
    };
    let allow = response.headers().get(header::ALLOW).cloned();
    let mut made = Problem(error).into_response();
    if let Some(allow) = allow {
        made.headers_mut().insert(header::ALLOW, allow);
    }
    made
}

/// The answer for an address that leads nowhere.
#[must_use]
pub fn no_such_route() -> Error {
    Error::not_found(
        "route.not_found",
        "there is nothing at this address; /api/meta/openapi.json lists what there is",
    )
}

fn headers(headers: &mut HeaderMap, is_secure: bool, is_api: bool) {
    let mut default = |name: HeaderName, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(header::REFERRER_POLICY, "same-origin");
    default(header::X_FRAME_OPTIONS, "DENY");
    default(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    if is_api {
        default(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        );
        default(header::CACHE_CONTROL, "no-store");
    }
    if is_secure {
        default(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}

fn count(method: &Method, route: &str, status: StatusCode, began: Instant) {
    // A method that no route knows would make a new series for each invention.
    let method = match method.as_str() {
        known @ ("GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS") => {
            known.to_owned()
        }
        _ => "other".to_owned(),
    };
    let labels = [("method", method), ("route", route.to_owned())];
    metrics::histogram!("gna_http_request_seconds", &labels).record(began.elapsed().as_secs_f64());
    let [method, route] = labels;
    let status = ("status", status.as_u16().to_string());
    metrics::counter!("gna_http_requests_total", &[method, route, status]).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_ids_are_taken_over() {
        for (sent, taken) in [
            ("abc-1.2_Z", true),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            (&"a".repeat(64), true),
            (&"a".repeat(65), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, sent.parse().expect("a value"));
            assert_eq!(given_id(&headers).is_some(), taken, "{sent}");
        }
    }

    #[test]
    fn only_whole_path_segments_make_an_address_the_apis() {
        for (path, api) in [
            ("/api", true),
            ("/api/v2/x", true),
            ("/apis", false),
            ("/health/live", true),
            ("/metrics", true),
            ("/", false),
        ] {
            assert_eq!(is_api(path), api, "{path}");
        }
    }
}
