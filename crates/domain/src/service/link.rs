//! One-time links that set a password. (Those that claim the instance are in [`super::bootstrap`].)

use super::access::{new_secret, retrying};
use super::session::new_epoch;
use crate::ctx::{Actor, Ctx};
use crate::error::{Error, Result};
use crate::model::{AuditEntry, LINK_MS, Link, PasswordHash, Purpose, User};
use crate::port::{ChangeSet, Entity, Key, Stored, fresh, repo};
use crate::rules::credential::check_password;
use crate::secret::Secret;

/// The one answer to a link that never was, was used or has expired.
pub(crate) fn no_link() -> Error {
    Error::not_found(
        "link.not_found",
        "this link has been used or has expired; ask an administrator for a new one",
    )
}

/// Adds a new link to a change set.
pub(crate) fn mint(ctx: &Ctx, changes: &mut ChangeSet, purpose: Purpose) -> Result<Secret> {
    let secret = new_secret(ctx.ports.ids.as_ref(), "");
    let now = ctx.now();
    let link = Link {
        id: fresh(ctx.ports.ids.as_ref()),
        digest: secret.digest(),
        purpose,
        by: ctx.actor.label(),
        created: now,
        expires: now.plus_millis(LINK_MS),
    };
    changes.create(&link, None)?;
    Ok(secret)
}

pub(crate) async fn by_secret(ctx: &Ctx, secret: &Secret) -> Result<Stored<Link>> {
    let key = Key::new(Link::COLLECTION, secret.digest(), "");
    let found = repo::get_keys::<Link>(ctx.store(), &[key])
        .await?
        .pop()
        .flatten();
    found
        .filter(|link| ctx.now() < link.expires)
        .ok_or_else(no_link)
}

async fn reset(ctx: &Ctx, secret: &Secret) -> Result<(Stored<Link>, Stored<User>)> {
    let link = by_secret(ctx, secret).await?;
    let Purpose::SetPassword {
        user,
        password_version,
    } = link.purpose
    else {
        return Err(no_link());
    };
    let user = repo::get::<User>(ctx.store(), user).await?;
    let user = user
        .filter(|user| user.password_version == password_version && !user.is_disabled())
        .ok_or_else(no_link)?;
    Ok((link, user))
}

/// Whose password a link sets. The secret is the permission; nothing is used up.
///
/// # Errors
/// `link.not_found`, or the store's.
pub async fn look_at(ctx: &Ctx, secret: &Secret) -> Result<User> {
    Ok(reset(ctx, secret).await?.1.value)
}

/// Sets the password; all sessions of the user end, and so do other links for the old one.
///
/// # Errors
/// `link.not_found`, `password.*`, or the store's.
pub async fn set_password(ctx: &Ctx, secret: &Secret, password: Secret) -> Result<User> {
    let (_, user) = reset(ctx, secret).await?;
    check_password(&password, &user.email)?;
    let hash = PasswordHash::new(ctx.ports.passwords.hash(password).await?);
    let acting = Ctx {
        actor: Actor::User(user.id),
        ..ctx.clone()
    };
    retrying(|| async {
        let (link, user) = reset(ctx, secret).await?;
        let mut changes = ChangeSet::new();
        let next = with_password(&acting, &mut changes, &user, hash.clone(), None).await?;
        changes.delete(&link, None);
        ctx.store().commit(changes).await?;
        Ok(next)
    })
    .await
}

/// Adds a new password, the end of sessions (but for `keep`) and the audit entry to a change set.
pub(crate) async fn with_password(
    ctx: &Ctx,
    changes: &mut ChangeSet,
    user: &Stored<User>,
    hash: PasswordHash,
    keep: Option<crate::id::SessionId>,
) -> Result<User> {
    let next = User {
        password: Some(hash),
        password_version: user.password_version.wrapping_add(1),
        ..new_epoch(ctx, changes, user, keep).await?
    };
    changes.update(user, &next, None)?;
    let entry = AuditEntry::new(ctx, None, "user.password_set", [user.id.to_string()]);
    changes.create(&entry, None)?;
    Ok(next)
}
