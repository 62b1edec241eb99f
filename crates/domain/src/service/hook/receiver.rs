//! Receivers: addresses of ours that an organization gives to apps.

use serde_json::json;
use std::sync::Arc;

use super::super::access::retrying;
use super::super::lookup::permitted;
use crate::connect::inbox::HookApps;
use crate::connect::module::{Check, Handshake, Webhook};
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{OrganizationId, ReceiverId};
use crate::model::{AuditEntry, HookReceiver, RECEIVERS_MAX, ReceiverBook};
use crate::policy::Action;
use crate::port::store::{ChangeSet, Stored};
use crate::port::{fresh, repo};
use crate::rules::webhook as rules;
use crate::secret::Secret;

/// Longest secret, in bytes.
const SECRET_LIMIT: usize = 1_000;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct NewReceiver {
    pub app: String,
    pub description: String,
    /// What the app shows as its secret. Left out, Gna makes one, to be set up in the app; apps that
    /// bring their own with the first call need none.
    pub secret: Option<Secret>,
}

/// A receiver that was made, with the secret that Gna made for it, shown this once.
pub struct Made {
    pub receiver: Stored<HookReceiver>,
    pub secret: Option<Secret>,
}

/// Makes a receiver.
///
/// # Errors
/// Not permitted (`webhook.manage`), `receiver.*` for what is wrong, the vault's, or the store's.
pub async fn create(
    ctx: &Ctx,
    apps: &Arc<dyn HookApps>,
    organization: OrganizationId,
    new: NewReceiver,
) -> Result<Made> {
    ctx.permit(Action::WebhookManage, Resource::Organization(organization))?;
    let description = rules::check_description(&new.description)?;
    let webhook = apps.webhook(&new.app).ok_or_else(|| {
        Error::invalid(
            "receiver.app",
            "no module of that name sends webhooks; `gna modules` lists them",
        )
        .on_field("app")
    })?;
    let (secret, made) = match new.secret {
        Some(secret) => (Some(checked(secret)?), None),
        None if brings_its_own(&webhook) => (None, None),
        None => {
            let made = made_up(ctx, &webhook.check)?;
            (Some(made.clone()), Some(made))
        }
    };
    let receiver = retrying(|| async {
        let book = book(ctx, organization).await?;
        let known = book
            .as_ref()
            .map_or_else(Vec::new, |book| book.receivers.clone());
        if known.len() >= RECEIVERS_MAX {
            return Err(Error::limit(
                "receiver.too_many",
                format!("an organization has at most {RECEIVERS_MAX} receivers; remove one first"),
            ));
        }
        let id = fresh(ctx.ports.ids.as_ref());
        let binding = HookReceiver::binding(organization, id);
        let receiver = HookReceiver {
            id,
            organization,
            app: new.app.clone(),
            description: description.clone(),
            secret: match &secret {
                Some(secret) => Some(ctx.ports.vault.seal(&binding, secret).await?),
                None => None,
            },
            enabled: true,
            registered: false,
            created: ctx.now(),
            by: ctx.actor.label(),
        };
        let next = ReceiverBook {
            organization,
            receivers: known.into_iter().chain([id]).collect(),
        };
        let mut changes = ChangeSet::new();
        match &book {
            Some(book) => changes.update(book, &next, None)?,
            None => changes.create(&next, None)?,
        }
        changes.create(&receiver, None)?;
        commit(ctx, &receiver, "receiver.created", changes).await?;
        Ok(Stored {
            value: receiver,
            version: 1,
        })
    })
    .await?;
    Ok(Made {
        receiver,
        secret: made,
    })
}

/// Whether the app sends its secret with its first call.
fn brings_its_own(webhook: &Webhook) -> bool {
    matches!(webhook.handshake, Some(Handshake::Header(_)))
}

fn checked(secret: Secret) -> Result<Secret> {
    let text = secret.expose();
    if text.is_empty() || text.len() > SECRET_LIMIT || text.chars().any(char::is_control) {
        return Err(Error::invalid(
            "receiver.secret",
            format!("a secret has 1 to {SECRET_LIMIT} bytes and no control characters"),
        )
        .on_field("secret"));
    }
    Ok(secret)
}

/// A secret in the form that a check reads.
pub(super) fn made_up(ctx: &Ctx, check: &Check) -> Result<Secret> {
    use crate::connect::module::SecretForm;
    let random = ctx.ports.ids.random();
    match check {
        Check::Hmac(check) => Ok(match &check.secret {
            SecretForm::Base64 { .. } => rules::new_secret(random),
            SecretForm::Text => Secret::new(hex::encode(random)),
        }),
        Check::Token(_) => Ok(Secret::new(hex::encode(random))),
        Check::Basic(_) => Ok(Secret::new(format!("gna:{}", hex::encode(random)))),
        Check::Jwt(_) => Err(Error::invalid(
            "receiver.secret",
            "this app has a secret of its own: copy it from there",
        )
        .on_field("secret")),
    }
}

