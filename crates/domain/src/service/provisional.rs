//! What an upload makes for its report, an asset or a ref, goes again when that report is refused,
//! unless something else has come to use it: another report, an environment, a person's change.
//!
//! Who made it stands in the record itself, and whoever else uses it takes that out in the commit in
//! which they do. So the removal, which depends on the record's version, can't take it from anyone.

use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::ReportId;
use crate::model::{Asset, AssetRef, AuditEntry, Report};
use crate::port::repo;
use crate::port::store::{ChangeSet, Stored};

/// Adds to a change that uses an asset that it stays. `by` is the report that uses it, if one does.
///
/// # Errors
/// Only if the value can't be written as JSON.
pub(super) fn keep(
    asset: &Stored<Asset>,
    by: Option<ReportId>,
    changes: &mut ChangeSet,
) -> Result<()> {
    if asset.made_for.is_none() || asset.made_for == by {
        return Ok(());
    }
    let next = Asset {
        made_for: None,
        ..asset.value.clone()
    };
    changes.update(asset, &next, None)
}

/// The same for a ref.
///
/// # Errors
/// Only if the value can't be written as JSON.
pub(super) fn keep_ref(
    known: &Stored<AssetRef>,
    by: Option<ReportId>,
    changes: &mut ChangeSet,
) -> Result<()> {
    if known.made_for.is_none() || known.made_for == by {
        return Ok(());
    }
    let next = AssetRef {
        made_for: None,
        ..known.value.clone()
    };
    changes.update(known, &next, None)
}

/// Adds to the refusal of a report the removal of what was made for it alone. Answers the asset, if it
/// goes.
///
/// # Errors
/// The store's.
pub(super) async fn remove(
    ctx: &Ctx,
    report: &Report,
    changes: &mut ChangeSet,
) -> Result<Option<Asset>> {
    let asset = repo::get::<Asset>(ctx.store(), report.asset).await?;
    let named = repo::get::<AssetRef>(ctx.store(), report.r#ref).await?;
    let (Some(asset), Some(named)) = (asset, named) else {
        return Ok(None);
    };
    let is_mine = |made_for: Option<ReportId>| made_for == Some(report.id);
    let action = if is_mine(asset.made_for) {
        if asset.default_ref != named.id
            && let Some(first) = repo::get::<AssetRef>(ctx.store(), asset.default_ref).await?
        {
            changes.delete(&first, None);
        }
        changes.delete(&named, None);
        changes.delete(&asset, None);
        "asset.removed"
    } else if is_mine(named.made_for) {
        changes.delete(&named, None);
        "ref.removed"
    } else {
        return Ok(None);
    };
    let audit = AuditEntry::new(
        ctx,
        Some(report.organization),
        action,
        [
            report.group.to_string(),
            asset.id.to_string(),
            named.id.to_string(),
        ],
    );
    let detail = serde_json::json!({
        "asset": asset.name,
        "ref": named.name,
        "refused": report.id.to_string(),
    });
    changes.create(&audit.with(detail), None)?;
    Ok(Some(asset.value).filter(|asset| is_mine(asset.made_for)))
}
