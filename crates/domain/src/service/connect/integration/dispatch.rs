//! From the feed to integrations: each that handles an event gets a job with it, and the place in
//! the feed moves in the same commit. So no event is lost, and none makes two jobs.
//!
//! It knows no noun that a recipe may be about: a record tells by its `organization` and `group`
//! whose it is. And an integration whose account was connected again goes on at once.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::connect::ConnectedEntity;
use crate::connect::integration::{Integration, Status};
use crate::connect::recipe::Occurrence;
use crate::ctx::Ctx;
use crate::error::{Kind, Result};
use crate::id::{GroupId, IntegrationId, OrganizationId};
use crate::model::Job;
use crate::page::PageRequest;
use crate::port::recipes::{Recipe, Recipes};
use crate::port::repo;
use crate::port::store::{ChangeSet, Entity, FeedItem, FeedPosition, Key, Stored};
use crate::rules::integration::{Work, work};
use std::sync::Arc;

/// Name of the place in the feed.
pub const FOLLOWER: &str = "integrations";
/// Feed entries taken at once.
const BATCH: usize = 1_000;
/// Events in one job.
const EVENTS_PER_JOB: usize = 100;
/// Writes that one job and its list entries count for at most; see the store's limits.
const WRITES_PER_JOB: usize = 5;

/// How far a reader of the feed has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Follower {
    name: String,
    position: FeedPosition,
}

impl Entity for Follower {
    const COLLECTION: &'static str = "follower";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.name.clone(), "")
    }
}

/// Whose a record is.
#[derive(Deserialize)]
struct Place {
    #[serde(default)]
    organization: Option<OrganizationId>,
    #[serde(default)]
    group: Option<GroupId>,
}

/// Follows the feed to its end. `passed` is how far this process has come without anything that
/// had to be kept: while there is nobody to tell, following costs no commit. Several processes may
/// do it at once; of a batch one commits.
///
/// # Errors
/// The store's; call again later.
pub async fn dispatch(
    ctx: &Ctx,
    recipes: &dyn Recipes,
    passed: &mut Option<FeedPosition>,
) -> Result<()> {
    let Some(mut kept) = follower(ctx).await? else {
        return begin(ctx).await;
    };
    let mut batch = BATCH;
    loop {
        let after = passed.clone().unwrap_or_else(|| kept.position.clone());
        let items = match ctx.store().feed(Some(&after), batch).await {
            Ok(items) => items,
            Err(error) if error.code() == "feed.gap" => {
                tracing::warn!(
                    "events older than the feed keeps did not reach integrations; they look at their apps anew"
                );
                *passed = Some(ctx.store().feed_end().await?);
                continue;
            }
            Err(error) => return Err(error),
        };
        let Some(last) = items.last().map(|item| item.position.clone()) else {
            return Ok(());
        };
        let jobs = jobs(ctx, recipes, &items).await?;
        if jobs.len().saturating_mul(WRITES_PER_JOB) > ctx.store().limits().writes && batch > 1 {
            // More than one commit holds: fewer events at once.
            batch = (batch / 2).max(1);
            continue;
        }
        batch = BATCH;
        if !jobs.is_empty() {
            let next = Follower {
                position: last.clone(),
                ..kept.value.clone()
            };
            let mut changes = ChangeSet::new();
            for job in &jobs {
                changes.create(job, None)?;
            }
            changes.update(&kept, &next, None)?;
            match ctx.store().commit(changes).await {
                Ok(_) => {
                    kept = Stored {
                        value: next,
                        version: kept.version + 1,
                    };
                }
                // Another process told these: go on where it is.
                Err(error) if error.kind() == Kind::Conflict => {
                    let Some(moved) = follower(ctx).await? else {
                        return Ok(());
                    };
                    *passed = Some(moved.position.clone());
                    kept = moved;
                    continue;
                }
                Err(error) => return Err(error),
            }
        }
        *passed = Some(last);
    }
}

async fn follower(ctx: &Ctx) -> Result<Option<Stored<Follower>>> {
    let key = Key::new(Follower::COLLECTION, FOLLOWER, "");
    let kept = repo::get_keys::<Follower>(ctx.store(), &[key]).await?;
    Ok(kept.into_iter().next().flatten())
}

