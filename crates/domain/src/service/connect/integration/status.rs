//! Keeping an integration's status in step with what calls show of its accounts.

use super::change::lacks_nothing;
use crate::connect::integration::{Integration, Level, Messages, Status};
use crate::connect::{ConnectedEntity, Credential};
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::id::{CredentialId, EntityId, IntegrationId};
use crate::port::apps::Apps;
use crate::port::repo;
use crate::port::store::{ChangeSet, Event};
use crate::rules::integration::{Happening, after, is_of_account, is_permanent, while_running};
use crate::service::access::retrying;
use crate::service::connect::entity;

/// Title of the message that tells of an account that does not work.
const CONNECTION: &str = "Connection";
/// Title of the message that tells why nobody knows what can be done.
const ACTIONS: &str = "Actions";

/// Calls every account once.
///
/// # Errors
/// The app's, of the first account that does not work.
pub(super) async fn try_accounts(ctx: &Ctx, apps: &dyn Apps, found: &Integration) -> Result<()> {
    let own = Ctx::integration(ctx.ports.clone(), found.id);
    for joined in &found.entities {
        entity::test(&own, apps, joined.entity).await?;
    }
    Ok(())
}

/// Whether all accounts are there and none is known not to work, as the store has it: asks no app.
///
/// # Errors
/// The store's.
pub(super) async fn accounts_are_good(ctx: &Ctx, found: &Integration) -> Result<bool> {
    let ids: Vec<EntityId> = found.entities.iter().map(|joined| joined.entity).collect();
    let entities = repo::get_many::<ConnectedEntity>(ctx.store(), &ids).await?;
    let credentials: Option<Vec<CredentialId>> = entities
        .into_iter()
        .map(|entity| entity.map(|entity| entity.credential))
        .collect();
    let Some(credentials) = credentials else {
        return Ok(false);
    };
    let credentials = repo::get_many::<Credential>(ctx.store(), &credentials).await?;
    Ok(credentials.iter().all(|credential| {
        credential
            .as_ref()
            .is_some_and(|credential| credential.valid)
    }))
}

/// Keeps the status in step with what an attempt came to.
///
/// # Errors
/// The store's.
pub(super) async fn note_accounts(
    ctx: &Ctx,
    id: IntegrationId,
    failed: Option<&Error>,
) -> Result<()> {
    let event = match failed {
        None => "integration.healed",
        Some(error) if is_of_account(error) => "integration.failed",
        // An app that is out of order says nothing about the account.
        Some(_) => return Ok(()),
    };
    retrying(|| async {
        let current = repo::get::<Integration>(ctx.store(), id).await?;
        let Some(current) = current else {
            return Ok(());
        };
        let complete = lacks_nothing(&current.messages);
        let happening = match failed {
            None => Happening::CredentialWorks { complete },
            Some(_) => Happening::CredentialFailed,
        };
        let status = while_running(after(current.status, happening), current.running, complete);
        let messages = match failed {
            Some(error) if status == Status::Error => {
                current
                    .messages
                    .with(Level::Error, CONNECTION, error.message(), ctx.now())
            }
            None if current.status == Status::Error => current.messages.without(CONNECTION),
            _ => current.messages.clone(),
        };
        if status == current.status && messages == current.messages {
            return Ok(());
        }
        let next = Integration {
            status,
            messages,
            updated: ctx.now(),
            ..current.value.clone()
        };
        let mut changes = ChangeSet::new();
        changes.update(&current, &next, Some(Event::named(event)))?;
        ctx.store().commit(changes).await.map(|_| ())
    })
    .await
}

fn says(messages: &Messages, title: &str) -> bool {
    messages.errors.iter().any(|message| message.title == title)
}

/// Keeps the status in step with an attempt to find out what can be done now, where that depends on the
/// account. What may pass by itself is no news; what the attempt came to is told once it works again.
///
/// # Errors
/// The store's.
pub(super) async fn note_actions(
    ctx: &Ctx,
    found: &Integration,
    failed: Option<&Error>,
) -> Result<()> {
    let event = match failed {
        Some(error) if is_of_account(error) => return note_accounts(ctx, found.id, failed).await,
        Some(error) if is_permanent(error) => "integration.failed",
        None if says(&found.messages, ACTIONS) => "integration.healed",
        _ => return Ok(()),
    };
    retrying(|| async {
        let Some(current) = repo::get::<Integration>(ctx.store(), found.id).await? else {
            return Ok(());
        };
        let complete = lacks_nothing(&current.messages);
        let (happening, messages) = match failed {
            Some(error) => (
                Some(Happening::ActionsFailed),
                current
                    .messages
                    .with(Level::Error, ACTIONS, error.message(), ctx.now()),
            ),
            // An account that does not work is still told of.
            None => (
                (!says(&current.messages, CONNECTION))
                    .then_some(Happening::CredentialWorks { complete }),
                current.messages.without(ACTIONS),
            ),
        };
        let status = happening.map_or(current.status, |happening| after(current.status, happening));
        let status = while_running(status, current.running, complete);
        if status == current.status && messages == current.messages {
            return Ok(());
        }
        let next = Integration {
            status,
            messages,
            updated: ctx.now(),
            ..current.value.clone()
        };
        let mut changes = ChangeSet::new();
        changes.update(&current, &next, Some(Event::named(event)))?;
        ctx.store().commit(changes).await.map(|_| ())
    })
    .await
}
