//! Evidence: files that show something about a vulnerability. The record commits together with the
//! vulnerability's history; its bytes are in the blob store before, and go after.

use bytes::Bytes;
use futures::stream::BoxStream;
use sha2::{Digest, Sha256};

use super::access::retrying;
use super::lookup::permitted;
use super::vulnerability::{Step, commit_with};
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::id::{EvidenceId, VulnerabilityId};
use crate::model::{
    EVIDENCE_LARGEST, EVIDENCE_MAX, Evidence, EvidenceKind, Vulnerability, VulnerabilityEvent,
    evidence_name,
};
use crate::policy::Action;
use crate::port::store::{ChangeSet, Stored};
use crate::port::{fresh, repo};

/// Adds a file. The same bytes under the same name again change nothing.
///
/// # Errors
/// Not permitted, `evidence.name`, `evidence.empty`, `evidence.too_large`, `evidence.kind`,
/// `evidence.too_many`, `vulnerability.merged`, or the store's.
pub async fn add(
    ctx: &Ctx,
    id: VulnerabilityId,
    name: &str,
    bytes: Bytes,
) -> Result<Stored<Evidence>> {
    permitted::<Vulnerability>(ctx, id, Action::EvidenceWrite).await?;
    let evidence = described(ctx, id, name, &bytes)?;
    if let Some(known) = same(&all(ctx, id).await?, &evidence) {
        return Ok(known.clone());
    }
    // Before the commit: a record that is there finds its bytes.
    ctx.ports.blobs.put(&evidence.blob(), bytes).await?;
    let added = retrying(|| commit_new(ctx, &evidence)).await;
    match added {
        Ok(known) if known.id == evidence.id => Ok(known),
        // Somebody else brought the same meanwhile, or it was refused.
        other => {
            ctx.ports.blobs.delete(&evidence.blob()).await?;
            other
        }
    }
}

fn described(ctx: &Ctx, of: VulnerabilityId, name: &str, bytes: &Bytes) -> Result<Evidence> {
    let name = evidence_name(name)?;
    if bytes.is_empty() {
        return Err(Error::invalid("evidence.empty", "the file is empty"));
    }
    if bytes.len() > EVIDENCE_LARGEST {
        return Err(Error::limit(
            "evidence.too_large",
            format!("a file has at most {EVIDENCE_LARGEST} bytes"),
        ));
    }
    let kind = EvidenceKind::of(bytes).ok_or_else(|| {
        Error::invalid(
            "evidence.kind",
            "evidence is a PNG, JPEG, GIF, WebP, MP4, WebM, PDF or a text in UTF-8",
        )
    })?;
    Ok(Evidence {
        id: fresh(ctx.ports.ids.as_ref()),
        vulnerability: of,
        name,
        kind,
        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        sha256: hex::encode(Sha256::digest(bytes)),
        author: ctx.actor.user(),
        actor: ctx.actor.label(),
        created: ctx.now(),
    })
}

fn same<'a>(all: &'a [Stored<Evidence>], as_this: &Evidence) -> Option<&'a Stored<Evidence>> {
    all.iter()
        .find(|known| known.name == as_this.name && known.sha256 == as_this.sha256)
}

async fn commit_new(ctx: &Ctx, evidence: &Evidence) -> Result<Stored<Evidence>> {
    let id = evidence.vulnerability;
    let current = permitted::<Vulnerability>(ctx, id, Action::EvidenceWrite).await?;
    if current.merged_into.is_some() {
        return Err(Error::conflict(
            "vulnerability.merged",
            "it was merged into another one; decide there",
        ));
    }
    // The vulnerability's version guards what was counted.
    let there = all(ctx, id).await?;
    if let Some(known) = same(&there, evidence) {
        return Ok(known.clone());
    }
    if there.len() >= EVIDENCE_MAX {
        return Err(Error::limit(
            "evidence.too_many",
            format!("a vulnerability has at most {EVIDENCE_MAX} files; remove one first"),
        ));
    }
    let mut changes = ChangeSet::new();
    changes.create(evidence, None)?;
    let events = vec![VulnerabilityEvent::EvidenceAdded {
        evidence: evidence.id,
        name: evidence.name.clone(),
    }];
    let step = Step { current, events };
    commit_with(ctx, vec![step], changes, "evidence.added", None).await?;
    Ok(Stored {
        value: evidence.clone(),
        version: 1,
    })
}

/// The files of a vulnerability, oldest first: at most 50.
///
/// # Errors
/// Not permitted, or the store's.
pub async fn list(ctx: &Ctx, id: VulnerabilityId) -> Result<Vec<Stored<Evidence>>> {
    permitted::<Vulnerability>(ctx, id, Action::EvidenceRead).await?;
    all(ctx, id).await
}

async fn all(ctx: &Ctx, id: VulnerabilityId) -> Result<Vec<Stored<Evidence>>> {
    repo::all_children::<Evidence>(ctx.store(), &id.to_string()).await
}

async fn one(ctx: &Ctx, of: VulnerabilityId, id: EvidenceId) -> Result<Stored<Evidence>> {
    let found = repo::get_keys::<Evidence>(ctx.store(), &[Evidence::key_of(of, id)]).await?;
    let found = found.into_iter().next().flatten();
    found.ok_or_else(repo::missing::<Evidence>)
}

/// A file with its bytes.
///
/// # Errors
/// Not permitted, `not_found`, `blob.not_found`, or the store's.
pub async fn download(
    ctx: &Ctx,
    of: VulnerabilityId,
    id: EvidenceId,
) -> Result<(Evidence, BoxStream<'static, Result<Bytes>>)> {
    permitted::<Vulnerability>(ctx, of, Action::EvidenceRead).await?;
    let evidence = one(ctx, of, id).await?.value;
    let bytes = ctx.ports.blobs.stream(&evidence.blob()).await?;
    Ok((evidence, bytes))
}

/// Removes a file for good; the history keeps that it was there.
///
/// # Errors
/// Not permitted, `not_found`, or the store's.
pub async fn remove(ctx: &Ctx, of: VulnerabilityId, id: EvidenceId) -> Result<()> {
    let gone = retrying(|| async {
        let current = permitted::<Vulnerability>(ctx, of, Action::EvidenceWrite).await?;
        let evidence = one(ctx, of, id).await?;
        let mut changes = ChangeSet::new();
        changes.delete(&evidence, None);
        let events = vec![VulnerabilityEvent::EvidenceRemoved {
            evidence: evidence.id,
            name: evidence.name.clone(),
        }];
        let step = Step { current, events };
        commit_with(ctx, vec![step], changes, "evidence.removed", None).await?;
        Ok(evidence.value)
    })
    .await?;
    ctx.ports.blobs.delete(&gone.blob()).await
}
