//! Reports: how they stand, what was not taken as written, and their bytes.

use axum::Json;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use gna_domain::ctx::Ctx;
use gna_domain::import::{Category, Refusal, Warning};
use gna_domain::model::{Counts, Report, ReportStatus};
use gna_domain::policy::Action;
use gna_domain::port::store::Stored;
use gna_domain::service::{report, scope};
use serde::Serialize;
use utoipa::ToSchema;

use super::view::{ListView, PageParams, PlaceParams, ProblemView, place};
use crate::auth::Auth;
use crate::extract::{Params, id};
use crate::problem::Problem;
use crate::recency::Recency;

/// One uploaded scanner output and what became of it.
#[derive(Serialize, ToSchema)]
pub struct ReportView {
    #[schema(example = "rep_0190f1d4a4d27c6b9d0e0f7a4a1b2c3d")]
    id: String,
    organization: String,
    group: String,
    asset: String,
    #[serde(rename = "ref")]
    r#ref: String,
    /// `QUEUED`, `RUNNING`, `COMPLETE`, `REFUSED` or `FAILED`; the last three are final.
    #[schema(value_type = String, example = "COMPLETE")]
    status: ReportStatus,
    #[schema(format = DateTime)]
    created: String,
    uploaded_by: String,
    file_name: String,
    /// As uploaded, in bytes.
    size: u64,
    /// Of the bytes as uploaded.
    sha256: String,
    format: Option<String>,
    tool: Option<String>,
    tool_version: Option<String>,
    #[schema(value_type = Option<String>, example = "SAST")]
    category: Option<Category>,
    commit: Option<String>,
    #[schema(format = DateTime)]
    scanned_at: String,
    partial: bool,
    /// Name of the environment that it is about, where its uploader said so.
    environment: Option<String>,
    counts: CountsView,
    /// How many items of the report are applied, and how many there are.
    progress: ProgressView,
    /// How many there are; `/warnings` lists them.
    warnings: u64,
    /// Why the whole report was refused.
    refusal: Option<RefusalView>,
    #[schema(format = DateTime)]
    finished: Option<String>,
}

/// How far an import is.
#[derive(Serialize, ToSchema)]
pub struct ProgressView {
    applied: u64,
    planned: u64,
}

/// What became of each item: `total` is the sum of `created` to `suppressed` and of `skipped`.
#[derive(Serialize, ToSchema)]
pub struct CountsView {
    total: u64,
    created: u64,
    reopened: u64,
    /// Known before, now with a new source, place, name or severity.
    updated: u64,
    unchanged: u64,
    /// Said twice in this report.
    duplicates: u64,
    suppressed: u64,
    /// Left out, by the code of the warning that says why.
    skipped: std::collections::BTreeMap<String, u64>,
    /// Vulnerabilities that the report no longer shows.
    closed: u64,
    /// Records merged because the report showed them to be one.
    merged: u64,
}

impl From<Counts> for CountsView {
    fn from(counts: Counts) -> Self {
        Self {
            total: counts.total,
            created: counts.created,
            reopened: counts.reopened,
            updated: counts.updated,
            unchanged: counts.unchanged,
            duplicates: counts.duplicates,
            suppressed: counts.suppressed,
            skipped: counts.skipped,
            closed: counts.closed,
            merged: counts.merged,
        }
    }
}

/// Where in a report something stands.
#[derive(Serialize, ToSchema)]
pub struct PositionView {
    /// Number of the item, from 0.
    item: u64,
    /// In the decompressed report, from 0.
    byte: Option<u64>,
    /// In the decompressed report, from 1.
    line: Option<u64>,
}

impl From<gna_domain::import::Position> for PositionView {
    fn from(position: gna_domain::import::Position) -> Self {
        Self {
            item: position.item,
            byte: position.byte,
            line: position.line,
        }
    }
}

/// Why a report was refused.
#[derive(Serialize, ToSchema)]
pub struct RefusalView {
    #[schema(example = "report.truncated")]
    code: String,
    message: String,
    format: Option<String>,
    position: Option<PositionView>,
}

impl From<Refusal> for RefusalView {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code,
            message: refusal.message,
            format: refusal.format,
            position: refusal.position.map(Into::into),
        }
    }
}

