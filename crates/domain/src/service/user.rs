//! Users as administrators see them: create, list, disable, enable, unlock, reset link, delete.
//!
//! What people do to their own account is in [`super::account`].

use super::access::{self, Edit, edit_roles, retrying, rolls, write_roll};
use super::link;
use super::session::new_epoch;
use super::sign_in;
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::UserId;
use crate::model::{
    ApiToken, AuditEntry, Email, PasswordHash, Purpose, Scope, Session, User, display_name,
};
use crate::page::{Page, PageRequest};
use crate::policy::{Action, Role};
use crate::port::{ChangeSet, Event, Stored, fresh, repo};
use crate::rules::access::is_guarded;
use crate::rules::credential::check_password;
use crate::secret::Secret;

/// A person who sets their own password while the account is made.
#[derive(Clone, Debug)]
pub struct NewPerson {
    pub email: String,
    pub name: String,
    pub password: Secret,
}

/// Checks what a new person says and makes the user of it; nothing is written.
///
/// # Errors
/// `email.malformed`, `name.malformed`, `password.*`.
/// # Errors
/// `email.malformed` also for reserved addresses, `name.malformed`, `password.*`.
pub(crate) async fn new_user(ctx: &Ctx, person: NewPerson) -> Result<User> {
    let email = Email::new(&person.email)?;
    if email.is_reserved() {
        return Err(Error::invalid(
            "email.malformed",
            "addresses that end with .invalid belong to nobody",
        )
        .on_field("email"));
    }
    with_password(ctx, email, person).await
}

/// As [`new_user`], also with an address that only we may give.
pub(super) async fn with_password(ctx: &Ctx, email: Email, person: NewPerson) -> Result<User> {
    let name = display_name(&person.name).map_err(|error| error.on_field("name"))?;
    check_password(&person.password, &email)?;
    let hash = ctx.ports.passwords.hash(person.password).await?;
    let mut user = blank(ctx, email, name);
    user.password = Some(PasswordHash::new(hash));
    Ok(user)
}

fn blank(ctx: &Ctx, email: Email, name: String) -> User {
    User {
        id: fresh(ctx.ports.ids.as_ref()),
        email,
        name,
        password: None,
        password_version: 0,
        session_epoch: 0,
        disabled: None,
        deleted: None,
        created: ctx.now(),
        seen: None,
        access_changed: ctx.now(),
    }
}

fn permit(ctx: &Ctx) -> Result<()> {
    ctx.permit(Action::UserManage, Resource::Instance)
}

/// Makes an account without a password, and the one-time link by which its person sets one.
///
/// # Errors
/// As [`Ctx::permit`] of `user.manage`, `email.malformed`, `name.malformed`, `user.exists`, or the store's.
pub async fn create(ctx: &Ctx, email: &str, name: &str) -> Result<(User, Secret)> {
    permit(ctx)?;
    let email = Email::new(email)?;
    let name = display_name(name).map_err(|error| error.on_field("name"))?;
    let user = blank(ctx, email, name);
    let mut changes = ChangeSet::new();
    changes.create(&user, Some(Event::named("user.created")))?;
    let entry = AuditEntry::new(ctx, None, "user.created", [user.id.to_string()]);
    let detail = serde_json::json!({ "email": user.email });
    changes.create(&entry.with(detail), None)?;
    let secret = link::mint(ctx, &mut changes, purpose(&user))?;
    ctx.store().commit(changes).await?;
    Ok((user, secret))
}

fn purpose(user: &User) -> Purpose {
    Purpose::SetPassword {
        user: user.id,
        password_version: user.password_version,
    }
}

/// All users, by address.
///
/// # Errors
/// As [`Ctx::permit`] of `user.manage`, or the store's.
pub async fn list(ctx: &Ctx, page: PageRequest) -> Result<Page<User>> {
    permit(ctx)?;
    let page = repo::list::<User>(ctx.store(), "all", &[], false, page).await?;
    let mut page = page.map(|user| user.value);
    // The deleted lie among the others; a page may be shorter than it was asked for.
    page.items.retain(|user| !user.is_deleted());
    Ok(page)
}

/// The user, unless deleted.
async fn living(ctx: &Ctx, user: UserId) -> Result<Stored<User>> {
    let found = repo::require::<User>(ctx.store(), user).await?;
    if found.is_deleted() {
        return Err(repo::missing::<User>());
    }
    Ok(found)
}

/// # Errors
/// As [`Ctx::permit`] of `user.manage`, `not_found`, or the store's.
pub async fn get(ctx: &Ctx, user: UserId) -> Result<User> {
    permit(ctx)?;
    Ok(living(ctx, user).await?.value)
}

/// The user with an address; for the command line, where people are named by it.
///
/// # Errors
/// As [`Ctx::permit`] of `user.manage`, `email.malformed`, `not_found`, or the store's.
pub async fn find(ctx: &Ctx, email: &str) -> Result<User> {
    permit(ctx)?;
    let email = Email::new(email)?;
    let found = repo::find::<User>(ctx.store(), "email", &[email.as_str()]).await?;
    let found = found.filter(|user| !user.is_deleted());
    Ok(found.ok_or_else(repo::missing::<User>)?.value)
}

