//! Assets and their refs. What follows from another default ref is in [`super::settle`].

use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Kind, Result};
use crate::id::{AssetId, GroupId, RefId, ReportId};
use crate::model::{
    Asset, AssetKind, AssetRef, AuditEntry, Criticality, DEFAULT_REF, Group, RefKind, asset_name,
    normal_tags,
};
use crate::page::{Page, PageRequest};
use crate::policy::Action;
use crate::port::store::{ChangeSet, Event, Stored};
use crate::port::{fresh, repo};

use super::organization::check_version;
use super::{lookup, priority, provisional, settle};

/// A new asset, as a person describes it.
#[derive(Clone, Debug, Default)]
pub struct CreateAsset {
    pub name: String,
    pub kind: AssetKind,
    pub criticality: Criticality,
    pub internet_facing: bool,
    pub tags: Vec<String>,
    /// Name of its default ref; `main` if left out.
    pub default_ref: Option<String>,
}

/// What may change about an asset; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct UpdateAsset {
    pub criticality: Option<Criticality>,
    pub internet_facing: Option<bool>,
    /// All of them.
    pub tags: Option<Vec<String>>,
    pub default_ref: Option<RefId>,
    /// The version the caller saw, if it wants to lose no race.
    pub expected: Option<u64>,
}

/// # Errors
/// Not permitted, `name.malformed`, `tag.malformed`, `tag.too_many`, `asset.exists`, or the store's.
pub async fn create(ctx: &Ctx, group: &Group, input: CreateAsset) -> Result<Stored<Asset>> {
    ctx.permit(
        Action::AssetWrite,
        Resource::Group(group.organization, group.id),
    )?;
    add(ctx, group, input, None).await
}

/// # Errors
/// `not_found` also where the caller may not see it, or the store's.
pub async fn require(ctx: &Ctx, id: AssetId) -> Result<Stored<Asset>> {
    lookup::permitted(ctx, id, Action::AssetRead).await
}

/// Assets of a group, by name.
///
/// # Errors
/// Not permitted, or the store's.
pub async fn of_group(ctx: &Ctx, group: &Group, page: PageRequest) -> Result<Page<Stored<Asset>>> {
    ctx.permit(
        Action::AssetRead,
        Resource::Group(group.organization, group.id),
    )?;
    repo::list(
        ctx.store(),
        "by_group",
        &[&group.id.to_string()],
        false,
        page,
    )
    .await
}

/// Refs of an asset, by name.
///
/// # Errors
/// Not permitted, or the store's.
pub async fn refs(ctx: &Ctx, asset: &Asset, page: PageRequest) -> Result<Page<Stored<AssetRef>>> {
    ctx.permit(
        Action::AssetRead,
        Resource::Group(asset.organization, asset.group),
    )?;
    repo::list(
        ctx.store(),
        "by_asset",
        &[&asset.id.to_string()],
        false,
        page,
    )
    .await
}

/// Changes what people say about an asset. Another default ref decides anew about the state of all
/// its vulnerabilities, and another criticality or exposure about their priorities: jobs that come
/// with the change do that.
///
/// # Errors
/// Not permitted, `tag.malformed`, `tag.too_many`, `ref.of_other_asset`, `store.conflict`, or the
/// store's.
pub async fn update(ctx: &Ctx, id: AssetId, input: UpdateAsset) -> Result<Stored<Asset>> {
    let current = require(ctx, id).await?;
    ctx.permit(
        Action::AssetWrite,
        Resource::Group(current.organization, current.group),
    )?;
    check_version(current.version, input.expected)?;
    let wanted = match input.default_ref {
        Some(wanted) => Some(ref_of(ctx, id, wanted).await?),
        None => None,
    };
    let next = Asset {
        criticality: input.criticality.unwrap_or(current.criticality),
        internet_facing: input.internet_facing.unwrap_or(current.internet_facing),
        tags: input
            .tags
            .map_or_else(|| Ok(current.tags.clone()), normal_tags)?,
        default_ref: input.default_ref.unwrap_or(current.default_ref),
        ..current.value.clone()
    };
    if next == current.value {
        return Ok(current);
    }
    let next = Asset {
        made_for: None,
        ..next
    };
    let mut changes = ChangeSet::new();
    changes.update(&current, &next, Some(Event::named("asset.updated")))?;
    if next.default_ref != current.default_ref {
        if let Some(wanted) = &wanted {
            provisional::keep_ref(wanted, None, &mut changes)?;
        }
        changes.create(&settle::job(ctx, &next), None)?;
    }
    let weighs = |asset: &Asset| (asset.criticality, asset.internet_facing);
    if weighs(&next) != weighs(&current) {
        changes.create(&priority::job(ctx, &priority::Scope::Asset(id))?, None)?;
    }
    let detail = serde_json::json!({ "before": said(&current), "after": said(&next) });
    let audit = AuditEntry::new(
        ctx,
        Some(next.organization),
        "asset.updated",
        [next.group.to_string(), id.to_string()],
    );
    changes.create(&audit.with(detail), None)?;
    ctx.store().commit(changes).await?;
    Ok(Stored {
        value: next,
        version: current.version + 1,
    })
}

