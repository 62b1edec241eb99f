//! The gate: verdicts on reports, their record, and snapshots for verdicts without a server.

use axum::Json;
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gna_domain::Ctx;
use gna_domain::error::{Error, Result};
use gna_domain::id::{AssetId, ReportId};
use gna_domain::model::{Asset, GateRun, Level, Location, Offender, Report};
use gna_domain::policy::Action;
use gna_domain::rules::gate::{Counts, Limits, Terms};
use gna_domain::service::gate::{self, RunGate};
use gna_domain::service::scope::{self, Place};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::{ListView, PageParams, PlaceParams, ProblemView, place};
use crate::auth::Auth;
use crate::extract::{Json as Body, Params, id};
use crate::problem::Problem;

/// What is to be judged, and by which terms. A policy can be tightened here, never loosened: of
/// policy and request the stricter wins, field by field.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunGateBody {
    /// Id of the report under test; its import must be complete.
    report: String,
    /// Ids of other reports of the same build, of the same asset and ref.
    #[serde(default)]
    with: Vec<String>,
    /// Lowest score that breaks the gate, 0.0 to 10.0.
    threshold: Option<f64>,
    /// Days for which a new vulnerability is spared.
    grace_days: Option<u32>,
    /// Days after which a vulnerability is technical debt and spared; 0 never.
    debt_days: Option<u32>,
    /// Whether a broken gate is to fail the build.
    strict: Option<bool>,
    /// Judge only what the base does not have, where the policy allows that.
    #[serde(default)]
    new_only: bool,
    /// Name of the base ref; the asset's default ref if left out. Where it is the report's own ref,
    /// only what these reports were the first to show counts.
    base: Option<String>,
}

/// By which terms was judged.
#[derive(Serialize, ToSchema)]
pub struct TermsView {
    threshold: f64,
    grace_days: u32,
    /// 0: nothing is ever technical debt.
    debt_days: u32,
    strict: bool,
    new_only: bool,
}

impl From<Terms> for TermsView {
    fn from(terms: Terms) -> Self {
        Self {
            threshold: terms.threshold,
            grace_days: terms.grace_days,
            debt_days: terms.debt_days,
            strict: terms.strict,
            new_only: terms.new_only,
        }
    }
}

/// How many were judged, and how: `judged` is the sum of all others.
#[derive(Serialize, ToSchema)]
pub struct GateCountsView {
    judged: u64,
    breaking: u64,
    /// Waiting for review, rejected, or closed by a decision.
    not_open: u64,
    false_positive: u64,
    accepted: u64,
    /// Set aside by every tool that shows them.
    suppressed: u64,
    on_base: u64,
    below_threshold: u64,
    in_grace: u64,
    technical_debt: u64,
}

impl From<Counts> for GateCountsView {
    fn from(counts: Counts) -> Self {
        Self {
            judged: counts.judged,
            breaking: counts.breaking,
            not_open: counts.not_open,
            false_positive: counts.false_positive,
            accepted: counts.accepted,
            suppressed: counts.suppressed,
            on_base: counts.on_base,
            below_threshold: counts.below_threshold,
            in_grace: counts.in_grace,
            technical_debt: counts.technical_debt,
        }
    }
}

/// A vulnerability that breaks the gate, as it was then.
#[derive(Serialize, ToSchema)]
pub struct OffenderView {
    /// Id of the vulnerability.
    id: String,
    title: String,
    tool: String,
    rule: String,
    #[schema(value_type = String, example = "HIGH")]
    level: Level,
    score: f64,
    /// `kind` says which fields there are.
    #[schema(value_type = Object)]
    location: Location,
    identifiers: Vec<String>,
    cwes: Vec<u32>,
    #[schema(format = DateTime)]
    first_seen: String,
    /// Whole days from then to the verdict.
    age_days: i64,
    /// The surest name it is recognised by.
    fingerprint: String,
}

/// A verdict.
#[derive(Serialize, ToSchema)]
pub struct GateRunView {
    #[schema(example = "gat_0190f1d4a4d27c6b9d0e0f7a4a1b2c3d")]
    id: String,
    organization: String,
    group: String,
    asset: String,
    /// The ref that was judged.
    #[serde(rename = "ref")]
    r#ref: String,
    report: String,
    commit: Option<String>,
    /// The ref that it was compared with, where only what is new counted.
    base: Option<String>,
    #[schema(format = DateTime)]
    created: String,
    /// Who asked.
    by: String,
    /// `PASS` or `BROKEN`, whether strict or lax.
    #[schema(example = "BROKEN")]
    verdict: String,
    /// Whether the build is to fail: broken and strict.
    fails: bool,
    terms: TermsView,
    counts: GateCountsView,
    /// What was asked for and the policy does not allow, in sentences.
    notes: Vec<String>,
    /// The worst first: up to 1,000 in the answer to a run, up to 100 on record.
    breaking: Vec<OffenderView>,
}

