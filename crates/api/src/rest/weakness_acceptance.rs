//! Weaknesses that an organization bears in all its groups.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use gna_domain::Ctx;
use gna_domain::error::{Error, Result};
use gna_domain::id::{OrganizationId, RuleId};
use gna_domain::model::{
    AcceptanceRun, AcceptanceRunStatus, WeaknessAcceptance, WeaknessAcceptanceStatus,
};
use gna_domain::port::store::Stored;
use gna_domain::service::weakness_acceptance::{self as service, Command, Draft};
use gna_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::organization::named;
use super::view::{FailureView, ListView, NoteView, PageParams, ProblemView};
use crate::auth::Auth;
use crate::extract::{self, Params};
use crate::problem::Problem;

/// That an organization bears a weakness wherever it is found in its groups.
#[derive(Serialize, ToSchema)]
pub struct WeaknessAcceptanceView {
    /// Also `rule` in the history of what it decided on.
    id: String,
    /// `CWE-79`, a public name, or `TOOL:RULE`.
    #[schema(example = "CVE-2021-44228")]
    weakness: String,
    /// When it ends; null: for good.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// Only vulnerabilities with one of these; empty: all.
    tags: Vec<String>,
    /// Only on assets with one of these; empty: all.
    asset_tags: Vec<String>,
    /// `SUBMITTED`, `APPROVED`, `REJECTED`, `INACTIVE`.
    #[schema(value_type = String, example = "APPROVED")]
    status: WeaknessAcceptanceStatus,
    /// Grows each time it is submitted; each version decides on a vulnerability once.
    version: u32,
    /// Version of the record, for `expected_version`.
    record_version: u64,
    #[schema(format = DateTime)]
    created: String,
    submitted: NoteView,
    /// Who approved or rejected it.
    decided: Option<NoteView>,
    /// Who made it inactive.
    ended: Option<NoteView>,
}

impl From<Stored<WeaknessAcceptance>> for WeaknessAcceptanceView {
    fn from(stored: Stored<WeaknessAcceptance>) -> Self {
        let record_version = stored.version;
        let of = stored.value;
        Self {
            id: of.id.to_string(),
            weakness: of.weakness.to_string(),
            until: of.until.map(|at| at.to_string()),
            tags: of.tags,
            asset_tags: of.asset_tags,
            status: of.status,
            version: of.version,
            record_version,
            created: of.created.to_string(),
            submitted: of.submitted.into(),
            decided: of.decided.map(Into::into),
            ended: of.ended.map(Into::into),
        }
    }
}

/// An acceptance on its way over what there is, or back.
#[derive(Serialize, ToSchema)]
pub struct AcceptanceRunView {
    id: String,
    /// Version of the acceptance.
    version: u32,
    /// It takes back what was set.
    back: bool,
    /// The one group that it is about; null: all of the organization.
    group: Option<String>,
    /// `QUEUED`, `RUNNING`, `COMPLETE`, `STOPPED`, `FAILED`.
    #[schema(value_type = String, example = "COMPLETE")]
    status: AcceptanceRunStatus,
    /// How many vulnerabilities it looks at, as counted when it began.
    total: Option<u64>,
    done: u64,
    /// How many of them were accepted, or are no longer.
    changed: u64,
    /// What policies refused, by code.
    refused: BTreeMap<String, u64>,
    /// Why it failed.
    failure: Option<FailureView>,
    #[schema(format = DateTime)]
    created: String,
    #[schema(format = DateTime)]
    finished: Option<String>,
}

impl From<Stored<AcceptanceRun>> for AcceptanceRunView {
    fn from(stored: Stored<AcceptanceRun>) -> Self {
        let run = stored.value;
        Self {
            id: run.id.to_string(),
            version: run.version,
            back: run.back,
            group: run.group.map(|group| group.to_string()),
            status: run.status,
            total: run.total,
            done: run.done,
            changed: run.changed,
            refused: run.refused,
            failure: run.failure.map(Into::into),
            created: run.created.to_string(),
            finished: run.finished.map(|at| at.to_string()),
        }
    }
}

