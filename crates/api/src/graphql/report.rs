//! Reports: uploading them, and what became of them.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject, Upload};
use gna_domain::id::ReportId;
use gna_domain::import;
use gna_domain::model;
use gna_domain::page::PageRequest;
use gna_domain::policy::Action;
use gna_domain::service::report;
use gna_domain::service::report::UploadReport;
use gna_domain::{Ctx, Resource};
use std::sync::Arc;

use super::asset::{Asset, AssetRef};
use super::enums::{AssetKind, Category, ReportStatus};
use super::group::Group;
use super::loaders::{self, Shared};
use super::scalar::{DateTime, id, parse};

pub struct Report(pub Shared<model::Report>);

impl Report {
    pub async fn load(ctx: &Context<'_>, id: ReportId) -> Result<Self> {
        let found = Self(loaders::one(ctx, id).await?);
        let resource = Resource::Group(found.0.organization, found.0.group);
        ctx.data::<Ctx>()?.permit(Action::ReportRead, resource)?;
        Ok(found)
    }

    /// `None` where it is gone.
    pub async fn find(ctx: &Context<'_>, id: ReportId) -> Result<Option<Self>> {
        let found: Option<Shared<model::Report>> = loaders::of(ctx)?.load_one(id).await?;
        let Some(found) = found else {
            return Ok(None);
        };
        let resource = Resource::Group(found.organization, found.group);
        ctx.data::<Ctx>()?.permit(Action::ReportRead, resource)?;
        Ok(Some(Self(found)))
    }
}

/// What became of each item. `total` is the sum of all others but `closed` and `merged`.
#[derive(SimpleObject)]
pub struct ReportCounts {
    /// Items in the report.
    pub total: u64,
    /// New vulnerabilities.
    pub created: u64,
    /// Closed ones that are there again.
    pub reopened: u64,
    /// Known ones with something new.
    pub updated: u64,
    /// Known ones without a change.
    pub unchanged: u64,
    /// Said twice in this report.
    pub duplicates: u64,
    /// Set aside by the tool or in the code.
    pub suppressed: u64,
    /// Left out.
    pub skipped: u64,
    /// Left out, by the code of the warning that says why.
    pub skipped_by_reason: Vec<SkippedCount>,
    /// Vulnerabilities that the report no longer shows.
    pub closed: u64,
    /// Records that were merged because the report showed them to be one.
    pub merged: u64,
}

