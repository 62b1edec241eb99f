//! Receivers for what integrations have their apps send: made when one begins to listen, gone with it.
//! Nobody is shown their secrets; they go straight to the app, or come from our registration with it.

use super::super::access::retrying;
use super::receiver::{book, commit, made_up};
use crate::connect::integration::Integration;
use crate::connect::module::{SecretOf, Webhook};
use crate::connect::{Module, Owner};
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::id::ReceiverId;
use crate::model::{HookReceiver, RECEIVERS_MAX, ReceiverBook};
use crate::port::repo;
use crate::port::store::{ChangeSet, Stored};
use crate::secret::Secret;

/// Makes a receiver of an app for an integration of the organization, by an id that was chosen and
/// written down before: asked again it is the same receiver with another secret, which is answered.
/// Where the app signs with the secret of our registration with it, `client`, that is the receiver's, too.
///
/// # Errors
/// `receiver.app` where the app sends no webhooks, `receiver.secret` where it makes its own secret,
/// `receiver.client` where it signs with that of our registration and there is none,
/// `receiver.too_many`, `integration.owner` for a person's own integration, the vault's, or the store's.
pub async fn provide(
    ctx: &Ctx,
    integration: &Integration,
    id: ReceiverId,
    app: &Module,
    client: Option<&Secret>,
) -> Result<Secret> {
    if integration.owner != Owner::Organization {
        return Err(Error::forbidden(
            "integration.owner",
            "an organization's receivers are for its own integrations, not for a person's",
        ));
    }
    let webhook = app.webhook.as_ref().ok_or_else(|| {
        Error::invalid("receiver.app", "the module of this app has no webhooks").on_field("app")
    })?;
    let secret = secret_for(ctx, webhook, app, client)?;
    let organization = integration.organization;
    retrying(|| async {
        let current = repo::get::<HookReceiver>(ctx.store(), id).await?;
        if let Some(current) = &current
            && has_already(ctx, current, &secret).await?
        {
            return Ok(());
        }
        let binding = HookReceiver::binding(organization, id);
        let sealed = Some(ctx.ports.vault.seal(&binding, &secret).await?);
        let mut changes = ChangeSet::new();
        let receiver = match current {
            Some(current) => {
                let next = HookReceiver {
                    secret: sealed,
                    registered: true,
                    ..current.value.clone()
                };
                changes.update(&current, &next, None)?;
                next
            }
            None => {
                let book = book(ctx, organization).await?;
                let known = book.as_ref().map_or_else(Vec::new, |book| book.receivers.clone());
                if known.len() >= RECEIVERS_MAX {
                    return Err(Error::limit(
                        "receiver.too_many",
                        format!("an organization has at most {RECEIVERS_MAX} receivers; remove one first"),
                    ));
                }
                let next = ReceiverBook {
                    organization,
                    receivers: known.into_iter().chain([id]).collect(),
                };
                match &book {
                    Some(book) => changes.update(book, &next, None)?,
                    None => changes.create(&next, None)?,
                }
                let receiver = HookReceiver {
                    id,
                    organization,
                    app: app.name.to_string(),
                    description: format!("of the integration {}", integration.id),
                    secret: sealed,
                    enabled: true,
                    registered: true,
                    created: ctx.now(),
                    by: ctx.actor.label(),
                };
                changes.create(&receiver, None)?;
                receiver
            }
        };
        commit(ctx, &receiver, "receiver.provided", changes).await
    })
    .await?;
    Ok(secret)
}

fn secret_for(
    ctx: &Ctx,
    webhook: &Webhook,
    app: &Module,
    client: Option<&Secret>,
) -> Result<Secret> {
    match webhook.secret_of_registered() {
        SecretOf::Receiver => made_up(ctx, webhook.check_of_registered()),
        SecretOf::Client => client.cloned().ok_or_else(|| {
            Error::invalid(
                "receiver.client",
                format!(
                    "{} signs webhooks with the secret of this server's registration, which has none; the operator sets modules.{}.client_secret",
                    app.display.label, app.name
                ),
            )
        }),
    }
}

/// Whether a receiver has that secret, so that there is nothing to write.
async fn has_already(ctx: &Ctx, current: &Stored<HookReceiver>, secret: &Secret) -> Result<bool> {
    let Some(sealed) = current.secret.as_ref().filter(|_| current.registered) else {
        return Ok(false);
    };
    let binding = HookReceiver::binding(current.organization, current.id);
    let known = ctx.ports.vault.open(&binding, sealed).await?;
    Ok(known.expose() == secret.expose())
}

/// Removes it. One that is gone already is no error.
///
/// # Errors
/// The store's.
pub async fn withdraw(ctx: &Ctx, integration: &Integration, id: ReceiverId) -> Result<()> {
    retrying(|| async {
        let found = repo::get::<HookReceiver>(ctx.store(), id).await?;
        let found = found.filter(|found| found.organization == integration.organization);
        let Some(current) = found else { return Ok(()) };
        let mut changes = ChangeSet::new();
        changes.delete(&current, None);
        if let Some(book) = book(ctx, current.organization).await? {
            let mut next = book.value.clone();
            next.receivers.retain(|one| *one != id);
            changes.update(&book, &next, None)?;
        }
        commit(ctx, &current, "receiver.withdrawn", changes).await
    })
    .await
}
