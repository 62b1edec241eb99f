//! Schedules: what makes jobs, and when.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use gna_domain::Error;
use gna_domain::model::{Overlap, Schedule, Timing};
use gna_domain::port::store::Stored;
use gna_domain::service::schedule::{self, NewSchedule};
use gna_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::organization::named;
use super::view::{ListView, PageParams, ProblemView};
use crate::auth::Auth;
use crate::extract::{self, Params, id};
use crate::problem::Problem;
use crate::state::AppState;

/// What makes jobs, and when.
#[derive(Serialize, ToSchema)]
pub struct ScheduleView {
    id: String,
    /// Whose it is; null for the instance's own.
    organization: Option<String>,
    #[schema(example = "store.tidy")]
    name: String,
    /// The kind of the jobs it makes.
    #[schema(example = "store.tidy")]
    job: String,
    #[schema(value_type = Object)]
    payload: serde_json::Value,
    /// Five fields, in the time of `zone`.
    #[schema(example = "30 2 * * 1-5")]
    cron: Option<String>,
    #[schema(example = "Europe/Berlin")]
    zone: Option<String>,
    every_seconds: Option<u32>,
    /// The time of a schedule that runs once.
    #[schema(format = DateTime)]
    at: Option<String>,
    /// `SKIP` or `QUEUE`: what becomes of a run while the one before is not finished.
    #[schema(value_type = String, example = "SKIP")]
    overlap: Overlap,
    /// Runs come up to so many seconds later, always by the same.
    spread_seconds: u32,
    enabled: bool,
    #[schema(format = DateTime)]
    next_run: Option<String>,
    #[schema(format = DateTime)]
    last_run: Option<String>,
    /// The job of the last run; kept for a day after it is done.
    last_job: Option<String>,
    /// When a run was last left out because of the one before.
    #[schema(format = DateTime)]
    last_skipped: Option<String>,
    #[schema(format = DateTime)]
    created: String,
    version: u64,
}

impl From<Stored<Schedule>> for ScheduleView {
    fn from(stored: Stored<Schedule>) -> Self {
        let schedule = stored.value;
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let (cron, zone, every_seconds, at) = match schedule.timing {
            Timing::Cron { expression, zone } => (Some(expression), Some(zone), None, None),
            Timing::Every { seconds } => (None, None, Some(seconds), None),
            Timing::Once { at } => (None, None, None, Some(at)),
        };
        Self {
            id: schedule.id.to_string(),
            organization: schedule.organization.map(|of| of.to_string()),
            name: schedule.name,
            job: schedule.job,
            payload: schedule.payload,
            cron,
            zone,
            every_seconds,
            at: text(at),
            overlap: schedule.overlap,
            spread_seconds: schedule.spread_ms / 1_000,
            enabled: schedule.armed,
            next_run: text(schedule.due),
            last_run: text(schedule.last.as_ref().map(|last| last.at)),
            last_job: schedule.last.map(|last| last.job.to_string()),
            last_skipped: text(schedule.skipped),
            created: schedule.created.to_string(),
            version: stored.version,
        }
    }
}

/// A schedule to be made: with `cron`, `every_seconds` or `at`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewScheduleBody {
    /// Slug or id; the instance's own if left out.
    #[serde(default)]
    organization: Option<String>,
    /// 1 to 100 of a-z, 0-9, dot, - and _; unique among those of its owner.
    name: String,
    /// A kind of job; `GET /api/v2/functions` lists them.
    job: String,
    /// What the jobs are given.
    #[serde(default)]
    #[schema(value_type = Object)]
    payload: serde_json::Value,
    #[serde(default)]
    cron: Option<String>,
    /// `UTC` if left out.
    #[serde(default)]
    zone: Option<String>,
    #[serde(default)]
    every_seconds: Option<u32>,
    /// RFC 3339.
    #[serde(default)]
    at: Option<String>,
    #[serde(default)]
    #[schema(value_type = String)]
    overlap: Overlap,
    #[serde(default)]
    spread_seconds: u32,
}

/// Exactly one way to say when.
///
/// # Errors
/// `schedule.timing`, `time.malformed`.
pub(crate) fn timing(
    cron: Option<String>,
    zone: Option<String>,
    every_seconds: Option<u32>,
    at: Option<Timestamp>,
) -> Result<Timing, Error> {
    match (cron, every_seconds, at) {
        (Some(expression), None, None) => Ok(Timing::Cron {
            expression,
            zone: zone.unwrap_or_else(|| "UTC".to_owned()),
        }),
        (None, Some(seconds), None) => Ok(Timing::Every { seconds }),
        (None, None, Some(at)) => Ok(Timing::Once { at }),
        _ => Err(Error::invalid(
            "schedule.timing",
            "say when in exactly one way: cron, every_seconds or at",
        )),
    }
}