impl GateRunView {
    fn new(run: GateRun, breaking: Vec<Offender>) -> Self {
        let at = run.created;
        Self {
            id: run.id.to_string(),
            organization: run.organization.to_string(),
            group: run.group.to_string(),
            asset: run.asset.to_string(),
            r#ref: run.r#ref.to_string(),
            report: run.report.to_string(),
            commit: run.commit,
            base: run.base.map(|base| base.to_string()),
            created: at.to_string(),
            by: run.by,
            verdict: run.verdict.as_str().to_owned(),
            fails: run.verdict == gna_domain::rules::gate::Verdict::Broken && run.terms.strict,
            terms: run.terms.into(),
            counts: run.counts.into(),
            notes: run.notes,
            breaking: breaking
                .into_iter()
                .map(|offender| OffenderView {
                    id: offender.vulnerability.to_string(),
                    title: offender.title,
                    tool: offender.tool,
                    rule: offender.rule,
                    level: offender.level,
                    score: offender.score,
                    location: offender.location,
                    identifiers: offender.identifiers,
                    cwes: offender.cwes,
                    first_seen: offender.first_seen.to_string(),
                    age_days: at.days_since(offender.first_seen).max(0),
                    fingerprint: offender.fingerprint,
                })
                .collect(),
        }
    }

    fn on_record(mut run: GateRun) -> Self {
        let breaking = std::mem::take(&mut run.breaking);
        Self::new(run, breaking)
    }
}

/// Gives a verdict on all that is present on the report's ref, and records it. A broken gate is an
/// answer like any other: see `verdict` and `fails`.
#[utoipa::path(post, path = "/api/v2/gate", tag = "gate", request_body = RunGateBody,
    responses(
        (status = 201, body = GateRunView, headers(("location" = String))),
        (status = 409, description = "`gate.report_pending`: ask again when the import is complete", body = ProblemView, content_type = "application/problem+json"),
        (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn run(auth: Auth, Body(body): Body<RunGateBody>) -> Result<Response, Problem> {
    let ctx = auth.ctx();
    let report: ReportId = id::<Report>(ctx, &body.report)?;
    let with = body
        .with
        .iter()
        .map(|report| id::<Report>(ctx, report))
        .collect::<Result<Vec<ReportId>>>()?;
    let input = RunGate {
        report,
        with,
        limits: Limits {
            threshold: body.threshold,
            grace_days: body.grace_days,
            debt_days: body.debt_days,
            strict: body.strict,
            ..Limits::default()
        },
        new_only: body.new_only,
        base: body.base,
    };
    let ran = gate::run(ctx, input).await?;
    let location = format!("/api/v2/gate/runs/{}", ran.run.id);
    let location = HeaderValue::from_str(&location)
        .map_err(|_| Error::internal("report.location", "an id is not a header value"))?;
    let view = GateRunView::new(ran.run.value, ran.breaking);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(view),
    )
        .into_response())
}

/// Verdicts on a group's reports, newest first.
#[utoipa::path(get, path = "/api/v2/gate/runs", tag = "gate", params(PlaceParams, PageParams),
    responses((status = 200, body = ListView<GateRunView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(auth: Auth, mut params: Params) -> Result<ListView<GateRunView>, Problem> {
    let place = place(&mut params)?;
    let page = params.page()?;
    params.done()?;
    let group = scope::one(auth.ctx(), &place, Action::GateRead).await?;
    let runs = gate::of_group(auth.ctx(), &group, page).await?;
    Ok(ListView::page(runs, |run| {
        GateRunView::on_record(run.value)
    }))
}

/// One verdict.
#[utoipa::path(get, path = "/api/v2/gate/runs/{run}", tag = "gate", params(("run" = String, Path)),
    responses((status = 200, body = GateRunView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn show(auth: Auth, Path(run): Path<String>) -> Result<Json<GateRunView>, Problem> {
    let id = id::<GateRun>(auth.ctx(), &run)?;
    let run = gate::get(auth.ctx(), id).await?;
    Ok(Json(GateRunView::on_record(run.value)))
}

/// Of what a snapshot is taken.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotBody {
    /// Id of the asset, or its name together with the group.
    asset: String,
    /// Slug or id.
    organization: Option<String>,
    /// Slug or id. Not needed with a token that belongs to one group.
    group: Option<String>,
}

/// Takes a signed snapshot of an asset: identities, ages, decisions and policy, for `gna gate
/// --snapshot`. Trust its key only as far as you trust where you have the key from.
#[utoipa::path(post, path = "/api/v2/gate/snapshots", tag = "gate", request_body = SnapshotBody,
    responses((status = 201, body = Object), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn snapshot(auth: Auth, Body(body): Body<SnapshotBody>) -> Result<Response, Problem> {
    let ctx = auth.ctx();
    let asset = asset_of(ctx, body).await?;
    let sealed = gate::snapshot(ctx, asset).await?;
    let kind = [(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )];
    Ok((StatusCode::CREATED, kind, sealed.file).into_response())
}

async fn asset_of(ctx: &Ctx, body: SnapshotBody) -> Result<AssetId> {
    if body.asset.starts_with("ast_") {
        return id::<Asset>(ctx, &body.asset);
    }
    let place = Place {
        organization: body.organization,
        group: body.group,
    };
    let group = scope::one(ctx, &place, Action::GateRun).await?;
    gate::asset_named(ctx, &group, &body.asset).await
}

/// The public key that this instance's snapshots are signed with.
#[derive(Serialize, ToSchema)]
pub struct KeyView {
    /// Null until the first snapshot is taken.
    key: Option<String>,
}

/// What to trust: the public key of this instance's snapshots.
#[utoipa::path(get, path = "/api/v2/gate/key", tag = "gate",
    responses((status = 200, body = KeyView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn key(auth: Auth) -> Result<Json<KeyView>, Problem> {
    let key = gate::public_key(auth.ctx()).await?;
    Ok(Json(KeyView { key }))
}
