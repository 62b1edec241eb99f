//! Whom a webhook is for: a receiver that somebody made. What follows from it is done by whoever
//! takes the webhooks of its app.

use async_trait::async_trait;
use std::sync::Arc;

use super::super::access::retrying;
use crate::connect::inbox::{Dispatcher, HookApps, HookTaker, HookTarget};
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::id::ReceiverId;
use crate::model::{AuditEntry, HookReceiver, ReceivedHook};
use crate::port::jobs::{Claimed, Outcome};
use crate::port::repo;
use crate::port::store::{ChangeSet, Stored};
use crate::secret::Secret;

/// The receivers of a store.
pub struct Inbox {
    apps: Arc<dyn HookApps>,
    takers: Vec<Arc<dyn HookTaker>>,
}

impl Inbox {
    #[must_use]
    pub fn new(apps: Arc<dyn HookApps>, takers: Vec<Arc<dyn HookTaker>>) -> Self {
        Self { apps, takers }
    }

    /// The receiver that an address names, if it is switched on.
    async fn receiver(
        &self,
        ctx: &Ctx,
        app: &str,
        target: Option<&str>,
    ) -> Result<Option<Stored<HookReceiver>>> {
        let Some(id) = target.and_then(|target| target.parse::<ReceiverId>().ok()) else {
            return Ok(None);
        };
        let found = repo::get::<HookReceiver>(ctx.store(), id).await?;
        Ok(found.filter(|receiver| receiver.app == app && receiver.enabled))
    }
}

#[async_trait]
impl Dispatcher for Inbox {
    async fn target(
        &self,
        ctx: &Ctx,
        app: &str,
        target: Option<&str>,
    ) -> Result<Option<HookTarget>> {
        let Some(receiver) = self.receiver(ctx, app, target).await? else {
            return Ok(None);
        };
        let Some(mut webhook) = self.apps.webhook(app) else {
            return Ok(None);
        };
        if receiver.registered {
            webhook.check = webhook.check_of_registered().clone();
        }
        let binding = HookReceiver::binding(receiver.organization, receiver.id);
        let secret = match &receiver.secret {
            Some(sealed) => Some(ctx.ports.vault.open(&binding, sealed).await?),
            None => None,
        };
        Ok(Some(HookTarget {
            organization: receiver.organization,
            webhook,
            secret,
        }))
    }

    async fn adopt(
        &self,
        ctx: &Ctx,
        app: &str,
        target: Option<&str>,
        secret: &Secret,
    ) -> Result<()> {
        retrying(|| async {
            let receiver = self.receiver(ctx, app, target).await?;
            let receiver = receiver.filter(|receiver| receiver.secret.is_none());
            let receiver = receiver.ok_or_else(|| {
                Error::unavailable("hook.secret", "this webhook has a secret already")
            })?;
            let binding = HookReceiver::binding(receiver.organization, receiver.id);
            let next = HookReceiver {
                secret: Some(ctx.ports.vault.seal(&binding, secret).await?),
                ..receiver.value.clone()
            };
            let mut changes = ChangeSet::new();
            changes.update(&receiver, &next, None)?;
            let subject = [receiver.id.to_string()];
            let entry = AuditEntry::new(
                ctx,
                Some(receiver.organization),
                "receiver.secret_adopted",
                subject,
            );
            changes.create(&entry, None)?;
            ctx.store().commit(changes).await.map(|_| ())
        })
        .await
    }

    async fn dispatch(&self, ctx: &Ctx, claimed: &Claimed, hook: &ReceivedHook) -> Result<Outcome> {
        let taker = self.takers.iter().find(|taker| taker.takes(&hook.app));
        match taker {
            Some(taker) => taker.take(ctx, claimed, hook).await,
            None => {
                tracing::info!(
                    app = hook.app,
                    "a webhook is kept; nobody takes those of this app"
                );
                Ok(Outcome::done())
            }
        }
    }
}