/// What is asked to be accepted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WeaknessAcceptanceBody {
    /// `CWE-79`, a public name, or `TOOL:RULE`.
    weakness: String,
    /// When it ends by itself; for good if left out.
    #[serde(default)]
    #[schema(format = DateTime)]
    until: Option<String>,
    /// Only vulnerabilities with one of these tags.
    #[serde(default)]
    tags: Vec<String>,
    /// Only on assets with one of these tags.
    #[serde(default)]
    asset_tags: Vec<String>,
    /// Why; kept in the history of what it decides.
    reason: String,
}

/// Why it is decided that way.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptanceDecisionBody {
    /// Needed to reject one and to make it inactive.
    #[serde(default)]
    reason: Option<String>,
    /// `record_version` that was seen, to lose no race.
    #[serde(default)]
    expected_version: Option<u64>,
}

/// The organization and the acceptance that a path names.
async fn place(
    ctx: &Ctx,
    organization: &str,
    acceptance: &str,
) -> Result<(OrganizationId, RuleId)> {
    let organization = named(ctx, organization).await?.id;
    let acceptance = acceptance
        .parse()
        .map_err(|_| Error::not_found("not_found", "there is no such weakness acceptance"))?;
    Ok((organization, acceptance))
}

async fn submitted(
    ctx: &Ctx,
    organization: OrganizationId,
    again: Option<RuleId>,
    body: WeaknessAcceptanceBody,
) -> Result<Json<WeaknessAcceptanceView>> {
    let until = body.until.as_deref().map(Timestamp::parse).transpose();
    let draft = Draft {
        weakness: body.weakness,
        until: until.map_err(|error| error.on_field("until"))?,
        tags: body.tags,
        asset_tags: body.asset_tags,
    };
    let made = service::submit(ctx, organization, again, &draft, Some(&body.reason)).await?;
    Ok(Json(made.into()))
}

async fn decided(
    auth: &Auth,
    (organization, acceptance): (String, String),
    command: Command,
    body: AcceptanceDecisionBody,
) -> Result<Json<WeaknessAcceptanceView>, Problem> {
    let (organization, id) = place(auth.ctx(), &organization, &acceptance).await?;
    let (reason, expected) = (body.reason.as_deref(), body.expected_version);
    let decided = service::decide(auth.ctx(), organization, id, command, reason, expected).await?;
    Ok(Json(decided.into()))
}

