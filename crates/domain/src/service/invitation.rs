//! Invitations: single-use links into an organization or a group.

use super::access::{
    self, Access, edit_roles, new_secret, organization_of, resolve, retrying, signed_in,
};
use super::sign_in::{SignedIn, open};
use super::user::{NewPerson, new_user};
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{InvitationId, OrganizationId, UserId};
use crate::model::{
    AuditEntry, Email, Group, INVITATION_MS, Invitation, Organization, Origin, Scope, User,
};
use crate::page::{Page, PageRequest};
use crate::policy::{Action, Role};
use crate::port::{ChangeSet, Entity, Key, Stored, fresh, repo};
use crate::rules::access::{managing, may_accept, may_grant, no_invitation, wider};
use crate::secret::Secret;

/// An invitation as whoever holds its link sees it.
#[derive(Clone, Debug)]
pub struct Offer {
    pub organization: String,
    /// Name of the group, for an invitation to one.
    pub group: Option<String>,
    pub role: Role,
    /// The address it is for, if for one.
    pub email: Option<Email>,
    /// Whether that address has an account already: then it is accepted by signing in.
    pub has_account: bool,
}

/// Invites to an organization or group. Without an address, whoever has the link may accept.
/// The secret is shown this once.
///
/// # Errors
/// As [`Ctx::permit`] of the managing action, `role.misplaced`, `role.above_own`, or the store's.
pub async fn create(
    ctx: &Ctx,
    scope: Scope,
    role: Role,
    email: Option<Email>,
) -> Result<(Secret, Invitation)> {
    let resource = resolve(ctx, scope).await?;
    ctx.permit(managing(resource), resource)?;
    may_grant(&ctx.grants, resource, role)?;
    let organization = organization_of(resource).ok_or_else(|| {
        Error::invalid(
            "invitation.instance",
            "administrators are made from existing users, not invited",
        )
    })?;
    let secret = new_secret(ctx.ports.ids.as_ref(), "");
    let now = ctx.now();
    let invitation = Invitation {
        id: fresh(ctx.ports.ids.as_ref()),
        digest: secret.digest(),
        scope,
        organization,
        role,
        email,
        inviter: ctx.actor.user(),
        by: ctx.actor.label(),
        created: now,
        expires: now.plus_millis(INVITATION_MS),
    };
    let mut changes = ChangeSet::new();
    changes.create(&invitation, None)?;
    let subject = [scope.to_string(), invitation.id.to_string()];
    let detail = serde_json::json!({ "role": role, "email": invitation.email });
    let entry = AuditEntry::new(ctx, Some(organization), "invitation.created", subject);
    changes.create(&entry.with(detail), None)?;
    ctx.store().commit(changes).await?;
    Ok((secret, invitation))
}

/// Open invitations to one organization or group, newest first.
///
/// # Errors
/// As [`Ctx::permit`] of the managing action, or the store's.
pub async fn list(ctx: &Ctx, scope: Scope, page: PageRequest) -> Result<Page<Invitation>> {
    let resource = resolve(ctx, scope).await?;
    ctx.permit(managing(resource), resource)?;
    listed(ctx, "by_scope", &scope.to_string(), page).await
}

/// Open invitations to an organization and all its groups, newest first.
///
/// # Errors
/// As [`Ctx::permit`] of `member.manage`, or the store's.
pub async fn list_everywhere(
    ctx: &Ctx,
    organization: OrganizationId,
    page: PageRequest,
) -> Result<Page<Invitation>> {
    ctx.permit(Action::MemberManage, Resource::Organization(organization))?;
    listed(ctx, "by_organization", &organization.to_string(), page).await
}

async fn listed(
    ctx: &Ctx,
    index: &'static str,
    partition: &str,
    page: PageRequest,
) -> Result<Page<Invitation>> {
    let page = repo::list::<Invitation>(ctx.store(), index, &[partition], true, page).await?;
    Ok(page.map(|invitation| invitation.value))
}

/// Takes an invitation back.
///
/// # Errors
/// As [`Ctx::permit`] of the managing action, `invitation.not_found`, or the store's.
pub async fn revoke(ctx: &Ctx, id: InvitationId) -> Result<()> {
    access::not_anonymous(ctx)?;
    let found = repo::find::<Invitation>(ctx.store(), "id", &[&id.to_string()]).await?;
    let found = found.ok_or_else(no_invitation)?;
    let resource = found.resource();
    ctx.permit(managing(resource), resource)?;
    let mut changes = ChangeSet::new();
    changes.delete(&found, None);
    let subject = [found.scope.to_string(), id.to_string()];
    let entry = AuditEntry::new(ctx, Some(found.organization), "invitation.revoked", subject);
    changes.create(&entry, None)?;
    ctx.store().commit(changes).await.map(|_| ())
}

