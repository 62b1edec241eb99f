//! Long work of an integration: started by its recipe, done in steps by durable jobs, watched and
//! ended by people.

use serde_json::Value;

use super::busy::{Count, count};
use super::work;
use crate::connect::integration::Integration;
use crate::connect::process::{Process, ProcessProgress, ProcessState};
use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::{IntegrationId, ProcessId};
use crate::model::AuditEntry;
use crate::page::{Page, PageRequest};
use crate::port::recipes::Desk;
use crate::port::store::{ChangeSet, Event, Stored};
use crate::port::{fresh, repo};
use crate::rules::process::cancelled;
use crate::service::access::retrying;
use crate::service::connect::access::{Wish, require};

/// Starts a process; its first step is a job of the integration, which shows that it is busy until the
/// last process has ended. For recipes.
///
/// # Errors
/// The store's.
pub async fn start(
    desk: &Desk<'_>,
    kind: &str,
    name: &str,
    context: Value,
) -> Result<Stored<Process>> {
    let now = desk.ctx.now();
    let process = Process {
        id: fresh(desk.ctx.ports.ids.as_ref()),
        organization: desk.integration.organization,
        integration: desk.integration.id,
        name: name.to_owned(),
        kind: kind.to_owned(),
        state: ProcessState::Initializing,
        context,
        results: Value::Null,
        parent: None,
        progress: ProcessProgress::default(),
        message: None,
        created: now,
        updated: now,
        finished: None,
    };
    retrying(|| async {
        let job = work::process(&desk.ctx, &desk.integration, process.id);
        let mut changes = ChangeSet::new();
        changes.create(&process, Some(Event::named("process.started")))?;
        changes.create(&job, None)?;
        count(&desk.ctx, &mut changes, process.integration, Count::In).await?;
        desk.commit(changes).await
    })
    .await?;
    Ok(Stored {
        value: process,
        version: 1,
    })
}

/// The process of a kind that has not ended, if there is one. For recipes, so that a look that is
/// due does not start what runs already.
///
/// # Errors
/// The store's.
pub async fn running(desk: &Desk<'_>, kind: &str) -> Result<Option<Stored<Process>>> {
    let id = desk.integration.id.to_string();
    let newest = repo::list::<Process>(
        desk.ctx.store(),
        "by_integration",
        &[&id],
        true,
        PageRequest::first(20),
    )
    .await?;
    // The list may lag: whether one has ended is read from the record.
    let newest = repo::current(desk.ctx.store(), &newest.items).await?;
    Ok(newest
        .into_iter()
        .find(|process| process.kind == kind && !process.state.is_final()))
}

/// Processes of an integration, newest first.
///
/// # Errors
/// `not_found` also where it belongs to somebody else, `auth.required`, or the store's.
pub async fn list(
    ctx: &Ctx,
    integration: IntegrationId,
    page: PageRequest,
) -> Result<Page<Stored<Process>>> {
    require::<Integration>(ctx, Wish::Read, integration).await?;
    let id = integration.to_string();
    repo::list::<Process>(ctx.store(), "by_integration", &[&id], true, page).await
}

/// # Errors
/// As [`list`].
pub async fn get(ctx: &Ctx, id: ProcessId) -> Result<Stored<Process>> {
    reached(ctx, Wish::Read, id).await
}

/// Ends it; what it did stays done. One that has ended stays as it is.
///
/// # Errors
/// As [`list`].
pub async fn cancel(ctx: &Ctx, id: ProcessId) -> Result<Stored<Process>> {
    retrying(|| async {
        let current = reached(ctx, Wish::Change, id).await?;
        let next = cancelled(&current, ctx.now());
        if next == current.value {
            return Ok(current);
        }
        let audit = AuditEntry::new(
            ctx,
            Some(current.organization),
            "process.cancelled",
            [current.integration.to_string(), id.to_string()],
        );
        let mut changes = ChangeSet::new();
        changes.update(&current, &next, Some(Event::named("process.cancelled")))?;
        changes.create(&audit, None)?;
        count(ctx, &mut changes, current.integration, Count::Out).await?;
        ctx.store().commit(changes).await?;
        Ok(Stored {
            value: next,
            version: current.version + 1,
        })
    })
    .await
}

async fn reached(ctx: &Ctx, wish: Wish, id: ProcessId) -> Result<Stored<Process>> {
    crate::service::access::not_anonymous(ctx)?;
    let found = repo::get::<Process>(ctx.store(), id).await?;
    let found = found.ok_or_else(|| ctx.absent::<Process>())?;
    require::<Integration>(ctx, wish, found.integration)
        .await
        .map_err(|_| ctx.absent::<Process>())?;
    Ok(found)
}
