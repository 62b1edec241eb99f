//! Uploads in two steps, for reports that are too large for one request: room is made, the bytes are
//! sent there, and then they are registered as a report. Where the blob store can sign addresses the
//! bytes go straight to it; else Gna takes them, for whoever brings the upload's proof.
//!
//! Each upload becomes one report, however often it is registered: the report's record and the mark on
//! the upload are one commit. Before that the bytes are copied to where no address that was given out
//! reaches them; so what is counted and digested is what is imported.

use bytes::Bytes;
use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use std::time::Duration;

use super::access::new_secret;
use super::lookup::permitted;
use super::report::{Content, UploadReport, Used, check, not_empty, take, too_large};
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Kind, Result};
use crate::id::{GroupId, ReportId, UploadId};
use crate::model::{AuditEntry, Group, Registered, Report, UPLOAD_MS, Upload};
use crate::page::PageRequest;
use crate::policy::Action;
use crate::port::store::{ChangeSet, Stored};
use crate::port::{fresh, repo};
use crate::secret::Secret;

/// How many uploads are looked at together when old ones are removed.
const SWEPT_AT_ONCE: usize = 100;

/// Where the bytes of an upload are to be sent.
#[derive(Clone, Debug)]
pub enum Door {
    /// To this address, by PUT. It is the permission itself.
    Signed(Secret),
    /// To Gna, with this proof.
    Own(Secret),
}

/// An upload that waits for its bytes.
#[derive(Clone, Debug)]
pub struct Begun {
    pub upload: Upload,
    pub door: Door,
}

/// Makes room for a report of a group. `size` is what the caller means to send, where that is known;
/// `limit` is the largest report, both in bytes.
///
/// # Errors
/// Not permitted, `report.empty`, `report.too_large`, or the store's.
pub async fn begin(ctx: &Ctx, group: GroupId, size: Option<u64>, limit: u64) -> Result<Begun> {
    let group = permitted::<Group>(ctx, group, Action::ReportUpload)
        .await?
        .value;
    if let Some(size) = size {
        fits(size, limit)?;
    }
    let mut upload = Upload {
        id: fresh(ctx.ports.ids.as_ref()),
        organization: group.organization,
        group: group.id,
        by: ctx.actor.label(),
        created: ctx.now(),
        proof: None,
        registered: None,
    };
    let lasts = Duration::from_millis(UPLOAD_MS.unsigned_abs());
    let door = match ctx.ports.blobs.signed_put(&upload.blob(), lasts).await? {
        Some(url) => Door::Signed(url),
        None => {
            let proof = new_secret(ctx.ports.ids.as_ref(), "");
            upload.proof = Some(proof.digest());
            Door::Own(proof)
        }
    };
    let audit = AuditEntry::new(
        ctx,
        Some(group.organization),
        "upload.begun",
        [group.id.to_string(), upload.id.to_string()],
    );
    let mut changes = ChangeSet::new();
    changes.create(&upload, None)?;
    changes.create(&audit, None)?;
    ctx.store().commit(changes).await?;
    Ok(Begun { upload, door })
}

fn fits(size: u64, limit: u64) -> Result<()> {
    not_empty(size)?;
    if size > limit {
        return Err(too_large(limit));
    }
    Ok(())
}

/// The one answer to an upload that never was, that went, or that is somebody else's.
#[must_use]
pub fn missing() -> Error {
    Error::not_found(
        "upload.not_found",
        "there is no such upload of yours; begin one with POST /api/v2/uploads",
    )
}

fn expired() -> Error {
    Error::conflict(
        "upload.expired",
        "the time of this upload is over; begin a new one with POST /api/v2/uploads",
    )
}

fn used() -> Error {
    Error::conflict(
        "upload.used",
        "this upload became a report already, of which something else was said; begin a new one with POST /api/v2/uploads",
    )
}

/// An upload whose bytes Gna takes, for whoever brings its proof: to be asked before the bytes are
/// read. The proof is the permission.
///
/// # Errors
/// `upload.not_found` also for a wrong proof, `upload.expired`, `upload.used`, or the store's.
pub async fn admit(ctx: &Ctx, id: UploadId, proof: &Secret) -> Result<Stored<Upload>> {
    let found = repo::get::<Upload>(ctx.store(), id)
        .await?
        .filter(|found| {
            let digest = found.proof.as_deref();
            digest.is_some_and(|digest| proof.matches_digest(digest))
        })
        .ok_or_else(missing)?;
    if found.registered.is_some() {
        return Err(used());
    }
    if ctx.now() >= found.open_until() {
        return Err(expired());
    }
    Ok(found)
}

/// Keeps the bytes of an upload that was admitted. Sent again, they take the place of the first ones.
///
/// # Errors
/// `report.empty`, `report.too_large`, or the blob store's.
pub async fn keep(ctx: &Ctx, admitted: &Upload, bytes: Bytes, limit: u64) -> Result<()> {
    fits(u64::try_from(bytes.len()).unwrap_or(u64::MAX), limit)?;
    ctx.ports.blobs.put(&admitted.blob(), bytes).await
}

