//! What resolvers read by id, in batches and once per request.
//!
//! A loader asks nobody for permission: it is given ids only by objects that the caller already
//! has, of the same group or of its organization. Whatever comes from the caller goes through a
//! service.

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use async_graphql::{Context, Lookahead};
use gna_domain::Ctx;
use gna_domain::connect::{ConnectedEntity, Credential};
use gna_domain::error::{Error, Result};
use gna_domain::id::{
    AssetId, BlockerId, CredentialId, EntityId, FindingId, GroupId, OrganizationId, RefId,
    ReportId, UserId, VulnerabilityId,
};
use gna_domain::model::{
    Asset, AssetRef, Blocker, EnvironmentBook, Finding, Group, Organization, Report, Stream, Tally,
    User, Vulnerability,
};
use gna_domain::port::repo;
use gna_domain::port::store::{ById, Entity, Key, Stored};
use gna_domain::rules::priority::Priority;
use gna_domain::service::{environment, finding, group, priority, report};
use gna_domain::time::Timestamp;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

/// A value that several objects of an answer share.
pub type Shared<E> = Arc<Stored<E>>;

/// The newest report of an asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LatestReport(pub AssetId);

/// A group's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TallyOf(pub GroupId);

/// A vulnerability's priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PriorityOf(pub VulnerabilityId);

/// A priority, with the moment that the newest feed of threats is of.
pub type Prioritized = Arc<(Priority, Option<Timestamp>)>;

/// The environments of an asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EnvironmentsOf(pub AssetId);

/// A stream of reports by its asset and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StreamOf(pub AssetId, pub String);

pub struct Batches(Ctx);

pub type Loaders = DataLoader<Batches, HashMapCache>;

/// Loaders for one request.
#[must_use]
pub fn loaders(ctx: Ctx) -> Loaders {
    DataLoader::with_cache(Batches(ctx), tokio::spawn, HashMapCache::default())
}

/// The loaders of this request.
///
/// # Errors
/// Only if the request was made without them.
pub fn of<'a>(ctx: &Context<'a>) -> async_graphql::Result<&'a Loaders> {
    ctx.data::<Loaders>()
}

