//! Findings: the weakness types of a group.

use crate::ctx::{Ctx, Resource};
use crate::error::Result;
use crate::id::FindingId;
use crate::model::Finding;
use crate::policy::Action;
use crate::port::repo;
use crate::port::store::Stored;

/// One finding; asked for by the id of one that was joined with another, the other.
///
/// # Errors
/// `not_found` also where the caller may not see it, or the store's.
pub async fn require(ctx: &Ctx, id: FindingId) -> Result<Stored<Finding>> {
    let found = resolved(ctx, &[id])
        .await?
        .pop()
        .flatten()
        .ok_or_else(|| ctx.absent::<Finding>())?;
    ctx.permit(
        Action::VulnerabilityRead,
        Resource::Group(found.organization, found.group),
    )?;
    Ok(found)
}

/// Findings by id, in order, those that were joined replaced by what they were joined into. The
/// caller has already been let in to whatever refers to them.
///
/// # Errors
/// The store's.
pub async fn resolved(ctx: &Ctx, ids: &[FindingId]) -> Result<Vec<Option<Stored<Finding>>>> {
    let mut found = repo::get_many::<Finding>(ctx.store(), ids).await?;
    // A chain has as many links as there were merges; each round follows one.
    for _ in 0..8 {
        let joined: Vec<(usize, FindingId)> = found
            .iter()
            .enumerate()
            .filter_map(|(at, finding)| Some((at, finding.as_ref()?.merged_into?)))
            .collect();
        if joined.is_empty() {
            break;
        }
        let targets: Vec<FindingId> = joined.iter().map(|(_, id)| *id).collect();
        let survivors = repo::get_many::<Finding>(ctx.store(), &targets).await?;
        for ((at, _), survivor) in joined.into_iter().zip(survivors) {
            if let Some(slot) = found.get_mut(at) {
                *slot = survivor;
            }
        }
    }
    Ok(found)
}
