//! Gna over HTTP. Handlers extract, make one call of a service and make a view of its answer: no
//! rule, no store and no secret is here.
//!
//! [`app`] is the whole. Read [`auth`] first (who calls, and what keeps other sites out), then
//! [`rest`] (routes as a table), [`ui`] (pages) and [`problem`] (errors).

mod adopter;
pub mod auth;
pub mod compat;
pub mod export;
pub mod extract;
pub mod graphql;
mod markdown;
pub mod middleware;
pub mod numbers;
pub mod operator;
mod policy_fields;
pub mod problem;
mod recency;
pub mod rest;
pub mod state;
pub mod streams;
pub mod ui;

pub use state::{ApiConfig, AppState, FriggConfig};
pub use streams::Streams;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use tower::ServiceBuilder;
use tower::util::MapRequestLayer;
use tower_http::compression::CompressionLayer;
use tower_http::decompression::{DecompressionBody, RequestDecompressionLayer};

/// Everything that the server answers: GraphQL, REST, pages, health and numbers.
pub fn app(state: AppState) -> Router {
    rest::install_metrics();
    let rest = rest::router()
        .layer(from_fn(middleware::pages))
        .layer(from_fn_with_state(state.clone(), middleware::idempotency))
        .layer(
            ServiceBuilder::new()
                .layer(CompressionLayer::new())
                .layer(RequestDecompressionLayer::new())
                .layer(MapRequestLayer::new(
                    |request: axum::http::Request<DecompressionBody<Body>>| request.map(Body::new),
                )),
        )
        .layer(from_fn(keep_reports_compressed));
    Router::new()
        .merge(rest)
        .merge(compat::frigg::router())
        .merge(graphql::router(&state))
        .merge(ui::router())
        .fallback(|| async { problem::Problem(middleware::no_such_route()) })
        .layer(from_fn_with_state(state.clone(), middleware::rate))
        .layer(from_fn_with_state(state.clone(), middleware::recency))
        .layer(from_fn_with_state(state.clone(), middleware::envelope))
        .with_state(state)
}

/// The importer unpacks reports itself, within its limits; what is sent as a bare body stays as it
/// is.
async fn keep_reports_compressed(
    mut request: Request,
    next: axum::middleware::Next,
) -> axum::response::Response {
    let is_form =
        extract::content_type(request.headers()).is_some_and(|kind| kind == "multipart/form-data");
    let is_gzip = request
        .headers()
        .get(header::CONTENT_ENCODING)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"));
    if rest::is_upload(request.method().as_str(), request.uri().path()) && !is_form && is_gzip {
        request.headers_mut().remove(header::CONTENT_ENCODING);
    }
    next.run(request).await
}