impl From<Stored<Report>> for ReportView {
    fn from(stored: Stored<Report>) -> Self {
        let report = stored.value;
        Self {
            id: report.id.to_string(),
            organization: report.organization.to_string(),
            group: report.group.to_string(),
            asset: report.asset.to_string(),
            r#ref: report.r#ref.to_string(),
            status: report.status,
            created: report.created.to_string(),
            uploaded_by: report.uploaded_by,
            file_name: report.file_name,
            size: report.size,
            sha256: report.sha256,
            format: report.format,
            tool: report.tool,
            tool_version: report.tool_version,
            category: report.category,
            commit: report.commit,
            scanned_at: report.scanned_at.to_string(),
            partial: report.partial,
            environment: report.environment.map(|about| about.name),
            counts: report.counts.into(),
            progress: ProgressView {
                applied: report.progress.applied,
                planned: report.progress.planned,
            },
            warnings: report.warnings,
            refusal: report.refusal.map(Into::into),
            finished: report.finished.map(|at| at.to_string()),
        }
    }
}

/// Something in a report that was not taken as written.
#[derive(Serialize, ToSchema)]
pub struct WarningView {
    #[schema(example = "severity.unknown")]
    code: String,
    message: String,
    position: PositionView,
    /// Whether an item was left out because of it.
    skipped: bool,
}

impl From<Warning> for WarningView {
    fn from(warning: Warning) -> Self {
        Self {
            code: warning.code,
            message: warning.message,
            position: warning.position.into(),
            skipped: warning.skipped,
        }
    }
}

/// The reports of a group, newest first.
#[utoipa::path(get, path = "/api/v2/reports", tag = "reports", params(PlaceParams, PageParams),
    responses((status = 200, body = ListView<ReportView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(auth: Auth, mut params: Params) -> Result<ListView<ReportView>, Problem> {
    let place = place(&mut params)?;
    let page = params.page()?;
    params.done()?;
    let group = scope::one(auth.ctx(), &place, Action::ReportRead).await?;
    let reports = report::of_group(auth.ctx(), &group, page).await?;
    Ok(ListView::page(reports, ReportView::from))
}

/// One report.
#[utoipa::path(get, path = "/api/v2/reports/{report}", tag = "reports", params(("report" = String, Path)),
    responses((status = 200, body = ReportView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn show(
    auth: Auth,
    recency: Recency,
    Path(report): Path<String>,
) -> Result<Json<ReportView>, Problem> {
    let id = id::<Report>(auth.ctx(), &report)?;
    let found = report::require(auth.ctx(), id).await?;
    tell_end(auth.ctx(), &recency, &found).await?;
    Ok(Json(found.into()))
}

/// An import commits elsewhere: whoever hears that it has ended is told how far its commits reach.
///
/// # Errors
/// The store's.
pub(super) async fn tell_end(
    ctx: &Ctx,
    recency: &Recency,
    report: &Report,
) -> gna_domain::error::Result<()> {
    if report.status.is_final() {
        recency.note(ctx.store().feed_end().await?);
    }
    Ok(())
}

/// What was not taken as written, in the order of the report.
#[utoipa::path(get, path = "/api/v2/reports/{report}/warnings", tag = "reports", params(("report" = String, Path), PageParams),
    responses((status = 200, body = ListView<WarningView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn warnings(
    auth: Auth,
    Path(report): Path<String>,
    mut params: Params,
) -> Result<ListView<WarningView>, Problem> {
    let id = id::<Report>(auth.ctx(), &report)?;
    let page = params.page()?;
    params.done()?;
    let page = report::warnings(auth.ctx(), id, page).await?;
    Ok(ListView::page(page, WarningView::from))
}

/// The bytes as they were uploaded. Needs `report.download`, and is written into the audit log.
#[utoipa::path(get, path = "/api/v2/reports/{report}/raw", tag = "reports", params(("report" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn raw(auth: Auth, Path(report): Path<String>) -> Result<Response, Problem> {
    let id = id::<Report>(auth.ctx(), &report)?;
    let (report, bytes) = report::raw(auth.ctx(), id).await?;
    let body = Body::from_stream(bytes.map(|piece| piece.map_err(std::io::Error::other)));
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        ),
        (header::CONTENT_DISPOSITION, attachment(&report.file_name)),
        (header::CONTENT_LENGTH, HeaderValue::from(report.size)),
    ];
    Ok((headers, body).into_response())
}

/// `Content-Disposition` with a name that came from outside: only its plain characters (RFC 6266,
/// section 4.3).
pub fn attachment(name: &str) -> HeaderValue {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = name
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .take(100)
        .collect();
    HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
        .unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_can_add_nothing_to_a_header() {
        let value = attachment("a\"b\r\nSet-Cookie: x; ü.json");
        assert_eq!(
            value.to_str().expect("plain"),
            "attachment; filename=\"a_b__Set-Cookie__x___.json\""
        );
    }
}
