//! Numbers for Prometheus (text format 0.0.4). Whoever may read them: a token with `instance.read`,
//! the configured key, and, where the configuration says so, programs on the same machine.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use gna_domain::ctx::Resource;
use gna_domain::policy::Action;
use gna_domain::secret::Secret;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;

use crate::auth::Auth;
use crate::operator::is_local;
use crate::problem::Problem;
use crate::state::AppState;

/// Seconds; from a look into the cache to a large upload that is waited for.
const BUCKETS: &[f64] = &[0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0];

static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Starts counting, once for the process. Where someone else counts already (a test, a program that
/// embeds us), `/metrics` is empty.
pub fn install() -> Option<&'static PrometheusHandle> {
    HANDLE
        .get_or_init(|| {
            let builder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), BUCKETS)
                .ok()?;
            let handle = builder.install_recorder().ok()?;
            describe();
            Some(handle)
        })
        .as_ref()
}

fn describe() {
    metrics::describe_counter!(
        "gna_http_requests_total",
        "Requests, by method, route and status"
    );
    metrics::describe_histogram!("gna_http_request_seconds", "Time to the head of the answer");
    metrics::describe_counter!("gna_reports_uploaded_total", "Reports taken in, by way");
    metrics::describe_counter!(
        "gna_exported_rows_total",
        "Vulnerabilities exported, by format"
    );
    metrics::describe_gauge!(
        "gna_search_behind",
        "1 while the search index follows the store and is not there yet"
    );
    metrics::describe_gauge!(
        "gna_search_behind_entries",
        "Entries of the store's feed that the search index has yet to follow, counted up to 2,000"
    );
}

/// Puts what was measured into its buckets. To be called every few seconds; reading does it too.
pub fn upkeep() {
    if let Some(handle) = install() {
        handle.run_upkeep();
    }
}

/// Up to how many entries are counted.
const FEED_BOUND: usize = 2_000;

/// How far the search index is behind the store, in entries of the feed.
async fn behind(state: &AppState) -> gna_domain::Result<usize> {
    let Some(at) = super::health::search_position(state).await? else {
        return Ok(FEED_BOUND);
    };
    match state.ports.store.feed(Some(&at), FEED_BOUND).await {
        Ok(entries) => Ok(entries.len()),
        // The index must be made anew.
        Err(error) if error.code() == "feed.gap" => Ok(FEED_BOUND),
        Err(error) => Err(error),
    }
}

/// Everything that is counted. Needs `instance.read`, or the configured key as bearer token.
#[utoipa::path(get, path = "/metrics", tag = "health",
    responses((status = 200, content_type = "text/plain", body = String), (status = "default", body = super::view::ProblemView, content_type = "application/problem+json")))]
pub async fn show(
    State(state): State<AppState>,
    request: axum::extract::Request,
) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    let local = state.config.metrics_on_loopback && is_local(&parts);
    if !local && !has_key(&state, &parts.headers) {
        let auth = <Auth as axum::extract::FromRequestParts<AppState>>::from_request_parts(
            &mut parts, &state,
        )
        .await?;
        auth.ctx()
            .permit(Action::InstanceRead, Resource::Instance)?;
    }
    // An index that doesn't answer is behind, and no reason to keep all other numbers back.
    let behind = behind(&state).await.unwrap_or_else(|error| {
        crate::problem::log(&error);
        FEED_BOUND
    });
    let behind = u32::try_from(behind).unwrap_or(u32::MAX);
    metrics::gauge!("gna_search_behind").set(f64::from(behind.min(1)));
    metrics::gauge!("gna_search_behind_entries").set(f64::from(behind));
    if let Some(gauges) = &state.gauges
        && let Err(error) = gauges.look().await
    {
        crate::problem::log(&error);
    }
    let text = install().map(PrometheusHandle::render).unwrap_or_default();
    Ok((
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
        .into_response())
}

fn has_key(state: &AppState, headers: &HeaderMap) -> bool {
    let sent = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    match (sent, &state.config.metrics_key) {
        (Some(sent), Some(digest)) => Secret::new(sent).matches_digest(digest),
        _ => false,
    }
}
