//! An integration shows that it is busy while a process of it has not ended: each is counted in the
//! commit that begins it, and in the one that ends it.

use super::change::lacks_nothing;
use crate::connect::integration::Integration;
use crate::connect::process::Process;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::IntegrationId;
use crate::port::recipes::Desk;
use crate::port::repo;
use crate::port::store::{ChangeSet, Event, Stored};
use crate::rules::integration::while_running;
use crate::service::access::retrying;

/// Whether a process begins or ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    In,
    Out,
}

/// Counts a process of an integration in or out, in the commit that begins or ends it.
///
/// # Errors
/// The store's.
pub(super) async fn count(
    ctx: &Ctx,
    changes: &mut ChangeSet,
    of: IntegrationId,
    way: Count,
) -> Result<()> {
    let Some(current) = repo::get::<Integration>(ctx.store(), of).await? else {
        return Ok(());
    };
    let (running, event) = match way {
        Count::In => (current.running.saturating_add(1), "integration.began"),
        Count::Out => (current.running.saturating_sub(1), "integration.ended"),
    };
    let status = while_running(current.status, running, lacks_nothing(&current.messages));
    let next = Integration {
        status,
        running,
        ..current.value.clone()
    };
    if next == current.value {
        return Ok(());
    }
    if status == current.status {
        return changes.update(&current, &next, None);
    }
    let next = Integration {
        updated: ctx.now(),
        ..next
    };
    changes.update(&current, &next, Some(Event::named(event)))
}

/// Ends a process as its job did, if the job is still ours.
///
/// # Errors
/// `store.conflict` where somebody else ended it, or the store's.
pub(super) async fn end_process(
    desk: &Desk<'_>,
    current: &Stored<Process>,
    ended: &Process,
) -> Result<()> {
    retrying(|| async {
        let mut changes = ChangeSet::new();
        changes.update(current, ended, Some(Event::named("process.ended")))?;
        count(&desk.ctx, &mut changes, current.integration, Count::Out).await?;
        desk.commit(changes).await
    })
    .await
}