/// A one-time link by which a user sets a new password; using it ends all their sessions.
///
/// # Errors
/// As [`Ctx::permit`] of `user.manage`, `not_found`, or the store's.
pub async fn reset_link(ctx: &Ctx, user: UserId) -> Result<Secret> {
    permit(ctx)?;
    let user = living(ctx, user).await?;
    let mut changes = ChangeSet::new();
    let secret = link::mint(ctx, &mut changes, purpose(&user))?;
    let entry = AuditEntry::new(ctx, None, "user.reset_link_made", [user.id.to_string()]);
    changes.create(&entry, None)?;
    ctx.store().commit(changes).await?;
    Ok(secret)
}

/// Locks a user out at once: sessions and personal tokens stop working. Their roles stay on record.
///
/// # Errors
/// As [`Ctx::permit`] of `user.manage`, `member.last_owner` when no one else could act as owner or
/// administrator somewhere, `not_found`, or the store's.
pub async fn disable(ctx: &Ctx, user: UserId) -> Result<User> {
    set_disabled(ctx, user, true).await
}

/// Lets a user in again, with the roles they have.
///
/// # Errors
/// As [`Ctx::permit`] of `user.manage`, `not_found`, or the store's.
pub async fn enable(ctx: &Ctx, user: UserId) -> Result<User> {
    set_disabled(ctx, user, false).await
}

/// Forgets the failed attempts to sign in to an account, so that its person need not wait; nothing
/// happens where there are none. A source that failed too often, with whatever accounts, waits on.
///
/// # Errors
/// As [`Ctx::permit`] of `user.manage`, `not_found`, or the store's.
pub async fn unlock(ctx: &Ctx, user: UserId) -> Result<User> {
    permit(ctx)?;
    let user = living(ctx, user).await?;
    retrying(|| async {
        let Some(attempts) = sign_in::attempts_of(ctx, &user.email).await? else {
            return Ok(());
        };
        let mut changes = ChangeSet::new();
        changes.delete(&attempts, None);
        let entry = AuditEntry::new(ctx, None, "user.unlocked", [user.id.to_string()]);
        changes.create(&entry, None)?;
        ctx.store().commit(changes).await.map(|_| ())
    })
    .await?;
    Ok(user.value)
}

async fn set_disabled(ctx: &Ctx, user: UserId, disabled: bool) -> Result<User> {
    permit(ctx)?;
    retrying(|| async {
        let access = access::require(ctx.store(), user).await?;
        let current = &access.user;
        if current.is_deleted() {
            return Err(repo::missing::<User>());
        }
        if current.is_disabled() == disabled {
            return Ok(current.value.clone());
        }
        let mut changes = ChangeSet::new();
        let guarded: Vec<(Scope, Role)> = access
            .memberships
            .iter()
            .filter(|held| is_guarded(held.role))
            .map(|held| (held.scope, held.role))
            .collect();
        let scopes: Vec<Scope> = guarded.iter().map(|(scope, _)| *scope).collect();
        for (roll, (_, role)) in rolls(ctx.store(), &scopes).await?.into_iter().zip(guarded) {
            write_roll(&mut changes, user, (!disabled).then_some(role), roll)?;
        }
        // A new epoch, so that old sessions don't come back when the account is enabled again.
        let next = User {
            disabled: disabled.then(|| ctx.now()),
            ..new_epoch(ctx, &mut changes, current, None).await?
        };
        let verb = if disabled {
            "user.disabled"
        } else {
            "user.enabled"
        };
        changes.update(current, &next, Some(Event::named(verb)))?;
        changes.create(&AuditEntry::new(ctx, None, verb, [user.to_string()]), None)?;
        ctx.store().commit(changes).await?;
        Ok(next)
    })
    .await
}

/// Deletes a user for good: sign-in, sessions, tokens and roles go, and with them name and address.
/// What they did stays under their id, with a tombstone for a name.
///
/// # Errors
/// As [`Ctx::permit`] of `user.manage`, `member.last_owner` when no one else could act as owner or
/// administrator somewhere, `not_found`, or the store's.
pub async fn delete(ctx: &Ctx, user: UserId) -> Result<()> {
    permit(ctx)?;
    retrying(|| async {
        let access = access::require(ctx.store(), user).await?;
        let current = &access.user;
        if current.is_deleted() {
            return Err(repo::missing::<User>());
        }
        let mut changes = ChangeSet::new();
        let places = access.memberships.iter().filter_map(|held| held.resource());
        let edits: Vec<Edit> = places.map(|place| (place, None)).collect();
        edit_roles(ctx, &mut changes, user, &access.memberships, &edits).await?;
        let of = user.to_string();
        // The lists may lag: what they show that is gone is no hindrance, and what they do not show yet
        // opens nothing: a token is its owner's, who is gone, and the epoch ends the sessions.
        let tokens = repo::list_all::<ApiToken>(ctx.store(), "by_owner", &[&of]).await?;
        for token in repo::current(ctx.store(), &tokens).await? {
            changes.delete(&token, None);
        }
        let sessions = repo::list_all::<Session>(ctx.store(), "by_user", &[&of]).await?;
        for session in repo::current(ctx.store(), &sessions).await? {
            changes.delete(&session, None);
        }
        let next = new_epoch(ctx, &mut changes, current, None).await?;
        let next = next.buried(ctx.now())?;
        changes.update(current, &next, Some(Event::named("user.deleted")))?;
        changes.create(&AuditEntry::new(ctx, None, "user.deleted", [of]), None)?;
        ctx.store().commit(changes).await.map(|_| ())
    })
    .await
}
