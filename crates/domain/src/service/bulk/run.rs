//! Doing a bulk: the vulnerabilities are listed once, then decided on in steps. Each step commits
//! its decisions, its refusals and the bulk's progress together, so that a bulk that was interrupted
//! goes on where it stopped and nothing is decided twice.

use async_trait::async_trait;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;

use super::{BULK_LIMIT, Bulk, BulkRefusal, BulkStatus, too_many};
use crate::ctx::{Ctx, Grants, Resource};
use crate::error::{Error, Kind, Result};
use crate::id::{AssetId, BulkId, RefId, VulnerabilityId};
use crate::model::{Asset, Blocker, Failure, Job, Note, Policy, Vulnerability};
use crate::port::jobs::{Claimed, Handler, Outcome};
use crate::port::repo;
use crate::port::search::{SearchRequest, Sort};
use crate::port::store::{ChangeSet, Event, Stored};
use crate::rules::blocker::may_hold;
use crate::rules::desk;
use crate::service::blocker;
use crate::service::filter::VulnerabilityFilter;
use crate::service::index;
use crate::service::triage::policy_of;
use crate::service::vulnerability::{Step, commit_with, select};

/// The kind of the job.
pub const KIND: &str = "bulk.run";

/// Most vulnerabilities of one commit.
const CHUNK: usize = 200;

/// Writes that one vulnerability may need: itself, two history rows, presence, audit, a refusal.
const WRITES_PER_ITEM: usize = 10;

/// Ids listed at once.
const PAGE: usize = 1_000;

/// The ids as they are kept until the bulk is done.
pub(in crate::service) fn plan(ids: &[VulnerabilityId]) -> Result<Bytes> {
    serde_json::to_vec(ids)
        .map(Bytes::from)
        .map_err(|_| Error::internal("bulk.plan", "the plan can't be written"))
}

/// Does it.
pub struct BulkHandler;

#[async_trait]
impl Handler for BulkHandler {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn description(&self) -> &'static str {
        "Takes one decision on many vulnerabilities"
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let id = bulk_id(claimed.job())?;
        let mut bulk = repo::require::<Bulk>(ctx.store(), id).await?;
        // As the one who asked, whose right to it was asked for then.
        let ctx = Ctx {
            actor: bulk.actor(),
            grants: Arc::new(Grants::unlimited()),
            ports: ctx.ports.clone(),
        };
        if !bulk.status.is_final() && bulk.total.is_none() {
            match list(&ctx, claimed, &bulk).await {
                Err(error) if error.code() == "store.conflict" => {}
                listed => listed?,
            }
            bulk = repo::require::<Bulk>(ctx.store(), id).await?;
        }
        if !bulk.status.is_final() {
            let written = ctx.ports.blobs.get(&bulk.plan_blob()).await?;
            let ids: Vec<VulnerabilityId> = serde_json::from_slice(&written)
                .map_err(|_| Error::internal("bulk.plan", "the plan can't be read"))?;
            while !bulk.status.is_final() {
                match step(&ctx, claimed, &bulk, &ids).await {
                    // An import or a person was there first, or it was cancelled: look again.
                    Err(error) if error.code() == "store.conflict" => {
                        let mut still_mine = ChangeSet::new();
                        claimed.fence(&mut still_mine);
                        ctx.store().commit(still_mine).await?;
                    }
                    other => other?,
                }
                bulk = repo::require::<Bulk>(ctx.store(), id).await?;
            }
        }
        ctx.ports.blobs.delete(&bulk.plan_blob()).await?;
        Ok(Outcome::done())
    }

    async fn give_up(&self, ctx: &Ctx, job: &Job, error: &Error) -> Result<ChangeSet> {
        let mut changes = ChangeSet::new();
        if let Some(bulk) = repo::get::<Bulk>(ctx.store(), bulk_id(job)?).await? {
            // Nobody goes on with it: tried again it only says that it has failed.
            discard(ctx, &bulk.plan_blob()).await;
            if !bulk.status.is_final() {
                let next = Bulk {
                    status: BulkStatus::Failed,
                    finished: Some(ctx.now()),
                    failure: Some(Failure::of(error)),
                    filter: None,
                    ..bulk.value.clone()
                };
                changes.update(&bulk, &next, Some(Event::named("bulk.failed")))?;
            }
        }
        Ok(changes)
    }
}

fn bulk_id(job: &Job) -> Result<BulkId> {
    job.payload
        .get("bulk")
        .and_then(serde_json::Value::as_str)
        .ok_or_else(|| Error::invalid("job.payload", "the job names no bulk"))?
        .parse()
}

/// Writes down which vulnerabilities the filter means now.
async fn list(ctx: &Ctx, claimed: &Claimed, bulk: &Stored<Bulk>) -> Result<()> {
    // What its asker had seen is in the index then.
    index::catch_up(ctx).await?;
    let place = Resource::Group(bulk.organization, bulk.group);
    let filter = bulk.filter.clone().unwrap_or_default();
    let (ids, status, failure) = match listed(ctx, place, &filter).await {
        Ok(ids) => (Some(ids), BulkStatus::Running, None),
        Err(error) if error.code() == "bulk.too_many" => {
            (None, BulkStatus::Failed, Some(Failure::of(&error)))
        }
        Err(error) => return Err(error),
    };
    if let Some(ids) = &ids {
        ctx.ports.blobs.put(&bulk.plan_blob(), plan(ids)?).await?;
    }
    let next = Bulk {
        filter: None,
        status,
        total: ids.map(|ids| u64::try_from(ids.len()).unwrap_or(u64::MAX)),
        finished: status.is_final().then(|| ctx.now()),
        failure,
        ..bulk.value.clone()
    };
    let mut changes = ChangeSet::new();
    claimed.fence(&mut changes);
    changes.update(bulk, &next, Some(Event::named("bulk.listed")))?;
    ctx.store().commit(changes).await.map(|_| ())
}

