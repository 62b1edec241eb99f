//! Bulks: one decision on many vulnerabilities of a group, as a durable job with its progress. Here
//! they are asked for, read and cancelled; [`run`] does them.

mod record;
pub mod run;

use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{BulkId, GroupId, VulnerabilityId};
use crate::model::{AuditEntry, Group, Job};
use crate::page::{Page, PageRequest};
use crate::policy::Action;
use crate::port::store::{ChangeSet, Event, Stored};
use crate::port::{fresh, repo};
use crate::rules::desk::Command;
use crate::rules::treatment::REASON_LIMIT;

use super::filter::VulnerabilityFilter;
use super::triage::assignable;
use super::{blocker, group, lookup};

pub use record::{BULK_LIMIT, Bulk, BulkRefusal, BulkStatus};

/// Which vulnerabilities.
#[derive(Clone, Debug)]
pub enum Chosen {
    Ids(Vec<VulnerabilityId>),
    /// Those that the filter lists when the work begins.
    Filter(Box<VulnerabilityFilter>),
}

/// Asks for a decision on many. It is taken by a job, as the caller, who is asked for their right
/// to it now.
///
/// # Errors
/// Not permitted, `bulk.nothing`, `bulk.too_many`, `bulk.reason`, `assignee.unknown`, or the store's.
pub async fn start(
    ctx: &Ctx,
    id: GroupId,
    chosen: Chosen,
    command: Command,
    reason: Option<&str>,
) -> Result<Stored<Bulk>> {
    let group = permitted(ctx, id, &command).await?;
    let place = Resource::Group(group.organization, id);
    if let Some(user) = command.assignee() {
        assignable(ctx, user, place).await?;
    }
    blocker::named(ctx, &command, place).await?;
    let reason = reason.map(str::trim).filter(|text| !text.is_empty());
    if reason.is_some_and(|text| text.len() > REASON_LIMIT) {
        return Err(Error::limit(
            "reason.too_long",
            format!("a reason has at most {REASON_LIMIT} bytes"),
        )
        .on_field("reason"));
    }
    let (ids, filter) = match chosen {
        Chosen::Ids(mut ids) => {
            ids.sort_unstable();
            ids.dedup();
            (Some(ids), None)
        }
        Chosen::Filter(filter) => (None, Some(*filter)),
    };
    match ids.as_ref().map(Vec::len) {
        Some(0) => {
            return Err(Error::invalid(
                "bulk.nothing",
                "name vulnerabilities, or a filter",
            ));
        }
        Some(count) if count > BULK_LIMIT => return Err(too_many()),
        _ => {}
    }
    let bulk = Bulk {
        id: fresh(ctx.ports.ids.as_ref()),
        organization: group.organization,
        group: id,
        by: ctx.actor.label(),
        person: ctx.actor.user(),
        command,
        reason: reason.map(str::to_owned),
        filter,
        status: BulkStatus::Queued,
        total: ids
            .as_ref()
            .map(|ids| u64::try_from(ids.len()).unwrap_or(u64::MAX)),
        done: 0,
        changed: 0,
        unchanged: 0,
        refused: 0,
        created: ctx.now(),
        finished: None,
        failure: None,
    };
    if let Some(ids) = &ids {
        // Before the commit: a job that exists finds what it is to do.
        ctx.ports
            .blobs
            .put(&bulk.plan_blob(), run::plan(ids)?)
            .await?;
    }
    let job = Job::new(
        fresh(ctx.ports.ids.as_ref()),
        run::KIND,
        serde_json::json!({ "bulk": bulk.id }),
        ctx.now(),
    )
    .in_lane(format!("bulk:{id}"))
    .of(group.organization);
    let mut changes = ChangeSet::new();
    changes.create(&bulk, Some(Event::named("bulk.started")))?;
    changes.create(&job, None)?;
    changes.create(&audit(ctx, &bulk, "bulk.started"), None)?;
    ctx.store().commit(changes).await?;
    Ok(Stored {
        value: bulk,
        version: 1,
    })
}

/// The group, if the caller may take that decision on its vulnerabilities.
///
/// # Errors
/// `not_found` also where the caller may not see it, not permitted, or the store's.
pub async fn permitted(ctx: &Ctx, id: GroupId, command: &Command) -> Result<Stored<Group>> {
    let group = group::require(ctx, id).await?;
    let place = Resource::Group(group.organization, id);
    ctx.permit(Action::VulnerabilityRead, place)?;
    ctx.permit(command.action(), place)?;
    Ok(group)
}

pub(super) fn too_many() -> Error {
    Error::limit(
        "bulk.too_many",
        format!("a bulk is about at most {BULK_LIMIT} vulnerabilities; narrow it"),
    )
}

fn audit(ctx: &Ctx, bulk: &Bulk, action: &'static str) -> AuditEntry {
    let subject = [bulk.group.to_string(), bulk.id.to_string()];
    AuditEntry::new(ctx, Some(bulk.organization), action, subject).with(serde_json::json!({
        "decision": bulk.command.name(),
        "total": bulk.total,
    }))
}

/// # Errors
/// `not_found` also where the caller may not see it, or the store's.
pub async fn require(ctx: &Ctx, id: BulkId) -> Result<Stored<Bulk>> {
    lookup::permitted(ctx, id, Action::VulnerabilityRead).await
}

/// The bulks of a group, latest first.
///
/// # Errors
/// Not permitted, or the store's.
pub async fn list(ctx: &Ctx, group: &Group, page: PageRequest) -> Result<Page<Stored<Bulk>>> {
    ctx.permit(
        Action::VulnerabilityRead,
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

/// What it could not decide on, in its order.
///
/// # Errors
/// The store's; the caller already has the bulk.
pub async fn refusals(
    ctx: &Ctx,
    bulk: BulkId,
    page: PageRequest,
) -> Result<Page<Stored<BulkRefusal>>> {
    repo::children(ctx.store(), &bulk.to_string(), false, page).await
}

/// Stops it between two steps. What is decided stays; cancelling again changes nothing.
///
/// # Errors
/// Not permitted, `bulk.finished`, `store.conflict`, or the store's.
pub async fn cancel(ctx: &Ctx, id: BulkId) -> Result<Stored<Bulk>> {
    for race in 0.. {
        let current = require(ctx, id).await?;
        let place = Resource::Group(current.organization, current.group);
        ctx.permit(current.command.action(), place)?;
        match current.status {
            BulkStatus::Cancelled => return Ok(current),
            status if status.is_final() => {
                return Err(Error::conflict("bulk.finished", "it is finished already"));
            }
            _ => {}
        }
        let next = Bulk {
            status: BulkStatus::Cancelled,
            finished: Some(ctx.now()),
            filter: None,
            ..current.value.clone()
        };
        let mut changes = ChangeSet::new();
        changes.update(&current, &next, Some(Event::named("bulk.cancelled")))?;
        changes.create(&audit(ctx, &next, "bulk.cancelled"), None)?;
        match ctx.store().commit(changes).await {
            Ok(_) => {
                return Ok(Stored {
                    value: next,
                    version: current.version + 1,
                });
            }
            // A step was committed meanwhile: there are many, and each is short.
            Err(error) if error.code() == "store.conflict" && race < 50 => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::conflict(
        "store.conflict",
        "it changes too often; try again",
    ))
}