/// The asset's ref with that id.
async fn ref_of(ctx: &Ctx, asset: AssetId, id: RefId) -> Result<Stored<AssetRef>> {
    let known = repo::get::<AssetRef>(ctx.store(), id).await?;
    known.filter(|known| known.asset == asset).ok_or_else(|| {
        Error::invalid("ref.of_other_asset", "the asset has no such ref").on_field("defaultRef")
    })
}

/// What of an asset people change, for the audit log.
fn said(asset: &Asset) -> serde_json::Value {
    serde_json::json!({
        "criticality": asset.criticality,
        "internet_facing": asset.internet_facing,
        "tags": asset.tags,
        "default_ref": asset.default_ref,
    })
}

/// The group's asset of that name; made with its default ref when there is none yet, for the report
/// that is `made_for`. An upload may do this: a pipeline must not need a person to go first.
///
/// # Errors
/// `name.malformed`, not permitted, or the store's.
pub async fn ensure(
    ctx: &Ctx,
    group: &Group,
    name: &str,
    kind: AssetKind,
    made_for: ReportId,
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
        let input = CreateAsset {
            name: name.clone(),
            kind,
            ..CreateAsset::default()
        };
        match add(ctx, group, input, Some(made_for)).await {
            // Someone else made it in the meantime: theirs it is.
            Err(error) if error.kind() == Kind::Conflict => {}
            other => return other,
        }
    }
}

/// The group's asset of that name, if there is one; for those who have already been let in.
///
/// # Errors
/// The store's.
pub(super) async fn by_name(
    ctx: &Ctx,
    group: GroupId,
    name: &str,
) -> Result<Option<Stored<Asset>>> {
    repo::find::<Asset>(ctx.store(), "name", &[&group.to_string(), name]).await
}

/// Commits a new asset with its default ref.
async fn add(
    ctx: &Ctx,
    group: &Group,
    input: CreateAsset,
    made_for: Option<ReportId>,
) -> Result<Stored<Asset>> {
    let ids = ctx.ports.ids.as_ref();
    let asset_id: AssetId = fresh(ids);
    let first = AssetRef {
        id: fresh(ids),
        organization: group.organization,
        group: group.id,
        asset: asset_id,
        name: asset_name(input.default_ref.as_deref().unwrap_or(DEFAULT_REF))?,
        kind: RefKind::Branch,
        created: ctx.now(),
        made_for: None,
    };
    let asset = Asset {
        id: asset_id,
        organization: group.organization,
        group: group.id,
        name: asset_name(&input.name)?,
        kind: input.kind,
        criticality: input.criticality,
        internet_facing: input.internet_facing,
        tags: normal_tags(input.tags)?,
        default_ref: first.id,
        created: ctx.now(),
        made_for,
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

/// The asset's ref of that name, its default ref when none is named; made when there is none yet, for
/// the report that is `made_for`.
///
/// # Errors
/// `name.malformed`, not permitted, or the store's.
pub async fn ensure_ref(
    ctx: &Ctx,
    asset: &Asset,
    name: Option<&str>,
    made_for: ReportId,
) -> Result<Stored<AssetRef>> {
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
            made_for: Some(made_for),
        };
        let mut changes = ChangeSet::new();
        changes.create(&made, Some(Event::named("ref.created")))?;
        let audit = AuditEntry::new(
            ctx,
            Some(made.organization),
            "ref.created",
            [
                made.group.to_string(),
                made.asset.to_string(),
                made.id.to_string(),
            ],
        );
        changes.create(&audit.with(serde_json::json!({ "name": made.name })), None)?;
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
