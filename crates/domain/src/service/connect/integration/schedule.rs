//! The schedule by which an integration looks at its app.

use serde_json::json;

use super::work::TICK;
use crate::connect::integration::Integration;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::{IntegrationId, OrganizationId, ScheduleId};
use crate::model::{Overlap, Schedule, Timing};
use crate::port::repo;
use crate::port::store::ChangeSet;
use crate::rules::schedule::{SPREAD_MAX, armed, disarmed};
use crate::service::schedule::{NewSchedule, prepare};

/// Its schedule, to be committed with it; none where its recipe never looks. Spread over the whole
/// time between two looks, so that a thousand that were made together do not ask together; a look
/// that is due while the one before is not finished is left out.
///
/// # Errors
/// `schedule.*` where the recipe names a time that can't be kept.
pub(super) fn made(
    ctx: &Ctx,
    organization: OrganizationId,
    id: IntegrationId,
    every_seconds: u32,
) -> Result<Option<Schedule>> {
    if every_seconds == 0 {
        return Ok(None);
    }
    let schedule = prepare(
        ctx,
        NewSchedule {
            organization: Some(organization),
            name: format!("integration.{id}"),
            timing: Timing::Every {
                seconds: every_seconds,
            },
            overlap: Overlap::Skip,
            spread_ms: every_seconds.saturating_mul(1_000).min(SPREAD_MAX),
            job: TICK.to_owned(),
            payload: json!({ "integration": id }),
        },
    )?;
    Ok(Some(Schedule {
        shared_lane: Some(Integration::lane(id)),
        ..schedule
    }))
}

/// Adds the switching of a schedule to a change; one that a person removed stays so.
///
/// # Errors
/// The store's.
pub(super) async fn switch(
    ctx: &Ctx,
    changes: &mut ChangeSet,
    id: Option<ScheduleId>,
    on: bool,
) -> Result<()> {
    let Some(id) = id else { return Ok(()) };
    if let Some(found) = repo::get::<Schedule>(ctx.store(), id).await?
        && found.armed != on
    {
        let next = if on {
            armed(&found, ctx.now())
        } else {
            disarmed(&found)
        };
        changes.update(&found, &next, None)?;
    }
    Ok(())
}

/// Adds the removal of a schedule to a change.
///
/// # Errors
/// The store's.
pub(super) async fn remove(
    ctx: &Ctx,
    changes: &mut ChangeSet,
    id: Option<ScheduleId>,
) -> Result<()> {
    let Some(id) = id else { return Ok(()) };
    if let Some(found) = repo::get::<Schedule>(ctx.store(), id).await? {
        changes.delete(&found, None);
    }
    Ok(())
}
