//! Webhooks of apps, handed to the integrations that have an account of the app.

use async_trait::async_trait;
use std::sync::Arc;

use super::work;
use crate::connect::ConnectedEntity;
use crate::connect::inbox::HookTaker;
use crate::connect::integration::Integration;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::EntityId;
use crate::model::ReceivedHook;
use crate::port::jobs::{Claimed, Outcome};
use crate::port::recipes::Recipes;
use crate::port::repo;
use crate::port::store::ChangeSet;
use crate::rules::hook::{may_be_for, project};
use crate::rules::integration::{Work, work as work_for};

/// Takes the webhooks of every app that a recipe uses. Who has another account than the one that it
/// names, or is configured for another project, is not told. What it says otherwise is left to the
/// recipe, which asks the app itself: a webhook is a reason to look, not a source.
pub struct IntegrationHooks(pub Arc<dyn Recipes>);

#[async_trait]
impl HookTaker for IntegrationHooks {
    fn takes(&self, app: &str) -> bool {
        self.0.all().iter().any(|recipe| {
            let mut slots = recipe.info().slots.iter();
            slots.any(|slot| slot.modules.iter().any(|module| module == app))
        })
    }

    async fn take(&self, ctx: &Ctx, _: &Claimed, hook: &ReceivedHook) -> Result<Outcome> {
        let organization = hook.organization.to_string();
        let all =
            repo::list_all::<Integration>(ctx.store(), "by_organization", &[&organization]).await?;
        let mut changes = ChangeSet::new();
        for integration in all {
            if work_for(integration.status) == Work::Drop || is_of_other_project(&integration, hook)
            {
                continue;
            }
            let Some(slot) = slot_of(ctx, &integration, hook).await? else {
                continue;
            };
            changes.create(&work::webhook(ctx, &integration, slot, hook), None)?;
        }
        // With the end of the webhook's own job: told once.
        Ok(Outcome::Done(changes))
    }
}

/// Of several accounts nobody says which one the configured project is of.
fn is_of_other_project(integration: &Integration, hook: &ReceivedHook) -> bool {
    let own = project(&integration.config).filter(|_| integration.entities.len() == 1);
    !may_be_for(&hook.projects, own.as_deref())
}

/// The slot that has an account of the app which the webhook may be about.
async fn slot_of(
    ctx: &Ctx,
    integration: &Integration,
    hook: &ReceivedHook,
) -> Result<Option<String>> {
    let ids: Vec<EntityId> = integration
        .entities
        .iter()
        .map(|joined| joined.entity)
        .collect();
    let entities = repo::get_many::<ConnectedEntity>(ctx.store(), &ids).await?;
    let of_app = |entity: &Option<_>| {
        let entity: &Option<crate::port::Stored<ConnectedEntity>> = entity;
        entity.as_ref().is_some_and(|entity| {
            entity.module.as_str() == hook.app
                && may_be_for(&hook.accounts, Some(&entity.external_id))
        })
    };
    let mut joined = integration.entities.iter().zip(&entities);
    Ok(joined
        .find(|(_, entity)| of_app(entity))
        .map(|(joined, _)| joined.slot.clone()))
}