async fn by_secret(ctx: &Ctx, secret: &Secret) -> Result<Stored<Invitation>> {
    let key = Key::new(Invitation::COLLECTION, secret.digest(), "");
    let found = repo::get_keys::<Invitation>(ctx.store(), &[key])
        .await?
        .pop()
        .flatten();
    found
        .filter(|invitation| ctx.now() < invitation.expires)
        .ok_or_else(no_invitation)
}

/// What a link offers. The secret is the permission; nothing is used up.
///
/// # Errors
/// `invitation.not_found`, or the store's.
pub async fn look_at(ctx: &Ctx, secret: &Secret) -> Result<Offer> {
    let invitation = by_secret(ctx, secret).await?;
    let store = ctx.store();
    let organization = repo::get::<Organization>(store, invitation.organization).await?;
    let group = match invitation.scope {
        Scope::Group(group) => Some(
            repo::get::<Group>(store, group)
                .await?
                .ok_or_else(no_invitation)?,
        ),
        _ => None,
    };
    let has_account = match &invitation.email {
        Some(email) => repo::find::<User>(store, "email", &[email.as_str()])
            .await?
            .is_some(),
        None => false,
    };
    Ok(Offer {
        organization: organization.ok_or_else(no_invitation)?.value.name,
        group: group.map(|group| group.value.name),
        role: invitation.role,
        email: invitation.value.email,
        has_account,
    })
}

/// Accepts as the person who is signed in. A wider role that they hold already stays.
///
/// # Errors
/// `invitation.not_found`, `invitation.other_address`, `auth.person_required`, or the store's.
pub async fn accept(ctx: &Ctx, secret: &Secret) -> Result<Resource> {
    let user = signed_in(ctx)?;
    retrying(|| async {
        let invitation = by_secret(ctx, secret).await?;
        let access = access::require(ctx.store(), user).await?;
        may_accept(&invitation, &access.user.email, ctx.now())?;
        still_worth(ctx, &invitation).await?;
        let resource = invitation.resource();
        let held = access.role_on(invitation.scope);
        let role = held.map_or(invitation.role, |held| wider(held, invitation.role));
        let mut changes = ChangeSet::new();
        let edits = [(resource, Some(role))];
        edit_roles(ctx, &mut changes, user, &access.memberships, &edits).await?;
        changes.update(&access.user, &access.user_changed(ctx), None)?;
        use_up(ctx, &mut changes, &invitation, user)?;
        ctx.store().commit(changes).await?;
        Ok(resource)
    })
    .await
}

/// Accepts as a new person, who is signed in by it.
///
/// # Errors
/// `invitation.not_found`, `invitation.other_address`, `user.exists` (then sign in and accept),
/// `password.*`, `email.malformed`, `name.malformed`, or the store's.
pub async fn accept_as_new(
    ctx: &Ctx,
    secret: &Secret,
    person: NewPerson,
    origin: Origin,
) -> Result<SignedIn> {
    let invitation = by_secret(ctx, secret).await?;
    let email = Email::new(&person.email)?;
    may_accept(&invitation, &email, ctx.now())?;
    still_worth(ctx, &invitation).await?;
    let user = new_user(ctx, person).await?;
    // From here on it is the new person who acts.
    let acting = Ctx {
        actor: crate::ctx::Actor::User(user.id),
        ..ctx.clone()
    };
    retrying(|| async {
        let invitation = by_secret(ctx, secret).await?;
        let mut changes = ChangeSet::new();
        changes.create(&user, None)?;
        let edits = [(invitation.resource(), Some(invitation.role))];
        edit_roles(&acting, &mut changes, user.id, &[], &edits).await?;
        use_up(&acting, &mut changes, &invitation, user.id)?;
        let opened = open(&acting, &mut changes, &user, origin.clone())?;
        ctx.store().commit(changes).await?;
        Ok(opened)
    })
    .await
}

fn use_up(
    ctx: &Ctx,
    changes: &mut ChangeSet,
    invitation: &Stored<Invitation>,
    user: UserId,
) -> Result<()> {
    changes.delete(invitation, None);
    let subject = [
        invitation.scope.to_string(),
        invitation.id.to_string(),
        user.to_string(),
    ];
    let organization = Some(invitation.organization);
    let entry = AuditEntry::new(ctx, organization, "invitation.accepted", subject);
    changes.create(&entry, None)
}

/// An invitation is worth no more than what the person who made it may still grant.
async fn still_worth(ctx: &Ctx, invitation: &Invitation) -> Result<()> {
    let Some(inviter) = invitation.inviter else {
        return Ok(());
    };
    let resource = invitation.resource();
    let grants = access::load(ctx.store(), inviter)
        .await?
        .filter(|access| !access.user.is_disabled())
        .map(|access| Access::grants(&access));
    match grants {
        Some(grants)
            if grants.can(managing(resource), resource)
                && may_grant(&grants, resource, invitation.role).is_ok() =>
        {
            Ok(())
        }
        _ => Err(no_invitation()),
    }
}
