//! How far a request's commits reach, said in its answer; and how recent what it reads must be, taken
//! from the request. [`crate::recency`] tells what for.

use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;
use crate::recency::{POSITION, Recency, STALE};
use crate::state::AppState;

/// The layer.
pub async fn around(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let recency = match Recency::of(request.headers(), &state.ports) {
        Ok(recency) => recency,
        Err(error) => return Problem(error).into_response(),
    };
    request.extensions_mut().insert(recency.clone());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if let Some(position) = recency.header() {
        headers.insert(POSITION, position);
    }
    if recency.is_stale() {
        headers.insert(STALE, HeaderValue::from_static("true"));
    }
    response
}
