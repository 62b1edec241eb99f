//! Webhooks of apps, handed to the integrations that have an account of the app.

use async_trait::async_trait;
use std::sync::Arc;

use super::spread::Spread;
use crate::connect::inbox::HookTaker;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::model::ReceivedHook;
use crate::port::jobs::{Claimed, Outcome};
use crate::port::recipes::Recipes;

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
        let spread = Spread::of_hook(hook);
        let told = spread.told(ctx, &self.0.all(), ctx.now()).await?;
        // With the end of the webhook's own job: told once.
        Ok(Outcome::Done(told))
    }
}