/// How many items were left out for one reason.
#[derive(SimpleObject)]
pub struct SkippedCount {
    /// Code of the warning.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// How far a running import has come.
#[derive(SimpleObject)]
pub struct ReportProgress {
    /// Items that are applied.
    pub applied: u64,
    /// Items in all; 0 until the report has been read to its end.
    pub planned: u64,
}

/// Where in a report something stands.
#[derive(SimpleObject)]
pub struct ReportPosition {
    /// Number of the item among its kind, from 0.
    pub item: u64,
    /// Offset of its first byte in the decompressed report.
    pub byte: Option<u64>,
    /// Its line in the decompressed report, from 1.
    pub line: Option<u64>,
}

impl From<import::Position> for ReportPosition {
    fn from(position: import::Position) -> Self {
        Self {
            item: position.item,
            byte: position.byte,
            line: position.line,
        }
    }
}

/// Why a whole report was refused.
#[derive(SimpleObject)]
pub struct ReportRefusal {
    /// Stable: `report.truncated`, `report.unknown_format`...
    pub code: String,
    /// What is wrong and what to do.
    pub message: String,
    /// The format it was read as.
    pub format: Option<String>,
    /// Where it shows.
    pub position: Option<ReportPosition>,
}

/// Something in a report that was not taken as written.
#[derive(SimpleObject)]
pub struct ReportWarning {
    /// Stable: `item.skipped`, `severity.unknown`...
    pub code: String,
    /// What, in words.
    pub message: String,
    /// Where.
    pub position: ReportPosition,
    /// Whether an item was left out because of it.
    pub skipped: bool,
}

/// One uploaded scanner output.
#[Object]
impl Report {
    /// Its id.
    pub async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// The group it was uploaded to.
    async fn group(&self, ctx: &Context<'_>) -> Result<Group> {
        Group::load(ctx, self.0.group).await
    }
    /// The asset that was scanned. None where it was made for this report alone, which was refused.
    async fn asset(&self, ctx: &Context<'_>) -> Result<Option<Asset>> {
        Asset::find(ctx, self.0.asset).await
    }
    /// The ref that was scanned. None where it was made for this report alone, which was refused.
    async fn r#ref(&self, ctx: &Context<'_>) -> Result<Option<AssetRef>> {
        AssetRef::find(ctx, self.0.r#ref).await
    }
    /// When it was uploaded.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// Who uploaded it: a user's or a token's id, or `local-operator`.
    async fn uploaded_by(&self) -> &str {
        &self.0.uploaded_by
    }
    /// Name of the file.
    async fn file_name(&self) -> &str {
        &self.0.file_name
    }
    /// As uploaded, in bytes.
    async fn size(&self) -> u64 {
        self.0.size
    }
    /// SHA-256 of the bytes as uploaded, in hexadecimal.
    async fn sha256(&self) -> &str {
        &self.0.sha256
    }
    /// Name of its format, once it is known.
    async fn format(&self) -> Option<&str> {
        self.0.format.as_deref()
    }
    /// The scanner, once it is known.
    async fn tool(&self) -> Option<&str> {
        self.0.tool.as_deref()
    }
    /// Version of the scanner.
    async fn tool_version(&self) -> Option<&str> {
        self.0.tool_version.as_deref()
    }
    /// What kind of scan, once it is known.
    async fn category(&self) -> Option<Category> {
        self.0.category.map(Into::into)
    }
    /// The commit that was scanned.
    async fn commit(&self) -> Option<&str> {
        self.0.commit.as_deref()
    }
    /// When the scan ran.
    async fn scanned_at(&self) -> DateTime {
        self.0.scanned_at.into()
    }
    /// Whether it shows only a part, so that nothing is closed because of it.
    async fn partial(&self) -> bool {
        self.0.partial
    }
    /// Name of the environment that it is about, where its uploader said so.
    async fn environment(&self) -> Option<&str> {
        let about = self.0.environment.as_ref()?;
        Some(&about.name)
    }
    /// How far it has come.
    async fn status(&self) -> ReportStatus {
        self.0.status.into()
    }
    /// What became of its items.
    async fn counts(&self) -> ReportCounts {
        let counts = &self.0.counts;
        ReportCounts {
            total: counts.total,
            created: counts.created,
            reopened: counts.reopened,
            updated: counts.updated,
            unchanged: counts.unchanged,
            duplicates: counts.duplicates,
            suppressed: counts.suppressed,
            skipped: counts.skipped_total(),
            skipped_by_reason: counts
                .skipped
                .iter()
                .map(|(reason, count)| SkippedCount {
                    reason: reason.clone(),
                    count: *count,
                })
                .collect(),
            closed: counts.closed,
            merged: counts.merged,
        }
    }
    /// How far a running import has come.
    async fn progress(&self) -> ReportProgress {
        ReportProgress {
            applied: self.0.progress.applied,
            planned: self.0.progress.planned,
        }
    }
    /// How many warnings there are.
    async fn warning_count(&self) -> u64 {
        self.0.warnings
    }
    /// What was not taken as written, in the order of the report.
    #[graphql(complexity = "cost_of_warnings(first, child_complexity)")]
    async fn warnings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many at most, 1 to 1000; 100 if left out.")] first: Option<u32>,
    ) -> Result<Vec<ReportWarning>> {
        let most = usize::try_from(first.unwrap_or(100).clamp(1, 1_000)).unwrap_or(1);
        let page = PageRequest::first(most);
        let warnings = report::warnings(ctx.data::<Ctx>()?, self.0.id, page);
        let warnings = Box::pin(warnings).await?;
        Ok(warnings
            .items
            .into_iter()
            .map(|warning| ReportWarning {
                code: warning.code,
                message: warning.message,
                position: warning.position.into(),
                skipped: warning.skipped,
            })
            .collect())
    }
    /// Why it was refused, if it was.
    async fn refusal(&self) -> Option<ReportRefusal> {
        self.0.refusal.clone().map(|refusal| ReportRefusal {
            code: refusal.code,
            message: refusal.message,
            format: refusal.format,
            position: refusal.position.map(Into::into),
        })
    }
    /// When it was done.
    async fn finished(&self) -> Option<DateTime> {
        self.0.finished.map(Into::into)
    }
}