/// From now on: what happened before there was anybody to tell is not told.
async fn begin(ctx: &Ctx) -> Result<()> {
    let mut changes = ChangeSet::new();
    let begun = Follower {
        name: FOLLOWER.to_owned(),
        position: ctx.store().feed_end().await?,
    };
    changes.create(&begun, None)?;
    match ctx.store().commit(changes).await {
        Err(error) if error.kind() == Kind::Conflict => Ok(()),
        done => done.map(|_| ()),
    }
}

/// The jobs that tell integrations of these events.
async fn jobs(ctx: &Ctx, recipes: &dyn Recipes, items: &[FeedItem]) -> Result<Vec<Job>> {
    let all = recipes.all();
    let wanted: Vec<&FeedItem> = items
        .iter()
        .filter(|item| {
            is_reconnected(item)
                || all
                    .iter()
                    .any(|recipe| recipe.info().handles(&item.event.name))
        })
        .collect();
    if wanted.is_empty() || !there_are_any(ctx).await? {
        return Ok(Vec::new());
    }
    let places = places(ctx, &wanted).await?;
    let mut integrations: HashMap<OrganizationId, Vec<Stored<Integration>>> = HashMap::new();
    let mut told: BTreeMap<IntegrationId, (Integration, Vec<Occurrence>)> = BTreeMap::new();
    let mut jobs = Vec::new();
    for item in wanted {
        let Some((organization, group)) = places.get(&item.key).copied() else {
            continue;
        };
        if let std::collections::hash_map::Entry::Vacant(slot) = integrations.entry(organization) {
            let partition = organization.to_string();
            slot.insert(repo::list_all(ctx.store(), "by_organization", &[&partition]).await?);
        }
        for integration in integrations.get(&organization).into_iter().flatten() {
            if is_reconnected(item) && waits_for(integration, &item.key.partition) {
                jobs.push(super::work::begin(ctx, integration));
            }
            if !is_for(&all, integration, group, item) {
                continue;
            }
            let occurrence = Occurrence {
                event: item.event.name.clone(),
                subject: item.key.partition.clone(),
            };
            let (_, list) = told
                .entry(integration.id)
                .or_insert_with(|| (integration.value.clone(), Vec::new()));
            // One look at a thing is enough, however much happened to it.
            if list.last() != Some(&occurrence) {
                list.push(occurrence);
            }
        }
    }
    for (integration, list) in told.values() {
        for some in list.chunks(EVENTS_PER_JOB) {
            jobs.push(super::work::events(ctx, integration, some.to_vec()));
        }
    }
    Ok(jobs)
}

fn is_reconnected(item: &FeedItem) -> bool {
    item.key.collection == ConnectedEntity::COLLECTION && item.event.name == "entity.reconnected"
}

/// Whether it stands still because of this account.
fn waits_for(integration: &Integration, entity: &str) -> bool {
    integration.status == Status::Error
        && integration
            .entities
            .iter()
            .any(|joined| joined.entity.to_string() == entity)
}

fn is_for(
    recipes: &[Arc<dyn Recipe>],
    integration: &Integration,
    group: Option<GroupId>,
    item: &FeedItem,
) -> bool {
    let handles = || {
        recipes
            .iter()
            .map(|recipe| recipe.info())
            .find(|info| info.name == integration.recipe)
            .is_some_and(|info| info.handles(&item.event.name))
    };
    integration.group.is_none_or(|of| group == Some(of))
        && integration.created <= item.at
        && work(integration.status) != Work::Drop
        && handles()
}

async fn there_are_any(ctx: &Ctx) -> Result<bool> {
    let first = PageRequest::first(1);
    let page = repo::list::<Integration>(ctx.store(), "all", &[], false, first).await?;
    Ok(!page.items.is_empty())
}

/// Whose these records are; what is gone is nobody's.
async fn places(
    ctx: &Ctx,
    items: &[&FeedItem],
) -> Result<HashMap<Key, (OrganizationId, Option<GroupId>)>> {
    let keys: BTreeSet<Key> = items.iter().map(|item| item.key.clone()).collect();
    let keys: Vec<Key> = keys.into_iter().collect();
    let found = ctx.store().get(&keys).await?;
    Ok(found
        .into_iter()
        .flatten()
        .filter_map(|raw| {
            let place: Place = serde_json::from_slice(&raw.body).ok()?;
            Some((raw.key, (place.organization?, place.group)))
        })
        .collect())
}