/// Makes an upload's bytes a report of the group for which room was made, as
/// [`super::report::upload`] does with bytes that come at once. Again with the same words it gives
/// the same report. Only who began the upload may register it, with the right that it takes then.
///
/// # Errors
/// Not permitted, `upload.not_found` also for another group's or caller's, `upload.expired`,
/// `upload.incomplete` before the bytes are there, `upload.used` with other words than the first
/// time, `report.too_large`, or as [`super::report::upload`].
pub async fn register(
    ctx: &Ctx,
    group: GroupId,
    id: UploadId,
    upload: UploadReport,
    limit: u64,
) -> Result<Stored<Report>> {
    let group = permitted::<Group>(ctx, group, Action::ReportUpload)
        .await?
        .value;
    let said = digest(&upload)?;
    let found = own(ctx, &group, id).await?;
    if let Some(done) = &found.registered {
        return again(ctx, done, &said).await;
    }
    if ctx.now() >= found.kept_until() {
        return Err(expired());
    }
    check(ctx, &upload)?;
    let report: ReportId = fresh(ctx.ports.ids.as_ref());
    let error = match moved(ctx, &group, &found, report, upload, &said, limit).await {
        Ok(done) => {
            remove(ctx, &found, &found.blob()).await;
            return Ok(done);
        }
        Err(error) => error,
    };
    // It may be that somebody was faster who sent the same, or that the commit was made although
    // nobody said so: then the copy is the report's.
    let now = own(ctx, &group, id).await?;
    let is_taken = now
        .registered
        .as_ref()
        .is_some_and(|done| done.report == report);
    if !is_taken && !error.is_retryable() {
        remove(ctx, &found, &Report::raw_blob_of(report)).await;
    }
    match &now.registered {
        Some(done) => again(ctx, done, &said).await,
        None => Err(error),
    }
}

/// Removes what nobody needs any more. What stays for now is an old upload's bytes, which go in time,
/// or a copy that nothing names.
async fn remove(ctx: &Ctx, of: &Upload, blob: &str) {
    if let Err(error) = ctx.ports.blobs.delete(blob).await {
        tracing::warn!(upload = %of.id, code = error.code(), "bytes of an upload could not be removed");
    }
}

async fn own(ctx: &Ctx, group: &Group, id: UploadId) -> Result<Stored<Upload>> {
    repo::get::<Upload>(ctx.store(), id)
        .await?
        .filter(|found| found.group == group.id && found.by == ctx.actor.label())
        .ok_or_else(missing)
}

/// What was said about a report, as one value that can be compared.
fn digest(upload: &UploadReport) -> Result<String> {
    let said = serde_json::to_vec(upload)
        .map_err(|_| Error::internal("upload.encode", "an upload's words can't be written"))?;
    Ok(hex::encode(Sha256::digest(said)))
}

async fn again(ctx: &Ctx, done: &Registered, said: &str) -> Result<Stored<Report>> {
    if done.said != said {
        return Err(used());
    }
    repo::require::<Report>(ctx.store(), done.report).await
}

/// Copies the bytes to the report's own place, measures them there and commits the report.
async fn moved(
    ctx: &Ctx,
    group: &Group,
    found: &Stored<Upload>,
    report: ReportId,
    upload: UploadReport,
    said: &str,
    limit: u64,
) -> Result<Stored<Report>> {
    let incomplete = |error: Error| match error.kind() {
        Kind::NotFound => Error::conflict(
            "upload.incomplete",
            "nothing was sent to this upload yet; send the bytes where its answer said, then register it",
        ),
        _ => error,
    };
    let (from, to) = (found.blob(), Report::raw_blob_of(report));
    let blobs = &ctx.ports.blobs;
    // Before anything is copied; the copy is measured again.
    fits(blobs.size(&from).await.map_err(incomplete)?, limit)?;
    blobs.copy(&from, &to).await.map_err(incomplete)?;
    let content = measured(ctx, &to, limit).await?;
    let used = Used {
        upload: found,
        registered: Registered {
            report,
            said: said.to_owned(),
        },
    };
    take(ctx, group, report, upload, content, Some(&used)).await
}

/// Size and digest of a blob, piece by piece.
async fn measured(ctx: &Ctx, name: &str, limit: u64) -> Result<Content> {
    let mut pieces = ctx.ports.blobs.stream(name).await?;
    let mut sha = Sha256::new();
    let mut size = 0_u64;
    while let Some(piece) = pieces.try_next().await? {
        size = size.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if size > limit {
            return Err(too_large(limit));
        }
        sha.update(&piece);
    }
    not_empty(size)?;
    Ok(Content {
        size,
        sha256: hex::encode(sha.finalize()),
        bytes: None,
    })
}

/// Removes uploads that are older than a day, with the bytes that nobody registered.
///
/// # Errors
/// Not permitted (it is for Gna itself and administrators), or the stores'.
pub async fn sweep(ctx: &Ctx) -> Result<()> {
    ctx.permit(Action::InstanceManage, Resource::Instance)?;
    let mut page = PageRequest::first(SWEPT_AT_ONCE);
    loop {
        let oldest = repo::list::<Upload>(ctx.store(), "all", &[], false, page.clone()).await?;
        for upload in &oldest.items {
            if ctx.now() < upload.kept_until() {
                return Ok(());
            }
            // The record last: it tells of bytes that are still to be removed.
            ctx.ports.blobs.delete(&upload.blob()).await?;
            let mut changes = ChangeSet::new();
            changes.delete(upload, None);
            match ctx.store().commit(changes).await {
                // Another process removed it.
                Err(error) if error.kind() == Kind::Conflict => {}
                done => {
                    done?;
                }
            }
        }
        match oldest.next {
            Some(next) => page.after = Some(next),
            None => return Ok(()),
        }
    }
}