/// Whose schedules.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters; they are read one by one"
)]
pub struct ScheduleParams {
    /// Slug or id; the instance's own if left out.
    organization: Option<String>,
}

/// Schedules by name. Needs `job.read` in the organization, or `instance.read`.
#[utoipa::path(get, path = "/api/v2/schedules", tag = "schedules", params(ScheduleParams, PageParams),
    responses((status = 200, body = ListView<ScheduleView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(auth: Auth, mut params: Params) -> Result<Json<ListView<ScheduleView>>, Problem> {
    let ctx = auth.ctx();
    let organization = params.one("organization")?;
    let page = params.page()?;
    params.done()?;
    let organization = match organization {
        Some(name) => Some(named(ctx, &name).await?.id),
        None => None,
    };
    let page = schedule::list(ctx, organization, page).await?;
    Ok(Json(ListView::page(page, ScheduleView::from)))
}

/// One schedule, with its last and next run.
#[utoipa::path(get, path = "/api/v2/schedules/{schedule}", tag = "schedules", params(("schedule" = String, Path)),
    responses((status = 200, body = ScheduleView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn show(auth: Auth, Path(text): Path<String>) -> Result<Json<ScheduleView>, Problem> {
    let id = id::<Schedule>(auth.ctx(), &text)?;
    Ok(Json(schedule::get(auth.ctx(), id).await?.into()))
}

/// Makes a schedule. Needs `instance.manage`: its jobs run with all rights.
#[utoipa::path(post, path = "/api/v2/schedules", tag = "schedules", request_body = NewScheduleBody,
    responses((status = 201, body = ScheduleView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn create(
    auth: Auth,
    State(state): State<AppState>,
    extract::Json(new): extract::Json<NewScheduleBody>,
) -> Result<(StatusCode, Json<ScheduleView>), Problem> {
    let ctx = auth.ctx();
    let organization = match new.organization {
        Some(name) => Some(named(ctx, &name).await?.id),
        None => None,
    };
    let at = new.at.as_deref().map(Timestamp::parse).transpose();
    let at = at.map_err(|error| error.on_field("at"))?;
    let wanted = NewSchedule {
        organization,
        name: new.name,
        timing: timing(new.cron, new.zone, new.every_seconds, at)?,
        overlap: new.overlap,
        spread_ms: new.spread_seconds.saturating_mul(1_000),
        job: new.job,
        payload: new.payload,
    };
    let made = schedule::create(ctx, wanted, &state.config.job_kinds()).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Switches a schedule on; it runs from now on. Needs `job.manage` or `instance.manage`.
#[utoipa::path(post, path = "/api/v2/schedules/{schedule}/enable", tag = "schedules", params(("schedule" = String, Path)),
    responses((status = 200, body = ScheduleView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn enable(auth: Auth, Path(text): Path<String>) -> Result<Json<ScheduleView>, Problem> {
    let id = id::<Schedule>(auth.ctx(), &text)?;
    Ok(Json(schedule::switch(auth.ctx(), id, true).await?.into()))
}

/// Switches a schedule off. Needs `job.manage` or `instance.manage`.
#[utoipa::path(post, path = "/api/v2/schedules/{schedule}/disable", tag = "schedules", params(("schedule" = String, Path)),
    responses((status = 200, body = ScheduleView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn disable(auth: Auth, Path(text): Path<String>) -> Result<Json<ScheduleView>, Problem> {
    let id = id::<Schedule>(auth.ctx(), &text)?;
    Ok(Json(schedule::switch(auth.ctx(), id, false).await?.into()))
}

/// Starts a run now; the next one stays when it was. Needs `job.manage` or `instance.manage`.
#[utoipa::path(post, path = "/api/v2/schedules/{schedule}/run", tag = "schedules", params(("schedule" = String, Path)),
    responses((status = 200, body = ScheduleView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn run(auth: Auth, Path(text): Path<String>) -> Result<Json<ScheduleView>, Problem> {
    let id = id::<Schedule>(auth.ctx(), &text)?;
    Ok(Json(schedule::run_now(auth.ctx(), id).await?.into()))
}

/// Removes a schedule; jobs that it made go on. Needs `job.manage` or `instance.manage`.
#[utoipa::path(delete, path = "/api/v2/schedules/{schedule}", tag = "schedules", params(("schedule" = String, Path)),
    responses((status = 204), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn remove(auth: Auth, Path(text): Path<String>) -> Result<StatusCode, Problem> {
    let id = id::<Schedule>(auth.ctx(), &text)?;
    schedule::delete(auth.ctx(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}