fn cost_of_warnings(first: Option<u32>, child: usize) -> usize {
    let most = usize::try_from(first.unwrap_or(100).clamp(1, 1_000)).unwrap_or(1);
    most.saturating_mul(child).saturating_add(1)
}

/// A report format that Gna reads.
#[derive(SimpleObject)]
pub struct Format {
    /// Stable: `trivy`, `nessus-csv`.
    pub name: String,
    /// For people.
    pub title: String,
    /// The default tool name of its reports.
    pub tool: String,
    /// What kind of scan.
    pub category: Category,
    /// Which fields make up identity, in words.
    pub identity: String,
    /// Whether reports of any size are read with little memory.
    pub streams: bool,
}

#[derive(Default)]
pub struct ReportQuery;

#[Object]
impl ReportQuery {
    /// A report by its id.
    async fn report(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Report> {
        let found = report::require(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(Report(Arc::new(found)))
    }

    /// The report formats that Gna reads.
    async fn formats(&self, ctx: &Context<'_>) -> Result<Vec<Format>> {
        let formats = report::formats(ctx.data::<Ctx>()?)?;
        Ok(formats
            .into_iter()
            .map(|format| Format {
                name: format.name,
                title: format.title,
                tool: format.tool,
                category: format.category.into(),
                identity: format.identity,
                streams: format.streams,
            })
            .collect())
    }
}

/// A report to be taken in.
#[derive(InputObject)]
pub struct UploadReportInput {
    /// Id of the group.
    pub group: ID,
    /// The file, by the GraphQL multipart request specification; gzip and zip are taken too.
    pub file: Upload,
    /// Name of the asset; made if the group has none of that name.
    pub asset: String,
    /// Kind of the asset, if it has to be made.
    pub asset_kind: Option<AssetKind>,
    /// Name of the ref; the asset's default ref if left out.
    pub r#ref: Option<String>,
    /// Name of the format; found out if left out.
    pub format: Option<String>,
    /// What kind of scan; the report's own word, or the format's, if left out.
    pub category: Option<Category>,
    /// The commit that was scanned.
    pub commit: Option<String>,
    /// When the scan ran; the report's own word, or now, if left out.
    pub scanned_at: Option<DateTime>,
    /// It shows only a part, so that nothing may be closed because of it.
    #[graphql(default)]
    pub partial: bool,
    /// Name of the asset's environment that was scanned; then nothing that lies elsewhere is closed.
    pub environment: Option<String>,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct UploadReportPayload {
    /// The report; its bytes and the job that imports it are durable.
    pub report: Report,
}

#[derive(Default)]
pub struct ReportMutation;

#[Object]
impl ReportMutation {
    /// Takes a report in. It is read and applied soon after: follow `reportProgress`.
    async fn upload_report(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The report.")] input: UploadReportInput,
    ) -> Result<UploadReportPayload> {
        let file = input.file.value(ctx)?;
        let upload = UploadReport {
            asset: input.asset,
            asset_kind: input.asset_kind.map(Into::into),
            r#ref: input.r#ref,
            file_name: file.filename.clone(),
            format: input.format,
            category: input.category.map(Into::into),
            commit: input.commit,
            scanned_at: input.scanned_at.map(|at| at.0),
            partial: input.partial,
            environment: input.environment,
        };
        let group = parse(&input.group, "input.group")?;
        let report = report::upload(ctx.data::<Ctx>()?, group, upload, file.content).await?;
        Ok(UploadReportPayload {
            report: Report(Arc::new(report)),
        })
    }
}
