//! Webhooks in: whom one is for, and who takes it. Receiving itself is `service/hook/`.

use async_trait::async_trait;

use super::module::Webhook;
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::id::OrganizationId;
use crate::model::ReceivedHook;
use crate::port::jobs::{Claimed, Outcome};
use crate::secret::Secret;

/// Whom a webhook is for, and how to tell that it is real.
#[derive(Clone, Debug)]
pub struct HookTarget {
    pub organization: OrganizationId,
    /// Of the app's module.
    pub webhook: Webhook,
    /// What was set up in the app. None where the app brings its own with its first call.
    pub secret: Option<Secret>,
}

/// Finds whom a webhook is for, and later does what follows from it.
#[async_trait]
pub trait Dispatcher: Send + Sync + 'static {
    /// By the address: the app's or integration type's name, and what else it named. None where
    /// nobody waits for it.
    ///
    /// # Errors
    /// The store's or the vault's.
    async fn target(
        &self,
        ctx: &Ctx,
        app: &str,
        target: Option<&str>,
    ) -> Result<Option<HookTarget>>;

    /// Keeps the secret that an app brought, for a target that has none.
    ///
    /// # Errors
    /// `hook.secret` where it has one by now, the vault's, or the store's.
    async fn adopt(&self, _: &Ctx, _app: &str, _target: Option<&str>, _: &Secret) -> Result<()> {
        Err(Error::unavailable(
            "hook.secret",
            "the secret of this webhook is not set up yet",
        ))
    }

    /// In a worker, maybe more than once. Commits of its own must be fenced.
    ///
    /// # Errors
    /// As a [`crate::port::jobs::Handler`]'s.
    async fn dispatch(&self, ctx: &Ctx, claimed: &Claimed, hook: &ReceivedHook) -> Result<Outcome>;
}

/// Does what follows from the webhooks of some apps: a recipe, an integration.
#[async_trait]
pub trait HookTaker: Send + Sync + 'static {
    /// Whether it wants those of an app.
    fn takes(&self, app: &str) -> bool;

    /// In a worker, maybe more than once. Commits of its own must be fenced.
    ///
    /// # Errors
    /// As a [`crate::port::jobs::Handler`]'s.
    async fn take(&self, ctx: &Ctx, claimed: &Claimed, hook: &ReceivedHook) -> Result<Outcome>;
}

/// Knows the modules of apps; where it is not said otherwise, a catalogue of them.
pub trait HookApps: Send + Sync + 'static {
    /// How the webhooks of an app are checked. None where there is no such app or it sends none.
    fn webhook(&self, app: &str) -> Option<Webhook>;
}
