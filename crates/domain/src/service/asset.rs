//! Assets and their refs.

use crate::ctx::{Ctx, Resource};
use crate::error::{Kind, Result};
use crate::id::{AssetId, GroupId};
use crate::model::{
    Asset, AssetKind, AssetRef, AuditEntry, Criticality, DEFAULT_REF, Group, RefKind, asset_name,
};
use crate::policy::Action;
use crate::port::store::{ChangeSet, Event, Stored};
use crate::port::{fresh, repo};

/// The group's asset of that name; made with its default ref when there is none yet. An upload may
/// do this: a pipeline must not need a person to go first.
///
/// # Errors
/// `name.malformed`, not permitted, or the store's.
pub async fn ensure(
    ctx: &Ctx,
    group: &Group,
    name: &str,
    kind: AssetKind,
) -> Result<Stored<Asset>> {
    ctx.permit(
        Action::ReportUpload,
        Resource::Group(group.organization, group.id),
    )?;
    let name = asset_name(name)?;
    loop {
        if let Some(asset) = by_name(ctx, group.id, &name).await? {
            return Ok(asset);
        }
        match add(ctx, group, &name, kind, DEFAULT_REF).await {
            // Someone else made it in the meantime: theirs it is.
            Err(error) if error.kind() == Kind::Conflict => {}
            other => return other,
        }
    }
}

async fn by_name(ctx: &Ctx, group: GroupId, name: &str) -> Result<Option<Stored<Asset>>> {
    repo::find::<Asset>(ctx.store(), "name", &[&group.to_string(), name]).await
}

/// Commits a new asset with its default ref.
async fn add(
    ctx: &Ctx,
    group: &Group,
    name: &str,
    kind: AssetKind,
    default_ref: &str,
) -> Result<Stored<Asset>> {
    let ids = ctx.ports.ids.as_ref();
    let asset_id: AssetId = fresh(ids);
    let first = AssetRef {
        id: fresh(ids),
        organization: group.organization,
        group: group.id,
        asset: asset_id,
        name: asset_name(default_ref)?,
        kind: RefKind::Branch,
        created: ctx.now(),
    };
    let asset = Asset {
        id: asset_id,
        organization: group.organization,
        group: group.id,
        name: name.to_owned(),
        kind,
        criticality: Criticality::default(),
        internet_facing: false,
        tags: Vec::new(),
        default_ref: first.id,
        created: ctx.now(),
    };
    let mut changes = ChangeSet::new();
    changes.create(&asset, Some(Event::named("asset.created")))?;
    changes.create(&first, None)?;
    changes.create(
        &AuditEntry::new(
            ctx,
            Some(group.organization),
            "asset.created",
            [asset.id.to_string()],
        ),
        None,
    )?;
    ctx.store().commit(changes).await?;
    Ok(Stored {
        value: asset,
        version: 1,
    })
}

/// The asset's ref of that name, its default ref when none is named; made when there is none yet.
///
/// # Errors
/// `name.malformed`, not permitted, or the store's.
pub async fn ensure_ref(ctx: &Ctx, asset: &Asset, name: Option<&str>) -> Result<Stored<AssetRef>> {
    ctx.permit(
        Action::ReportUpload,
        Resource::Group(asset.organization, asset.group),
    )?;
    let Some(name) = name else {
        return repo::require::<AssetRef>(ctx.store(), asset.default_ref).await;
    };
    let name = asset_name(name)?;
    loop {
        if let Some(found) =
            repo::find::<AssetRef>(ctx.store(), "name", &[&asset.id.to_string(), &name]).await?
        {
            return Ok(found);
        }
        let made = AssetRef {
            id: fresh(ctx.ports.ids.as_ref()),
            organization: asset.organization,
            group: asset.group,
            asset: asset.id,
            name: name.clone(),
            kind: RefKind::Branch,
            created: ctx.now(),
        };
        let mut changes = ChangeSet::new();
        changes.create(&made, Some(Event::named("ref.created")))?;
        match ctx.store().commit(changes).await {
            Ok(_) => {
                return Ok(Stored {
                    value: made,
                    version: 1,
                });
            }
            Err(error) if error.kind() == Kind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
}
