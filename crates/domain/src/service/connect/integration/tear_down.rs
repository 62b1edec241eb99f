//! The end of an integration: asked for in one commit, done by a durable job. Accounts stay.

use super::schedule;
use super::{desk, work};
use crate::connect::integration::Integration;
use crate::connect::mapping::Mapping;
use crate::connect::process::Process;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::IntegrationId;
use crate::model::AuditEntry;
use crate::page::PageRequest;
use crate::port::apps::Apps;
use crate::port::jobs::Claimed;
use crate::port::recipes::Recipes;
use crate::port::repo;
use crate::port::store::{ChangeSet, Event, Stored};
use crate::rules::integration::{Happening, after};
use crate::service::access::retrying;
use crate::service::connect::access::{Wish, require};

/// Records removed in one commit.
const PURGE: usize = 50;

/// Takes it down. It does nothing from now on, another one may take its place at once, and a job
/// clears up what is left of it in the app and here. Asking again changes nothing.
///
/// # Errors
/// `not_found` also where it belongs to somebody else, or the store's.
pub async fn delete(ctx: &Ctx, id: IntegrationId) -> Result<()> {
    retrying(|| async {
        let current = require::<Integration>(ctx, Wish::Change, id).await?;
        let status = after(current.status, Happening::Deleted);
        if status == current.status {
            return Ok(());
        }
        let next = Integration {
            status,
            identity: id.to_string(),
            schedule: None,
            updated: ctx.now(),
            ..current.value.clone()
        };
        let audit = AuditEntry::new(
            ctx,
            Some(current.organization),
            "integration.deleted",
            [id.to_string()],
        );
        let mut changes = ChangeSet::new();
        changes.update(&current, &next, Some(Event::named("integration.ending")))?;
        changes.create(&work::end(ctx, &next), None)?;
        changes.create(&audit, None)?;
        schedule::remove(ctx, &mut changes, current.schedule).await?;
        ctx.store().commit(changes).await.map(|_| ())
    })
    .await
}

/// Does it: the recipe clears up in the app, as far as that works, then what it remembered goes.
/// Answers the removal of the record, for the commit that ends the job.
///
/// # Errors
/// The store's; called again it goes on.
pub(super) async fn finish(
    ctx: &Ctx,
    apps: &dyn Apps,
    recipes: &dyn Recipes,
    found: Stored<Integration>,
    claimed: &Claimed,
) -> Result<ChangeSet> {
    let id = found.id;
    if let Some(recipe) = recipes.get(&found.recipe) {
        let desk = desk(ctx, apps, found.clone(), Some(claimed)).await?;
        if let Err(error) = recipe.end(&desk).await {
            tracing::warn!(integration = %id, code = error.code(), "the app could not be cleared up");
        }
    }
    let partition = id.to_string();
    let store = ctx.store();
    loop {
        let page = PageRequest::first(PURGE);
        let mappings = repo::children::<Mapping>(store, &partition, false, page).await?;
        if mappings.items.is_empty() {
            break;
        }
        let mut changes = ChangeSet::new();
        for mapping in &mappings.items {
            changes.delete(mapping, None);
        }
        claimed.fence(&mut changes);
        store.commit(changes).await?;
    }
    // The list may lag: it is read on from where the last page ended, since its beginning may show for a
    // while what is gone already.
    let mut page = PageRequest::first(PURGE);
    loop {
        let processes =
            repo::list::<Process>(store, "by_integration", &[&partition], false, page.clone())
                .await?;
        let mut changes = ChangeSet::new();
        for process in repo::current(store, &processes.items).await? {
            changes.delete(&process, None);
        }
        if !changes.is_empty() {
            claimed.fence(&mut changes);
            store.commit(changes).await?;
        }
        match processes.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    let mut changes = ChangeSet::new();
    if let Some(current) = repo::get::<Integration>(store, id).await? {
        changes.delete(&current, Some(Event::named("integration.deleted")));
    }
    Ok(changes)
}
