//! Reports: taking them in, and telling what became of them.

use bytes::Bytes;
use futures::stream::BoxStream;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::lookup::permitted;
use super::{asset, environment, import, provisional};
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Kind, Result};
use crate::id::{AssetId, GroupId, ReportId};
use crate::import::{Category, FormatInfo, Warning};
use crate::model::{
    Asset, AssetKind, AssetRef, AuditEntry, Counts, Group, Job, Progress, Registered, Report,
    ReportEnvironment, ReportStatus, Upload, asset_name,
};
use crate::page::{Cursor, Page, PageRequest};
use crate::policy::Action;
use crate::port::store::{ChangeSet, Event, Stored};
use crate::port::{fresh, repo};
use crate::time::Timestamp;

/// What an uploader says about a report beside its bytes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct UploadReport {
    /// Name of the asset; made if the group has none of that name.
    pub asset: String,
    /// Kind of the asset if it has to be made.
    pub asset_kind: Option<AssetKind>,
    /// Name of the ref; the asset's default ref if left out, made if there is none of that name.
    pub r#ref: Option<String>,
    pub file_name: String,
    /// Name of the format; found out if left out.
    pub format: Option<String>,
    pub category: Option<Category>,
    pub commit: Option<String>,
    /// When the scan ran; now if left out.
    pub scanned_at: Option<Timestamp>,
    /// The report shows only a part (some files, some rules), so that nothing may be closed.
    pub partial: bool,
    /// Name of the environment that was scanned; then nothing that lies elsewhere is closed.
    pub environment: Option<String>,
}

/// How often a report is queued anew when someone else changed what it is about.
const RACES: usize = 8;
/// Longest file name that is kept, in bytes.
const FILE_NAME_LIMIT: usize = 300;

/// Takes a report in. When it returns, the bytes and the job that will import them are durable.
///
/// # Errors
/// Not permitted, `report.empty`, `report.unknown_format`, `commit.malformed`,
/// `report.scanned_in_future`, `name.malformed`, `environment.name`, `environment.unknown`, or the
/// store's. What is refused leaves no asset and no ref behind, now or when it is read.
pub async fn upload(
    ctx: &Ctx,
    group: GroupId,
    upload: UploadReport,
    bytes: Bytes,
) -> Result<Stored<Report>> {
    let group = permitted::<Group>(ctx, group, Action::ReportUpload)
        .await?
        .value;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    not_empty(size)?;
    check(ctx, &upload)?;
    let content = Content {
        size,
        sha256: hex::encode(Sha256::digest(&bytes)),
        bytes: Some(bytes),
    };
    let id = fresh(ctx.ports.ids.as_ref());
    take(ctx, &group, id, upload, content, None).await
}

/// The bytes of a report, as far as its record needs them.
pub(super) struct Content {
    pub size: u64,
    /// In hexadecimal.
    pub sha256: String,
    /// None where they lie in the report's blob already.
    pub bytes: Option<Bytes>,
}

/// An upload that becomes a report, in the commit that makes the report.
pub(super) struct Used<'a> {
    pub upload: &'a Stored<Upload>,
    pub registered: Registered,
}

/// Takes a report in whose words have passed [`check`], for a caller who may upload to the group.
pub(super) async fn take(
    ctx: &Ctx,
    group: &Group,
    id: ReportId,
    upload: UploadReport,
    content: Content,
    used: Option<&Used<'_>>,
) -> Result<Stored<Report>> {
    let environment = environment_of(ctx, group.id, &upload).await?;
    let mut place = place(ctx, group, &upload, id).await?;
    let now = ctx.now();
    let mut report = Report {
        id,
        organization: group.organization,
        group: group.id,
        asset: place.asset.id,
        r#ref: place.r#ref.id,
        created: now,
        uploaded_by: ctx.actor.label(),
        file_name: crate::rules::sighting::cut(upload.file_name.trim(), FILE_NAME_LIMIT),
        size: content.size,
        sha256: content.sha256,
        format: upload.format.clone(),
        tool: None,
        tool_version: None,
        category: upload.category,
        commit: upload.commit.clone(),
        scanned_at: upload.scanned_at.unwrap_or(now),
        partial: upload.partial,
        environment,
        status: ReportStatus::Queued,
        counts: Counts::default(),
        progress: Progress::default(),
        warnings: 0,
        refusal: None,
        finished: None,
        removed_asset: None,
    };
    if let Some(bytes) = content.bytes {
        ctx.ports.blobs.put(&report.raw_blob(), bytes).await?;
    }
    let mut races = 0;
    loop {
        match queue(ctx, &report, &place, used).await {
            // The asset or the ref went with the report that it was made for, or was changed.
            Err(error) if error.kind() == Kind::Conflict && races < RACES => {
                races += 1;
                place = self::place(ctx, group, &upload, id).await?;
                report = Report {
                    asset: place.asset.id,
                    r#ref: place.r#ref.id,
                    ..report
                };
            }
            done => return done,
        }
    }
}