pub(super) async fn book(
    ctx: &Ctx,
    organization: OrganizationId,
) -> Result<Option<Stored<ReceiverBook>>> {
    let key = ReceiverBook::key_of(organization);
    Ok(repo::get_keys::<ReceiverBook>(ctx.store(), &[key])
        .await?
        .pop()
        .flatten())
}

pub(super) async fn commit(
    ctx: &Ctx,
    of: &HookReceiver,
    what: &str,
    mut changes: ChangeSet,
) -> Result<()> {
    let entry = AuditEntry::new(ctx, Some(of.organization), what, [of.id.to_string()]);
    let detail = json!({ "app": of.app, "enabled": of.enabled });
    changes.create(&entry.with(detail), None)?;
    ctx.store().commit(changes).await.map(|_| ())
}

/// All of an organization, oldest first.
///
/// # Errors
/// Not permitted (`webhook.read`), or the store's.
pub async fn list(ctx: &Ctx, organization: OrganizationId) -> Result<Vec<Stored<HookReceiver>>> {
    ctx.permit(Action::WebhookRead, Resource::Organization(organization))?;
    let Some(book) = book(ctx, organization).await? else {
        return Ok(Vec::new());
    };
    let found = repo::get_many::<HookReceiver>(ctx.store(), &book.receivers).await?;
    Ok(found.into_iter().flatten().collect())
}

/// One receiver.
///
/// # Errors
/// `not_found` also where the caller may not know of it, not permitted, or the store's.
pub async fn get(ctx: &Ctx, id: ReceiverId) -> Result<Stored<HookReceiver>> {
    permitted(ctx, id, Action::WebhookRead).await
}

/// Switches it on or off: what comes while it is off is refused with 404.
///
/// # Errors
/// As [`get`], not permitted (`webhook.manage`), or the store's.
pub async fn switch(ctx: &Ctx, id: ReceiverId, on: bool) -> Result<Stored<HookReceiver>> {
    retrying(|| async {
        let current = permitted::<HookReceiver>(ctx, id, Action::WebhookManage).await?;
        if current.enabled == on {
            return Ok(current);
        }
        let next = HookReceiver {
            enabled: on,
            ..current.value.clone()
        };
        let what = if on {
            "receiver.enabled"
        } else {
            "receiver.disabled"
        };
        replaced(ctx, &current, next, what).await
    })
    .await
}

/// Gives it the secret that is set up in the app now. The one before is worthless at once.
///
/// # Errors
/// As [`switch`], `receiver.secret`, or the vault's.
pub async fn set_secret(ctx: &Ctx, id: ReceiverId, secret: Secret) -> Result<Stored<HookReceiver>> {
    let secret = checked(secret)?;
    retrying(|| async {
        let current = permitted::<HookReceiver>(ctx, id, Action::WebhookManage).await?;
        let binding = HookReceiver::binding(current.organization, id);
        let next = HookReceiver {
            secret: Some(ctx.ports.vault.seal(&binding, &secret).await?),
            ..current.value.clone()
        };
        replaced(ctx, &current, next, "receiver.secret_changed").await
    })
    .await
}

async fn replaced(
    ctx: &Ctx,
    current: &Stored<HookReceiver>,
    next: HookReceiver,
    what: &str,
) -> Result<Stored<HookReceiver>> {
    let mut changes = ChangeSet::new();
    changes.update(current, &next, None)?;
    commit(ctx, &next, what, changes).await?;
    Ok(Stored {
        value: next,
        version: current.version + 1,
    })
}

/// Removes it with its secret. What came stays for its 30 days, seen by nobody.
///
/// # Errors
/// As [`switch`].
pub async fn delete(ctx: &Ctx, id: ReceiverId) -> Result<()> {
    retrying(|| async {
        let current = permitted::<HookReceiver>(ctx, id, Action::WebhookManage).await?;
        let mut changes = ChangeSet::new();
        changes.delete(&current, None);
        if let Some(book) = book(ctx, current.organization).await? {
            let mut next = book.value.clone();
            next.receivers.retain(|one| *one != id);
            changes.update(&book, &next, None)?;
        }
        commit(ctx, &current, "receiver.deleted", changes).await
    })
    .await
}
