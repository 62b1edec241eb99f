//! Health: for load balancers (nothing but yes or no) and, with a token, for operators.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use gna_domain::Error;
use gna_domain::ctx::Resource;
use gna_domain::policy::Action;
use gna_domain::port::vault::{Binding, Tenant};
use gna_domain::secret::Secret;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

use crate::auth::Auth;
use crate::problem::Problem;
use crate::state::AppState;

/// Longest wait for the search index: who watches wants an answer, also where it is away.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the server is.
#[derive(Serialize, ToSchema)]
pub struct HealthView {
    #[schema(example = "alive")]
    status: &'static str,
}

/// Whether requests can be served.
#[derive(Serialize, ToSchema)]
pub struct ReadyView {
    /// `ok` or `failing`.
    #[schema(example = "ok")]
    status: &'static str,
    ready: bool,
    checks: ReadyChecksView,
}

/// What was looked at.
#[derive(Serialize, ToSchema)]
pub struct ReadyChecksView {
    database: bool,
    modules: bool,
}

/// Whether the process answers.
#[utoipa::path(get, path = "/health/live", tag = "health", security(()),
    responses((status = 200, body = HealthView)))]
pub async fn live() -> Json<HealthView> {
    Json(HealthView { status: "alive" })
}

/// Whether requests can be served: the store answers.
#[utoipa::path(get, path = "/health/ready", tag = "health", security(()),
    responses((status = 200, body = ReadyView), (status = 503, body = ReadyView)))]
pub async fn ready(State(state): State<AppState>) -> (StatusCode, Json<ReadyView>) {
    let store = state.ports.store.feed_end().await;
    if let Err(error) = &store {
        crate::problem::log(error);
    }
    let is_ready = store.is_ok();
    let view = ReadyView {
        status: word(is_ready),
        ready: is_ready,
        checks: ReadyChecksView {
            database: is_ready,
            // Without them the server would not have started.
            modules: true,
        },
    };
    (status(is_ready), Json(view))
}

fn word(is_good: bool) -> &'static str {
    if is_good { "ok" } else { "failing" }
}

fn status(is_good: bool) -> StatusCode {
    if is_good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

/// The parts and how each is.
#[derive(Serialize, ToSchema)]
pub struct DetailView {
    status: &'static str,
    version: &'static str,
    store: StoreView,
    search: SearchView,
    checks: ChecksView,
    /// What goes on in the background of this process.
    tasks: Vec<TaskView>,
    /// How long it took to look, in milliseconds.
    #[serde(rename = "responseTime")]
    response_time: i64,
}

/// Each `ok` or `failing`.
#[derive(Serialize, ToSchema)]
pub struct ChecksView {
    database: &'static str,
    /// A text was sealed by the vault and opened again.
    encryption: &'static str,
    /// How many apps can be connected.
    integrations: usize,
}

/// A task that goes on for as long as the server does.
#[derive(Serialize, ToSchema)]
pub struct TaskView {
    #[schema(example = "worker")]
    name: &'static str,
    /// `ok`, or `failing`: it stopped, or was begun again less than a minute ago.
    status: &'static str,
    /// How often it stopped and was begun again.
    restarts: u64,
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
    /// `current`, `behind` (it follows the store and is not there yet), `empty`, or `failing`: it does
    /// not answer; what needs no search is served.
    status: &'static str,
}

/// What the server consists of and how each part is; 503 where one is `failing`. Needs `instance.read`, or the configured key in the
/// header `x-frigg-health-api-key`.
#[utoipa::path(get, path = "/health/detailed", tag = "health",
    responses((status = 200, body = DetailView), (status = 503, body = DetailView), (status = "default", body = super::view::ProblemView, content_type = "application/problem+json")))]
pub async fn detailed(
    auth: Auth,
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<DetailView>), Problem> {
    if !has_key(&state, &headers) {
        auth.ctx()
            .permit(Action::InstanceRead, Resource::Instance)?;
    }
    let began = state.ports.clock.now();
    let (end, position, encryption) = futures::join!(
        state.ports.store.feed_end(),
        search_position(&state),
        sealing(&state),
    );
    let failures = [
        end.as_ref().err(),
        position.as_ref().err(),
        encryption.as_ref().err(),
    ];
    for error in failures.into_iter().flatten() {
        crate::problem::log(error);
    }
    let search = match (&end, &position) {
        (_, Err(_)) => word(false),
        (_, Ok(None)) => "empty",
        (Ok(end), Ok(Some(at))) if state.ports.store.feed_reached(at, end) => "current",
        _ => "behind",
    };
    let tasks = state.tasks.as_ref().map(|tasks| tasks.look());
    let tasks = tasks.unwrap_or_default();
    let all_well = tasks.iter().all(|task| task.is_well);
    let is_good = end.is_ok() && position.is_ok() && encryption.is_ok() && all_well;
    let store = word(end.is_ok());
    let view = DetailView {
        status: word(is_good),
        version: env!("CARGO_PKG_VERSION"),
        store: StoreView {
            backend: state.ports.store.backend(),
            status: store,
        },
        search: SearchView {
            backend: state.ports.search.name(),
            status: search,
        },
        checks: ChecksView {
            database: store,
            encryption: word(encryption.is_ok()),
            integrations: state.apps.modules().len(),
        },
        tasks: tasks
            .into_iter()
            .map(|task| TaskView {
                name: task.name,
                status: word(task.is_well),
                restarts: task.restarts,
            })
            .collect(),
        response_time: state.ports.clock.now().millis() - began.millis(),
    };
    Ok((status(is_good), Json(view)))
}

fn has_key(state: &AppState, headers: &HeaderMap) -> bool {
    let sent = headers.get("x-frigg-health-api-key");
    let sent = sent.and_then(|key| key.to_str().ok()).map(Secret::new);
    match (&state.config.frigg.health_key, sent) {
        (Some(digest), Some(key)) => key.matches_digest(digest),
        _ => false,
    }
}

/// Seals a text and opens it again, as connecting an account would.
async fn sealing(state: &AppState) -> gna_domain::Result<()> {
    let binding = Binding::new(Tenant::Instance, "health", "probe");
    let probe = Secret::new("probe");
    let sealed = state.ports.vault.seal(&binding, &probe).await?;
    let opened = state.ports.vault.open(&binding, &sealed).await?;
    if opened.expose() == probe.expose() {
        return Ok(());
    }
    Err(Error::internal(
        "vault.unreadable",
        "what the vault seals does not come back as it was",
    ))
}

/// How far the index has followed the store, if it tells within [`PATIENCE`].
///
/// # Errors
/// `search.unavailable`; the index's.
pub async fn search_position(
    state: &AppState,
) -> gna_domain::Result<Option<gna_domain::port::store::FeedPosition>> {
    let asked = tokio::time::timeout(PATIENCE, state.ports.search.position());
    let position = asked.await.unwrap_or_else(|_| {
        let says = "the search index does not answer in time; try again";
        Err(Error::unavailable("search.unavailable", says))
    })?;
    Ok(position.map(gna_domain::port::store::FeedPosition))
}
