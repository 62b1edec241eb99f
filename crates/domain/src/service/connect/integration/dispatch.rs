//! From the feed to integrations: each that handles an event gets a job with it, committed with the
//! place in the feed ([`crate::service::feed`]). So no event is lost; one may be told twice where a
//! process dies half way.
//!
//! It knows no noun that a recipe may be about: a record tells by its `organization` and `group`
//! whose it is. And an integration whose account was connected again goes on at once.

use async_trait::async_trait;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::connect::ConnectedEntity;
use crate::connect::integration::{Integration, Status};
use crate::connect::recipe::Occurrence;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::{GroupId, IntegrationId, OrganizationId};
use crate::page::PageRequest;
use crate::port::recipes::{Recipe, Recipes};
use crate::port::repo;
use crate::port::store::{ChangeSet, Entity, FeedItem, Key, Stored};
use crate::rules::integration::{Work, work};
use crate::service::feed::{Follower, Owes};

/// Name of the place in the feed.
pub const FOLLOWER: &str = "integrations";
/// Events in one job.
const EVENTS_PER_JOB: usize = 100;

/// Follows the feed for integrations.
#[must_use]
pub fn follower(recipes: Arc<dyn Recipes>) -> Follower<Telling> {
    Follower::new(Telling(recipes))
}

/// What integrations are to be told.
pub struct Telling(Arc<dyn Recipes>);

/// Whose a record is.
#[derive(Deserialize)]
struct Place {
    #[serde(default)]
    organization: Option<OrganizationId>,
    #[serde(default)]
    group: Option<GroupId>,
}

/// What one integration is told, each with the number of its feed entry.
struct Told {
    integration: Integration,
    events: Vec<(usize, Occurrence)>,
}

#[async_trait]
impl Owes for Telling {
    fn name(&self) -> &'static str {
        FOLLOWER
    }

    async fn owed(&self, ctx: &Ctx, items: &[FeedItem]) -> Result<Vec<ChangeSet>> {
        let mut owed: Vec<ChangeSet> = items.iter().map(|_| ChangeSet::new()).collect();
        let recipes = self.0.all();
        let wanted: Vec<(usize, &FeedItem)> = items
            .iter()
            .enumerate()
            .filter(|(_, item)| is_reconnected(item) || handles(&recipes, &item.event.name))
            .collect();
        if wanted.is_empty() || !there_are_any(ctx).await? {
            return Ok(owed);
        }
        let places = places(ctx, &wanted).await?;
        let mut integrations: HashMap<OrganizationId, Vec<Stored<Integration>>> = HashMap::new();
        let mut told: BTreeMap<IntegrationId, Told> = BTreeMap::new();
        for (number, item) in wanted {
            let Some((organization, group)) = places.get(&item.key).copied() else {
                continue;
            };
            if let std::collections::hash_map::Entry::Vacant(slot) =
                integrations.entry(organization)
            {
                let partition = organization.to_string();
                slot.insert(repo::list_all(ctx.store(), "by_organization", &[&partition]).await?);
            }
            for integration in integrations.get(&organization).into_iter().flatten() {
                if is_reconnected(item) && waits_for(integration, &item.key.partition) {
                    let job = super::work::begin(ctx, integration);
                    add(&mut owed, number, |changes| changes.create(&job, None))?;
                }
                if is_for(&recipes, integration, group, item) {
                    let told = told.entry(integration.id).or_insert_with(|| Told {
                        integration: integration.value.clone(),
                        events: Vec::new(),
                    });
                    told.hears(number, item);
                }
            }
        }
        for Told {
            integration,
            events,
        } in told.values()
        {
            for some in events.chunks(EVENTS_PER_JOB) {
                // With the first of them: the place may move by less than the whole stretch.
                let number = some.first().map_or(0, |(number, _)| *number);
                let events = some.iter().map(|(_, event)| event.clone()).collect();
                let job = super::work::events(ctx, integration, events);
                add(&mut owed, number, |changes| changes.create(&job, None))?;
            }
        }
        Ok(owed)
    }
}

impl Told {
    fn hears(&mut self, number: usize, item: &FeedItem) {
        let occurrence = Occurrence {
            event: item.event.name.clone(),
            subject: item.key.partition.clone(),
        };
        // One look at a thing is enough, however much happened to it.
        if self.events.last().map(|(_, last)| last) != Some(&occurrence) {
            self.events.push((number, occurrence));
        }
    }
}

fn add(
    owed: &mut [ChangeSet],
    number: usize,
    write: impl FnOnce(&mut ChangeSet) -> Result<()>,
) -> Result<()> {
    owed.get_mut(number).map_or(Ok(()), write)
}

fn handles(recipes: &[Arc<dyn Recipe>], event: &str) -> bool {
    recipes.iter().any(|recipe| recipe.info().handles(event))
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
    items: &[(usize, &FeedItem)],
) -> Result<HashMap<Key, (OrganizationId, Option<GroupId>)>> {
    let keys: BTreeSet<Key> = items.iter().map(|(_, item)| item.key.clone()).collect();
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
