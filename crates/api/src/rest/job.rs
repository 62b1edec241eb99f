//! Durable work: what waits and what was given up.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use gna_domain::id::OrganizationId;
use gna_domain::model::{Job, JobState, Queue};
use gna_domain::page::Cursor;
use gna_domain::port::store::Stored;
use gna_domain::service::job;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::organization::named;
use super::view::{ListView, PageParams, ProblemView};
use crate::auth::Auth;
use crate::extract::{self, Params, id};
use crate::problem::Problem;

/// A piece of durable work.
#[derive(Serialize, ToSchema)]
pub struct JobView {
    id: String,
    /// Whose work it is; null for the instance's own.
    organization: Option<String>,
    /// Names the handler.
    #[schema(example = "import.report")]
    kind: String,
    /// `WAITING`, `RUNNING`, `DEAD`; for a day also `DONE` and `CANCELLED`.
    #[schema(value_type = String, example = "DEAD")]
    state: JobState,
    /// When it may be taken; while it runs, when its lease ends.
    #[schema(format = DateTime)]
    due: String,
    /// Failures so far.
    attempts: u32,
    max_attempts: u32,
    /// How often a person had it done again after it was given up.
    replays: u32,
    /// Jobs with the same lane take turns.
    #[schema(example = "asset:ast_01934a5b6c7d7e8f9a0b1c2d3e4f5061")]
    lane: Option<String>,
    /// What the handler needs: ids, not content.
    #[schema(value_type = Object)]
    payload: serde_json::Value,
    /// Why the last try failed, without what may be a secret.
    last_error: Option<String>,
    /// Who wanted it to end.
    cancelled_by: Option<String>,
    #[schema(format = DateTime)]
    created: String,
    #[schema(format = DateTime)]
    finished: Option<String>,
}

impl From<Stored<Job>> for JobView {
    fn from(stored: Stored<Job>) -> Self {
        let state = stored.state();
        let job = stored.value;
        Self {
            id: job.id.to_string(),
            organization: job
                .organization
                .map(|organization| organization.to_string()),
            kind: job.kind,
            state,
            due: job.due.to_string(),
            attempts: job.attempts,
            max_attempts: job.max_attempts,
            replays: job.replays,
            lane: job.lane,
            payload: job.payload,
            last_error: job.last_error,
            cancelled_by: job.cancelled_by,
            created: job.created.to_string(),
            finished: job.finished.map(|at| at.to_string()),
        }
    }
}

/// Which jobs.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters; they are read one by one"
)]
pub struct JobParams {
    /// Slug or id; the whole instance if left out.
    organization: Option<String>,
    /// `dead`: given up; `ready`: waiting or running.
    #[param(default = "dead")]
    queue: Option<String>,
}

/// Unfinished work: dead letters with the last given up first, ready ones with the next due first.
/// Needs `job.read` in the organization, or `instance.read`.
#[utoipa::path(get, path = "/api/v2/jobs", tag = "jobs", params(JobParams, PageParams),
    responses((status = 200, body = ListView<JobView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(auth: Auth, mut params: Params) -> Result<Json<ListView<JobView>>, Problem> {
    let ctx = auth.ctx();
    let organization = params.one("organization")?;
    let queue = params.read("queue", "dead or ready", |text| match text {
        "dead" => Some(Queue::Dead),
        "ready" => Some(Queue::Ready),
        _ => None,
    })?;
    let page = params.page()?;
    params.done()?;
    let organization: Option<OrganizationId> = match organization {
        Some(name) => Some(named(ctx, &name).await?.id),
        None => None,
    };
    let page = job::list(ctx, organization, queue.unwrap_or(Queue::Dead), page).await?;
    Ok(Json(ListView::page(page, JobView::from)))
}

/// One job; a finished one is kept for a day.
#[utoipa::path(get, path = "/api/v2/jobs/{job}", tag = "jobs", params(("job" = String, Path)),
    responses((status = 200, body = JobView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn show(auth: Auth, Path(text): Path<String>) -> Result<Json<JobView>, Problem> {
    let id = id::<Job>(auth.ctx(), &text)?;
    Ok(Json(job::get(auth.ctx(), id).await?.into()))
}

/// Has a dead letter done again from the start. Needs `job.manage` or `instance.manage`.
#[utoipa::path(post, path = "/api/v2/jobs/{job}/replay", tag = "jobs", params(("job" = String, Path)),
    responses((status = 200, body = JobView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn replay(auth: Auth, Path(text): Path<String>) -> Result<Json<JobView>, Problem> {
    let id = id::<Job>(auth.ctx(), &text)?;
    Ok(Json(job::replay(auth.ctx(), id).await?.into()))
}

/// Which dead letters.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobsReplayBody {
    /// Slug or id; the whole instance if left out.
    #[serde(default)]
    organization: Option<String>,
    /// Only those of this kind.
    #[serde(default)]
    #[schema(example = "webhook.deliver")]
    kind: Option<String>,
    /// To go on: `next` of the answer before.
    #[serde(default)]
    after: Option<String>,
}

/// How far it came.
#[derive(Serialize, ToSchema)]
pub struct JobsReplayView {
    /// Jobs that are done again.
    jobs: usize,
    /// There may be more: call again with it as `after`.
    next: Option<String>,
}

/// Has all dead letters done again, the ones given up last first; looks at up to 1,000 per call. Needs
/// `job.manage` in the organization, or `instance.manage`.
#[utoipa::path(post, path = "/api/v2/jobs/replay", tag = "jobs", request_body = JobsReplayBody,
    responses((status = 200, body = JobsReplayView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn replay_all(
    auth: Auth,
    extract::Json(body): extract::Json<JobsReplayBody>,
) -> Result<Json<JobsReplayView>, Problem> {
    let ctx = auth.ctx();
    let organization = match &body.organization {
        Some(name) => Some(named(ctx, name).await?.id),
        None => None,
    };
    let after = body.after.map(Cursor);
    let replayed = job::replay_all(ctx, organization, body.kind.as_deref(), after).await?;
    Ok(Json(JobsReplayView {
        jobs: replayed.jobs,
        next: replayed.next.map(|next| next.0),
    }))
}

/// Ends a job that waits or runs. Needs `job.manage` or `instance.manage`.
#[utoipa::path(post, path = "/api/v2/jobs/{job}/cancel", tag = "jobs", params(("job" = String, Path)),
    responses((status = 200, body = JobView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn cancel(auth: Auth, Path(text): Path<String>) -> Result<Json<JobView>, Problem> {
    let id = id::<Job>(auth.ctx(), &text)?;
    Ok(Json(job::cancel(auth.ctx(), id).await?.into()))
}

/// Removes a dead letter for good. Needs `job.manage` or `instance.manage`.
#[utoipa::path(delete, path = "/api/v2/jobs/{job}", tag = "jobs", params(("job" = String, Path)),
    responses((status = 204), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn discard(auth: Auth, Path(text): Path<String>) -> Result<StatusCode, Problem> {
    let id = id::<Job>(auth.ctx(), &text)?;
    job::discard(auth.ctx(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}
