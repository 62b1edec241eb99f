//! A snapshot of an asset: what a machine without a server needs to give the same verdict.

use std::collections::BTreeSet;

use super::super::lookup::permitted;
use super::key::signing_key;
use crate::ctx::{Ctx, Resource};
use crate::error::Result;
use crate::id::{AssetId, RefId, VulnerabilityId};
use crate::model::{
    Asset, AssetRef, AuditEntry, Group, Holder, Identity, Organization, Policy, Stream,
    Vulnerability,
};
use crate::page::PageRequest;
use crate::policy::Action;
use crate::port::repo;
use crate::port::store::{ChangeSet, Entity, List, Stored};
use crate::rules::gate::{Entry, Limits, Snapshot};

/// Records read at once.
const READ: usize = 1_000;

/// A signed snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The file, JSON.
    pub file: Vec<u8>,
    /// The public key that a reader must trust.
    pub key: String,
}

/// Takes one of an asset, as it is now.
///
/// # Errors
/// `not_found` also where the caller may not see the asset, not permitted, the vault's or the store's.
pub async fn snapshot(ctx: &Ctx, id: AssetId) -> Result<Sealed> {
    let asset = permitted::<Asset>(ctx, id, Action::GateRun).await?;
    let group = repo::require::<Group>(ctx.store(), asset.group).await?;
    let organization = repo::require::<Organization>(ctx.store(), asset.organization).await?;
    let policy = Policy::effective(&organization.policy, &group.policy);
    let refs = refs(ctx, &asset.value).await?;
    let identities = identities(ctx, id).await?;
    let vulnerabilities = entries(ctx, &identities, &refs).await?;
    let default_ref = refs
        .iter()
        .find(|known| known.id == asset.default_ref)
        .map(|known| known.name.clone());
    let snapshot = Snapshot {
        made: ctx.now(),
        organization: asset.organization,
        group: asset.group,
        asset: id,
        asset_name: asset.name.clone(),
        default_ref: default_ref.unwrap_or_default(),
        refs: refs.iter().map(|known| known.name.clone()).collect(),
        limits: Limits::of_policy(&organization.policy, &group.policy),
        review_new: policy.review_new,
        merge_code_across_tools: policy.merge_code_across_tools,
        vulnerabilities,
        identities,
    };
    let key = signing_key(ctx).await?;
    let audit = AuditEntry::new(
        ctx,
        Some(asset.organization),
        "gate.snapshot_taken",
        [asset.group.to_string(), id.to_string()],
    );
    let mut changes = ChangeSet::new();
    changes.create(&audit, None)?;
    ctx.store().commit(changes).await?;
    Ok(Sealed {
        file: key.seal(&snapshot)?,
        key: key.public(),
    })
}

/// The asset's refs by name. The list may lag, and a snapshot is often taken right after a report was
/// read: what the asset and its streams name is there in any case.
async fn refs(ctx: &Ctx, asset: &Asset) -> Result<Vec<Stored<AssetRef>>> {
    let of = asset.id.to_string();
    let listed = repo::list_all::<AssetRef>(ctx.store(), "by_asset", &[&of]).await?;
    let streams = repo::all_children::<Stream>(ctx.store(), &of).await?;
    let ids: BTreeSet<RefId> = std::iter::once(asset.default_ref)
        .chain(listed.iter().map(|known| known.id))
        .chain(streams.iter().map(|stream| stream.r#ref))
        .collect();
    let ids: Vec<RefId> = ids.into_iter().collect();
    let found = repo::get_many::<AssetRef>(ctx.store(), &ids).await?;
    let mut refs: Vec<Stored<AssetRef>> = found.into_iter().flatten().collect();
    refs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(refs)
}

/// The group's asset of that name.
///
/// # Errors
/// `not_found`, not permitted, or the store's.
pub async fn asset_named(ctx: &Ctx, group: &Group, name: &str) -> Result<AssetId> {
    ctx.permit(
        Action::GateRun,
        Resource::Group(group.organization, group.id),
    )?;
    let group = group.id.to_string();
    repo::find::<Asset>(ctx.store(), "name", &[&group, name.trim()])
        .await?
        .map(|found| found.id)
        .ok_or_else(|| ctx.absent::<Asset>())
}

/// Every key of the asset with who has it.
async fn identities(ctx: &Ctx, asset: AssetId) -> Result<Vec<(String, Vec<Holder>)>> {
    let mut all = Vec::new();
    let mut page = PageRequest::first(READ);
    loop {
        let list = List {
            collection: Identity::COLLECTION,
            index: None,
            partition: vec![asset.to_string()],
            prefix: String::new(),
            until: None,
            descending: false,
            page: page.clone(),
        };
        let Some(listed) = ctx.store().list(&[list]).await?.pop() else {
            return Ok(all);
        };
        for raw in &listed.items {
            let identity = raw.typed::<Identity>()?.value;
            all.push((raw.key.sort.clone(), identity.holders));
        }
        match listed.next {
            Some(next) => page.after = Some(next),
            None => return Ok(all),
        }
    }
}

async fn entries(
    ctx: &Ctx,
    identities: &[(String, Vec<Holder>)],
    refs: &[Stored<AssetRef>],
) -> Result<Vec<Entry>> {
    let ids: BTreeSet<VulnerabilityId> = identities
        .iter()
        .flat_map(|(_, holders)| holders.iter().map(|holder| holder.vulnerability))
        .collect();
    let ids: Vec<VulnerabilityId> = ids.into_iter().collect();
    let mut entries = Vec::with_capacity(ids.len());
    for some in ids.chunks(READ) {
        let stored = repo::get_many::<Vulnerability>(ctx.store(), some).await?;
        entries.extend(stored.into_iter().flatten().map(|value| {
            let shown = refs
                .iter()
                .enumerate()
                .filter(|(_, known)| value.is_present_on(known.id))
                .map(|(place, _)| place)
                .collect();
            Entry::of(&value, shown)
        }));
    }
    Ok(entries)
}