/// The weakness acceptances of an organization, oldest first.
#[utoipa::path(get, path = "/api/v2/organizations/{organization}/weakness-acceptances", tag = "weakness acceptances", params(("organization" = String, Path)),
    responses((status = 200, body = ListView<WeaknessAcceptanceView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(
    auth: Auth,
    Path(organization): Path<String>,
    params: Params,
) -> Result<ListView<WeaknessAcceptanceView>, Problem> {
    params.done()?;
    let organization = named(auth.ctx(), &organization).await?.id;
    let all = service::list(auth.ctx(), organization).await?;
    Ok(ListView::whole(all.into_iter().map(Into::into).collect()))
}

/// Asks for a weakness to be accepted in all groups. Needs `weakness_acceptance.submit`.
#[utoipa::path(post, path = "/api/v2/organizations/{organization}/weakness-acceptances", tag = "weakness acceptances", params(("organization" = String, Path)), request_body = WeaknessAcceptanceBody,
    responses((status = 201, body = WeaknessAcceptanceView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn create(
    auth: Auth,
    Path(organization): Path<String>,
    extract::Json(body): extract::Json<WeaknessAcceptanceBody>,
) -> Result<(StatusCode, Json<WeaknessAcceptanceView>), Problem> {
    let organization = named(auth.ctx(), &organization).await?.id;
    let made = submitted(auth.ctx(), organization, None, body).await?;
    Ok((StatusCode::CREATED, made))
}

/// One weakness acceptance.
#[utoipa::path(get, path = "/api/v2/organizations/{organization}/weakness-acceptances/{rule}", tag = "weakness acceptances", params(("organization" = String, Path), ("rule" = String, Path)),
    responses((status = 200, body = WeaknessAcceptanceView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn show(
    auth: Auth,
    Path((organization, rule)): Path<(String, String)>,
) -> Result<Json<WeaknessAcceptanceView>, Problem> {
    let (organization, id) = place(auth.ctx(), &organization, &rule).await?;
    Ok(Json(
        service::require(auth.ctx(), organization, id).await?.into(),
    ))
}

/// Submits one again that was rejected or is inactive. Needs `weakness_acceptance.submit`.
#[utoipa::path(put, path = "/api/v2/organizations/{organization}/weakness-acceptances/{rule}", tag = "weakness acceptances", params(("organization" = String, Path), ("rule" = String, Path)), request_body = WeaknessAcceptanceBody,
    responses((status = 200, body = WeaknessAcceptanceView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn submit_again(
    auth: Auth,
    Path((organization, rule)): Path<(String, String)>,
    extract::Json(body): extract::Json<WeaknessAcceptanceBody>,
) -> Result<Json<WeaknessAcceptanceView>, Problem> {
    let (organization, id) = place(auth.ctx(), &organization, &rule).await?;
    Ok(submitted(auth.ctx(), organization, Some(id), body).await?)
}

/// Approves one as another person than the one who asked. Needs `weakness_acceptance.decide`.
#[utoipa::path(post, path = "/api/v2/organizations/{organization}/weakness-acceptances/{rule}/approve", tag = "weakness acceptances", params(("organization" = String, Path), ("rule" = String, Path)), request_body = AcceptanceDecisionBody,
    responses((status = 200, body = WeaknessAcceptanceView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn approve(
    auth: Auth,
    Path(named): Path<(String, String)>,
    extract::Json(body): extract::Json<AcceptanceDecisionBody>,
) -> Result<Json<WeaknessAcceptanceView>, Problem> {
    decided(&auth, named, Command::Approve, body).await
}

/// Rejects one, with a reason. Needs `weakness_acceptance.decide`; who submitted it may withdraw it so with `weakness_acceptance.submit`.
#[utoipa::path(post, path = "/api/v2/organizations/{organization}/weakness-acceptances/{rule}/reject", tag = "weakness acceptances", params(("organization" = String, Path), ("rule" = String, Path)), request_body = AcceptanceDecisionBody,
    responses((status = 200, body = WeaknessAcceptanceView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn reject(
    auth: Auth,
    Path(named): Path<(String, String)>,
    extract::Json(body): extract::Json<AcceptanceDecisionBody>,
) -> Result<Json<WeaknessAcceptanceView>, Problem> {
    decided(&auth, named, Command::Reject, body).await
}

/// Ends one that is in force: what it set and nobody has changed since is taken back. Needs `weakness_acceptance.decide`.
#[utoipa::path(post, path = "/api/v2/organizations/{organization}/weakness-acceptances/{rule}/deactivate", tag = "weakness acceptances", params(("organization" = String, Path), ("rule" = String, Path)), request_body = AcceptanceDecisionBody,
    responses((status = 200, body = WeaknessAcceptanceView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn deactivate(
    auth: Auth,
    Path(named): Path<(String, String)>,
    extract::Json(body): extract::Json<AcceptanceDecisionBody>,
) -> Result<Json<WeaknessAcceptanceView>, Problem> {
    decided(&auth, named, Command::Deactivate, body).await
}

/// Removes one that was rejected or is inactive. Needs `weakness_acceptance.decide`.
#[utoipa::path(delete, path = "/api/v2/organizations/{organization}/weakness-acceptances/{rule}", tag = "weakness acceptances", params(("organization" = String, Path), ("rule" = String, Path)),
    responses((status = 204), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn remove(
    auth: Auth,
    Path((organization, rule)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (organization, id) = place(auth.ctx(), &organization, &rule).await?;
    service::remove(auth.ctx(), organization, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How it went over what there is, latest first.
#[utoipa::path(get, path = "/api/v2/organizations/{organization}/weakness-acceptances/{rule}/runs", tag = "weakness acceptances", params(("organization" = String, Path), ("rule" = String, Path), PageParams),
    responses((status = 200, body = ListView<AcceptanceRunView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn runs(
    auth: Auth,
    Path((organization, rule)): Path<(String, String)>,
    mut params: Params,
) -> Result<ListView<AcceptanceRunView>, Problem> {
    let page = params.page()?;
    params.done()?;
    let (organization, id) = place(auth.ctx(), &organization, &rule).await?;
    let found = service::require(auth.ctx(), organization, id).await?;
    let runs = service::runs(auth.ctx(), &found, page).await?;
    Ok(ListView::page(runs, Into::into))
}
