//! From the feed to integrations: each that handles an event gets a job with it, committed with the
//! place in the feed ([`crate::service::feed`]). So no event is lost; one may be told twice where a
//! process dies half way.
//!
//! It knows no noun that a recipe may be about: a record tells by its `organization` and `group`
//! whose it is. Where an organization has more integrations than one commit may tell, the rest are told
//! by jobs ([`super::spread`]). And an integration whose account was connected again goes on at once.

use async_trait::async_trait;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::spread::{Heard, RECONNECTED, Spread};
use crate::connect::ConnectedEntity;
use crate::connect::integration::Integration;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::{GroupId, OrganizationId};
use crate::page::PageRequest;
use crate::port::recipes::{Recipe, Recipes};
use crate::port::repo;
use crate::port::store::{ChangeSet, Entity, FeedItem, Key};
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
        let mut heard: BTreeMap<OrganizationId, Vec<(usize, Heard)>> = BTreeMap::new();
        for (number, item) in wanted {
            if let Some((organization, group)) = places.get(&item.key).copied() {
                let of_it = heard.entry(organization).or_default();
                of_it.push((number, Heard::of(item, group)));
            }
        }
        for (organization, heard) in heard {
            for some in heard.chunks(EVENTS_PER_JOB) {
                // With the first of them: the place may move by less than the whole stretch.
                let first = some.first().map_or(0, |(number, _)| *number);
                let events = some.iter().map(|(_, heard)| heard.clone()).collect();
                let told = Spread::of_events(organization, events)
                    .told(ctx, &recipes, ctx.now())
                    .await?;
                if let Some(changes) = owed.get_mut(first) {
                    changes.writes.extend(told.writes);
                }
            }
        }
        Ok(owed)
    }
}

fn handles(recipes: &[Arc<dyn Recipe>], event: &str) -> bool {
    recipes.iter().any(|recipe| recipe.info().handles(event))
}

fn is_reconnected(item: &FeedItem) -> bool {
    item.key.collection == ConnectedEntity::COLLECTION && item.event.name == RECONNECTED
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