/// One record that an object of the answer refers to.
///
/// # Errors
/// `not_found` when it is gone, or the store's.
pub async fn one<K, E>(ctx: &Context<'_>, key: K) -> async_graphql::Result<Shared<E>>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    E: Entity,
    Batches: Loader<K, Value = Shared<E>, Error = Error>,
{
    let found = of(ctx)?.load_one(key).await?;
    found.ok_or_else(|| repo::missing::<E>().into())
}

fn found<I, E>(ids: &[I], values: Vec<Option<Stored<E>>>) -> HashMap<I, Shared<E>>
where
    I: Copy + Eq + Hash,
{
    ids.iter()
        .zip(values)
        .filter_map(|(id, value)| Some((*id, Arc::new(value?))))
        .collect()
}

async fn by_id<E: ById>(ctx: &Ctx, ids: &[E::Id]) -> Result<HashMap<E::Id, Shared<E>>>
where
    E::Id: Hash,
{
    Ok(found(ids, repo::get_many::<E>(ctx.store(), ids).await?))
}

macro_rules! by_id {
    ($($id:ty => $entity:ty,)*) => {$(
        impl Loader<$id> for Batches {
            type Value = Shared<$entity>;
            type Error = Error;

            async fn load(&self, ids: &[$id]) -> Result<HashMap<$id, Self::Value>> {
                by_id::<$entity>(&self.0, ids).await
            }
        }
    )*};
}

by_id! {
    OrganizationId => Organization,
    GroupId => Group,
    AssetId => Asset,
    BlockerId => Blocker,
    RefId => AssetRef,
    ReportId => Report,
    VulnerabilityId => Vulnerability,
    UserId => User,
    CredentialId => Credential,
    EntityId => ConnectedEntity,
}

impl Loader<FindingId> for Batches {
    type Value = Shared<Finding>;
    type Error = Error;

    async fn load(&self, ids: &[FindingId]) -> Result<HashMap<FindingId, Self::Value>> {
        Ok(found(ids, finding::resolved(&self.0, ids).await?))
    }
}

impl Loader<LatestReport> for Batches {
    type Value = Shared<Report>;
    type Error = Error;

    async fn load(&self, keys: &[LatestReport]) -> Result<HashMap<LatestReport, Self::Value>> {
        let assets: Vec<AssetId> = keys.iter().map(|key| key.0).collect();
        Ok(found(
            keys,
            report::latest_of_assets(&self.0, &assets).await?,
        ))
    }
}

impl Loader<TallyOf> for Batches {
    type Value = Arc<Tally>;
    type Error = Error;

    async fn load(&self, keys: &[TallyOf]) -> Result<HashMap<TallyOf, Self::Value>> {
        let groups: Vec<GroupId> = keys.iter().map(|key| key.0).collect();
        let tallies = group::tallies(&self.0, &groups).await?;
        Ok(keys
            .iter()
            .copied()
            .zip(tallies.into_iter().map(Arc::new))
            .collect())
    }
}

impl Loader<PriorityOf> for Batches {
    type Value = Prioritized;
    type Error = Error;

    async fn load(&self, keys: &[PriorityOf]) -> Result<HashMap<PriorityOf, Self::Value>> {
        let ids: Vec<VulnerabilityId> = keys.iter().map(|key| key.0).collect();
        let stored = repo::get_many::<Vulnerability>(self.0.store(), &ids).await?;
        let values: Vec<&Vulnerability> = stored
            .iter()
            .flatten()
            .map(|stored| &stored.value)
            .collect();
        priorities(&self.0, &values).await
    }
}

async fn priorities(
    ctx: &Ctx,
    values: &[&Vulnerability],
) -> Result<HashMap<PriorityOf, Prioritized>> {
    let as_of = priority::as_of(ctx).await?;
    let found = priority::of(ctx, values).await?;
    Ok(values
        .iter()
        .zip(found)
        .map(|(value, priority)| (PriorityOf(value.id), Arc::new((priority, as_of))))
        .collect())
}

impl Loader<EnvironmentsOf> for Batches {
    type Value = Shared<EnvironmentBook>;
    type Error = Error;

    async fn load(&self, keys: &[EnvironmentsOf]) -> Result<HashMap<EnvironmentsOf, Self::Value>> {
        let assets: Vec<AssetId> = keys.iter().map(|key| key.0).collect();
        Ok(found(keys, environment::books(&self.0, &assets).await?))
    }
}

impl Loader<StreamOf> for Batches {
    type Value = Shared<Stream>;
    type Error = Error;

    async fn load(&self, keys: &[StreamOf]) -> Result<HashMap<StreamOf, Self::Value>> {
        let records: Vec<Key> = keys
            .iter()
            .map(|key| Key::new(Stream::COLLECTION, key.0.to_string(), key.1.clone()))
            .collect();
        let streams = repo::get_keys::<Stream>(self.0.store(), &records).await?;
        Ok(keys
            .iter()
            .zip(streams)
            .filter_map(|(key, stream)| Some((key.clone(), Arc::new(stream?))))
            .collect())
    }
}

/// Reads at once what the nodes of a page of vulnerabilities will ask for, so that none of them
/// waits for a batch to fill up.
///
/// # Errors
/// The store's.
pub async fn prefetch(
    ctx: &Ctx,
    loaders: &Loaders,
    node: &Lookahead<'_>,
    page: &[Shared<Vulnerability>],
) -> Result<()> {
    let asset = node.field("asset");
    let findings = async {
        if !node.field("finding").exists() {
            return Ok(());
        }
        let ids = distinct(page.iter().map(|value| value.finding));
        let values = Loader::<FindingId>::load(&Batches(ctx.clone()), &ids).await?;
        loaders.feed_many(values).await;
        Ok(())
    };
    let assets = async {
        if !asset.exists() {
            return Ok(());
        }
        let ids = distinct(page.iter().map(|value| value.asset));
        loaders.feed_many(by_id::<Asset>(ctx, &ids).await?).await;
        Ok(())
    };
    let reports = async {
        if !asset.field("latestReport").exists() {
            return Ok(());
        }
        let assets = distinct(page.iter().map(|value| value.asset));
        let keys: Vec<LatestReport> = assets.into_iter().map(LatestReport).collect();
        let values = Loader::<LatestReport>::load(&Batches(ctx.clone()), &keys).await?;
        loaders.feed_many(values).await;
        Ok(())
    };
    let scores = async {
        if !node.field("priority").exists() {
            return Ok(());
        }
        let values: Vec<&Vulnerability> = page.iter().map(|value| &value.value).collect();
        loaders.feed_many(priorities(ctx, &values).await?).await;
        Ok(())
    };
    let (findings, assets, reports, scores): (Result<()>, Result<()>, Result<()>, Result<()>) =
        futures::join!(findings, assets, reports, scores);
    findings.and(assets).and(reports).and(scores)
}

fn distinct<I: Ord>(ids: impl Iterator<Item = I>) -> Vec<I> {
    ids.collect::<BTreeSet<I>>().into_iter().collect()
}
