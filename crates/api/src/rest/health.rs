//! Health: for load balancers (nothing but yes or no) and, with a token, for operators.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use gna_domain::ctx::Resource;
use gna_domain::policy::Action;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Auth;
use crate::problem::Problem;
use crate::state::AppState;

/// How the server is.
#[derive(Serialize, ToSchema)]
pub struct HealthView {
    /// `ok` or `failing`.
    #[schema(example = "ok")]
    status: &'static str,
}

const OK: HealthView = HealthView { status: "ok" };

/// Whether the process answers.
#[utoipa::path(get, path = "/health/live", tag = "health", security(()),
    responses((status = 200, body = HealthView)))]
pub async fn live() -> Json<HealthView> {
    Json(OK)
}

/// Whether requests can be served: the store answers.
#[utoipa::path(get, path = "/health/ready", tag = "health", security(()),
    responses((status = 200, body = HealthView), (status = 503, body = HealthView)))]
pub async fn ready(State(state): State<AppState>) -> (StatusCode, Json<HealthView>) {
    match state.ports.store.feed_end().await {
        Ok(_) => (StatusCode::OK, Json(OK)),
        Err(error) => {
            crate::problem::log(&error);
            let failing = HealthView { status: "failing" };
            (StatusCode::SERVICE_UNAVAILABLE, Json(failing))
        }
    }
}

/// The parts and how each is.
#[derive(Serialize, ToSchema)]
pub struct DetailView {
    status: &'static str,
    version: &'static str,
    store: StoreView,
    search: SearchView,
}

/// The store.
#[derive(Serialize, ToSchema)]
pub struct StoreView {
    #[schema(example = "sqlite")]
    backend: &'static str,
    status: &'static str,
}

/// The search index.
#[derive(Serialize, ToSchema)]
pub struct SearchView {
    #[schema(example = "sqlite")]
    backend: &'static str,
    /// `current`, `behind` (it follows the store and is not there yet) or `empty`.
    status: &'static str,
}

/// What the server consists of and how each part is. Needs `instance.read`.
#[utoipa::path(get, path = "/health/detailed", tag = "health",
    responses((status = 200, body = DetailView), (status = "default", body = super::view::ProblemView, content_type = "application/problem+json")))]
pub async fn detailed(
    auth: Auth,
    State(state): State<AppState>,
) -> Result<Json<DetailView>, Problem> {
    auth.ctx()
        .permit(Action::InstanceRead, Resource::Instance)?;
    let end = state.ports.store.feed_end().await;
    let search = match (&end, search_position(&state).await?) {
        (_, None) => "empty",
        (Ok(end), Some(at)) if state.ports.store.feed_reached(&at, end) => "current",
        _ => "behind",
    };
    let store = if end.is_ok() { "ok" } else { "failing" };
    Ok(Json(DetailView {
        status: store,
        version: env!("CARGO_PKG_VERSION"),
        store: StoreView {
            backend: state.ports.store.backend(),
            status: store,
        },
        search: SearchView {
            backend: state.ports.search.name(),
            status: search,
        },
    }))
}

/// How far the index has followed the store.
pub async fn search_position(
    state: &AppState,
) -> gna_domain::Result<Option<gna_domain::port::store::FeedPosition>> {
    let position = state.ports.search.position().await?;
    Ok(position.map(gna_domain::port::store::FeedPosition))
}