/// What a report is about.
struct Place {
    asset: Stored<Asset>,
    r#ref: Stored<AssetRef>,
}

/// Finds or makes what an upload names.
async fn place(ctx: &Ctx, group: &Group, upload: &UploadReport, report: ReportId) -> Result<Place> {
    let kind = upload.asset_kind.unwrap_or_default();
    let asset = asset::ensure(ctx, group, &upload.asset, kind, report).await?;
    let r#ref = asset::ensure_ref(ctx, &asset, upload.r#ref.as_deref(), report).await?;
    Ok(Place { asset, r#ref })
}

/// Commits a report's record with the job that will import it.
async fn queue(
    ctx: &Ctx,
    report: &Report,
    place: &Place,
    used: Option<&Used<'_>>,
) -> Result<Stored<Report>> {
    let job = Job::new(
        fresh(ctx.ports.ids.as_ref()),
        import::KIND,
        import::payload(report.id),
        report.created,
    )
    .in_lane(import::lane(report.asset))
    .of(report.organization);
    let audit = AuditEntry::new(
        ctx,
        Some(report.organization),
        "report.uploaded",
        [
            report.group.to_string(),
            report.asset.to_string(),
            report.id.to_string(),
        ],
    )
    .with(serde_json::json!({ "file": report.file_name, "sha256": report.sha256 }));
    let mut changes = ChangeSet::new();
    changes.create(report, Some(Event::named("report.queued")))?;
    changes.create(&job, None)?;
    changes.create(&audit, None)?;
    provisional::keep(&place.asset, Some(report.id), &mut changes)?;
    provisional::keep_ref(&place.r#ref, Some(report.id), &mut changes)?;
    if let Some(used) = used {
        let next = Upload {
            registered: Some(used.registered.clone()),
            ..used.upload.value.clone()
        };
        changes.update(used.upload, &next, None)?;
    }
    ctx.store().commit(changes).await?;
    Ok(Stored {
        value: report.clone(),
        version: 1,
    })
}

/// # Errors
/// `report.empty`.
pub(super) fn not_empty(size: u64) -> Result<()> {
    if size == 0 {
        return Err(Error::invalid(
            "report.empty",
            "the report is empty; check that the scanner wrote it",
        )
        .on_field("file"));
    }
    Ok(())
}

/// Of a report with more bytes than the server takes.
#[must_use]
pub fn too_large(limit: u64) -> Error {
    Error::limit(
        "report.too_large",
        format!(
            "the report is larger than {limit} bytes; compress it with gzip, split it, or raise import.max_upload_bytes"
        ),
    )
    .on_field("file")
}

/// What is said about a report, before anything is read or written for it.
pub(super) fn check(ctx: &Ctx, upload: &UploadReport) -> Result<()> {
    if let Some(name) = &upload.format
        && !ctx
            .ports
            .parsing
            .formats()
            .iter()
            .any(|format| format.name == *name)
    {
        return Err(Error::invalid("report.unknown_format", format!("there is no format {name:?}; leave it out to have it found, or see the list of formats")).on_field("format"));
    }
    if upload.commit.as_ref().is_some_and(|commit| {
        commit.is_empty() || commit.len() > 100 || !commit.chars().all(|c| c.is_ascii_graphic())
    }) {
        return Err(Error::invalid(
            "commit.malformed",
            "a commit has 1 to 100 visible ASCII characters",
        )
        .on_field("commit"));
    }
    // Clocks differ a little; a day is more than that.
    if upload
        .scanned_at
        .is_some_and(|at| at > ctx.now().plus_days(1))
    {
        return Err(Error::invalid(
            "report.scanned_in_future",
            "the scan can't have run in the future",
        )
        .on_field("scannedAt"));
    }
    asset_name(&upload.asset)?;
    upload.r#ref.as_deref().map(asset_name).transpose()?;
    Ok(())
}

/// The environment that an upload names. Of an asset that is not there yet it has none.
async fn environment_of(
    ctx: &Ctx,
    group: GroupId,
    upload: &UploadReport,
) -> Result<Option<ReportEnvironment>> {
    let Some(name) = upload.environment.as_deref() else {
        return Ok(None);
    };
    let asset = asset::by_name(ctx, group, &asset_name(&upload.asset)?).await?;
    let asset = asset.map(|asset| asset.id);
    environment::named(ctx, asset, name).await.map(Some)
}

/// One report.
///
/// # Errors
/// `not_found` also where the caller may not see it.
pub async fn require(ctx: &Ctx, id: ReportId) -> Result<Stored<Report>> {
    permitted(ctx, id, Action::ReportRead).await
}

/// Reports of a group, newest first.
///
/// # Errors
/// Not permitted, or the store's.
pub async fn of_group(ctx: &Ctx, group: &Group, page: PageRequest) -> Result<Page<Stored<Report>>> {
    ctx.permit(
        Action::ReportRead,
        Resource::Group(group.organization, group.id),
    )?;
    repo::list(
        ctx.store(),
        "by_group",
        &[&group.id.to_string()],
        true,
        page,
    )
    .await
}

/// Reports of an asset, newest first.
///
/// # Errors
/// Not permitted, or the store's.
pub async fn of_asset(ctx: &Ctx, asset: &Asset, page: PageRequest) -> Result<Page<Stored<Report>>> {
    ctx.permit(
        Action::ReportRead,
        Resource::Group(asset.organization, asset.group),
    )?;
    repo::list(
        ctx.store(),
        "by_asset",
        &[&asset.id.to_string()],
        true,
        page,
    )
    .await
}

/// The newest report of each asset, in order; one read of the store for all.
///
/// # Errors
/// The store's. The caller has already asked for permission on the assets.
pub async fn latest_of_assets(
    ctx: &Ctx,
    assets: &[AssetId],
) -> Result<Vec<Option<Stored<Report>>>> {
    let lists: Vec<_> = assets
        .iter()
        .map(|asset| crate::port::store::List {
            collection: "report",
            index: Some("by_asset"),
            partition: vec![asset.to_string()],
            prefix: String::new(),
            until: None,
            descending: true,
            page: PageRequest::first(1),
        })
        .collect();
    let pages = ctx.store().list(&lists).await?;
    pages
        .into_iter()
        .map(|page| {
            page.items
                .first()
                .map(crate::port::store::Raw::typed)
                .transpose()
        })
        .collect()
}

/// The formats this server reads, by name; for whoever has signed in.
///
/// # Errors
/// `auth.required`.
pub fn formats(ctx: &Ctx) -> Result<Vec<FormatInfo>> {
    if ctx.actor == crate::Actor::Anonymous {
        return Err(ctx.absent::<Report>());
    }
    Ok(ctx.ports.parsing.formats())
}

/// A page of what was not taken as written, in the order of the report.
///
/// # Errors
/// Not permitted, `page.cursor`, or the store's.
pub async fn warnings(ctx: &Ctx, id: ReportId, page: PageRequest) -> Result<Page<Warning>> {
    let report = require(ctx, id).await?;
    // They never change: the number of those before is a cursor.
    let passed = page.after.map_or(Ok(0), |after| {
        after.0.parse::<usize>().map_err(|_| {
            Error::invalid(
                "page.cursor",
                "this cursor is not one of ours; start again without it",
            )
            .on_field("after")
        })
    })?;
    if report.warnings == 0 {
        return Ok(Page::empty());
    }
    let bytes = ctx.ports.blobs.get(&report.warnings_blob()).await?;
    let all: Vec<Warning> = serde_json::from_slice(&bytes)
        .map_err(|_| Error::internal("blob.corrupt", "the warnings of the report can't be read"))?;
    let end = passed.saturating_add(page.first);
    let next = (end < all.len()).then(|| Cursor(end.to_string()));
    let items = all.into_iter().skip(passed).take(page.first).collect();
    Ok(Page { items, next })
}

/// The bytes as they were uploaded.
///
/// # Errors
/// Not permitted, or the blob store's.
pub async fn raw(
    ctx: &Ctx,
    id: ReportId,
) -> Result<(Stored<Report>, BoxStream<'static, Result<Bytes>>)> {
    let report = permitted::<Report>(ctx, id, Action::ReportDownload).await?;
    let audit = AuditEntry::new(
        ctx,
        Some(report.organization),
        "report.downloaded",
        [report.id.to_string()],
    );
    let mut changes = ChangeSet::new();
    changes.create(&audit, None)?;
    ctx.store().commit(changes).await?;
    let stream = ctx.ports.blobs.stream(&report.raw_blob()).await?;
    Ok((report, stream))
}

/// The report as it stands when it is final, or when `until` has come.
///
/// # Errors
/// Not permitted, or the store's.
pub async fn wait(ctx: &Ctx, id: ReportId, until: std::time::Duration) -> Result<Stored<Report>> {
    let mut commits = ctx.store().signals().feed;
    let deadline = tokio::time::Instant::now() + until;
    loop {
        commits.mark_unchanged();
        let report = require(ctx, id).await?;
        if report.status.is_final() {
            return Ok(report);
        }
        if !matches!(
            tokio::time::timeout_at(deadline, commits.changed()).await,
            Ok(Ok(()))
        ) {
            return require(ctx, id).await;
        }
    }
}