/// Drops a plan, or an upload, that nobody goes on with. Where that fails the work must end all the same.
pub(in crate::service) async fn discard(ctx: &Ctx, blob: &str) {
    if let Err(error) = ctx.ports.blobs.delete(blob).await {
        tracing::warn!(%error, blob, "a file that is not needed any more could not be removed");
    }
}

/// The ids of a group's vulnerabilities that the filter lists now.
///
/// # Errors
/// Not permitted, `bulk.too_many`, or the index's.
pub(in crate::service) async fn listed(
    ctx: &Ctx,
    place: Resource,
    filter: &VulnerabilityFilter,
) -> Result<Vec<VulnerabilityId>> {
    let mut request = SearchRequest {
        selection: select(ctx, &[place], filter).await?,
        sort: Sort {
            field: "created",
            descending: false,
        },
        limit: PAGE,
        after: None,
    };
    let mut ids = Vec::new();
    loop {
        let page = ctx.ports.search.query(&request).await?;
        request.after = page.hits.last().map(|hit| hit.cursor.clone());
        ids.extend(page.hits.into_iter().map(|hit| hit.id));
        if ids.len() > BULK_LIMIT {
            return Err(too_many());
        }
        if !page.has_more {
            return Ok(ids);
        }
    }
}

/// Decides on the next few, and notes it.
async fn step(
    ctx: &Ctx,
    claimed: &Claimed,
    bulk: &Stored<Bulk>,
    ids: &[VulnerabilityId],
) -> Result<()> {
    let size = (ctx.store().limits().writes / WRITES_PER_ITEM).clamp(1, CHUNK);
    let from = usize::try_from(bulk.done).unwrap_or(usize::MAX);
    let chunk: Vec<VulnerabilityId> = ids.iter().skip(from).take(size).copied().collect();
    let policy = policy_of(ctx, bulk.organization, bulk.group).await?;
    let found = repo::get_many::<Vulnerability>(ctx.store(), &chunk).await?;
    let refs = default_refs(ctx, &found).await?;
    let note = Note::new(&ctx.actor, ctx.now(), bulk.reason.as_deref());
    let mut changes = ChangeSet::new();
    claimed.fence(&mut changes);
    let place = Resource::Group(bulk.organization, bulk.group);
    let blocker = blocker::named(ctx, &bulk.command, place).await?;
    let mut steps = Vec::new();
    let mut next = Bulk {
        status: BulkStatus::Running,
        ..bulk.value.clone()
    };
    for (id, current) in chunk.iter().zip(found) {
        let held_for = blocker.as_ref().map(|blocker| &blocker.value);
        match decide(&bulk.value, current, held_for, &policy, &refs, &note) {
            Ok(step) if step.events.is_empty() => next.unchanged += 1,
            Ok(step) => {
                next.changed += 1;
                steps.push(step);
            }
            Err(refusal) if is_refusal(&refusal) => {
                changes.create(
                    &BulkRefusal {
                        bulk: bulk.id,
                        at: next.done,
                        vulnerability: *id,
                        code: refusal.code().to_owned(),
                        message: refusal.message().to_owned(),
                    },
                    None,
                )?;
                next.refused += 1;
            }
            Err(error) => return Err(error),
        }
        next.done += 1;
    }
    let mut event = "bulk.progressed";
    if next.total.is_none_or(|total| next.done >= total) {
        next.status = BulkStatus::Complete;
        next.finished = Some(ctx.now());
        event = "bulk.completed";
    }
    changes.update(bulk, &next, Some(Event::named(event)))?;
    // Solved meanwhile: looked at again, and refused then.
    if let Some(blocker) = blocker.filter(|_| !steps.is_empty()) {
        changes.require(&blocker);
    }
    let reason = bulk.reason.as_deref();
    commit_with(ctx, steps, changes, bulk.command.name(), reason)
        .await
        .map(|_| ())
}

fn decide(
    bulk: &Bulk,
    current: Option<Stored<Vulnerability>>,
    held_for: Option<&Blocker>,
    policy: &Policy,
    refs: &HashMap<AssetId, RefId>,
    note: &Note,
) -> Result<Step> {
    let current = current
        .filter(|current| current.group == bulk.group)
        .ok_or_else(repo::missing::<Vulnerability>)?;
    if let Some(blocker) = held_for {
        may_hold(blocker, &current)?;
    }
    let default_ref = refs
        .get(&current.asset)
        .copied()
        .ok_or_else(repo::missing::<Asset>)?;
    let events = desk::decide(&current.value, &bulk.command, policy, default_ref, note)?;
    Ok(Step { current, events })
}

/// Whether it says something about the one vulnerability, and not about our means.
fn is_refusal(error: &Error) -> bool {
    matches!(
        error.kind(),
        Kind::Invalid | Kind::Conflict | Kind::NotFound | Kind::Limit
    )
}

async fn default_refs(
    ctx: &Ctx,
    found: &[Option<Stored<Vulnerability>>],
) -> Result<HashMap<AssetId, RefId>> {
    let mut assets: Vec<AssetId> = found.iter().flatten().map(|value| value.asset).collect();
    assets.sort_unstable();
    assets.dedup();
    let assets = repo::get_many::<Asset>(ctx.store(), &assets).await?;
    Ok(assets
        .into_iter()
        .flatten()
        .map(|asset| (asset.id, asset.default_ref))
        .collect())
}
