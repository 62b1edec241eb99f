//! The first administrator: a one-time link, printed when the server starts without one.
//!
//! Only one claim can ever succeed: it creates the roll of administrators, which must not be there.

use super::access::{edit_roles, retrying, rolls};
use super::link::{by_secret, mint, no_link};
use super::sign_in::{SignedIn, open};
use super::user::{NewPerson, new_user};
use crate::ctx::{Actor, Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::OrganizationId;
use crate::model::{AuditEntry, Link, Organization, Origin, Purpose, Scope, Slug, display_name};
use crate::policy::{Action, Role};
use crate::port::{ChangeSet, Event, Stored, fresh};
use crate::secret::Secret;

/// The first administrator, and optionally the first organization, which they own.
#[derive(Clone, Debug)]
pub struct Claim {
    pub person: NewPerson,
    /// Display name of the organization; its slug is made of it.
    pub organization: Option<String>,
    pub origin: Origin,
}

async fn is_claimed(ctx: &Ctx) -> Result<bool> {
    let mut rolls = rolls(ctx.store(), &[Scope::Instance]).await?;
    Ok(rolls.pop().is_some_and(|(_, stored)| stored.is_some()))
}

/// A link to claim the instance; `None` once there is an administrator.
///
/// # Errors
/// As [`Ctx::permit`] of `instance.manage`, or the store's.
pub async fn claim_link(ctx: &Ctx) -> Result<Option<Secret>> {
    ctx.permit(Action::InstanceManage, Resource::Instance)?;
    if is_claimed(ctx).await? {
        return Ok(None);
    }
    let mut changes = ChangeSet::new();
    let secret = mint(ctx, &mut changes, Purpose::ClaimAdmin)?;
    let entry = AuditEntry::new(ctx, None, "instance.claim_link_made", []);
    changes.create(&entry, None)?;
    ctx.store().commit(changes).await?;
    Ok(Some(secret))
}

/// Whether a link can still claim the instance. The secret is the permission.
///
/// # Errors
/// `link.not_found`, or the store's.
pub async fn look_at(ctx: &Ctx, secret: &Secret) -> Result<()> {
    claimable(ctx, secret).await.map(|_| ())
}

async fn claimable(ctx: &Ctx, secret: &Secret) -> Result<Stored<Link>> {
    let link = by_secret(ctx, secret).await?;
    if link.purpose != Purpose::ClaimAdmin || is_claimed(ctx).await? {
        return Err(no_link());
    }
    Ok(link)
}

/// Makes the first administrator, who is signed in by it.
///
/// # Errors
/// `link.not_found`, `user.exists`, `organization.exists`, `email.malformed`, `name.malformed`,
/// `slug.malformed`, `password.*`, or the store's.
pub async fn claim(ctx: &Ctx, secret: &Secret, claim: Claim) -> Result<SignedIn> {
    claimable(ctx, secret).await?;
    let organization = claim.organization.as_deref().map(str::trim);
    let organization = organization
        .filter(|name| !name.is_empty())
        .map(|name| first_organization(ctx, name))
        .transpose()?;
    let user = new_user(ctx, claim.person).await?;
    let acting = Ctx {
        actor: Actor::User(user.id),
        ..ctx.clone()
    };
    retrying(|| async {
        let link = claimable(ctx, secret).await?;
        let mut changes = ChangeSet::new();
        changes.delete(&link, None);
        changes.create(&user, Some(Event::named("user.created")))?;
        let mut edits = vec![(Resource::Instance, Some(Role::InstanceAdmin))];
        if let Some(organization) = &organization {
            changes.create(organization, Some(Event::named("organization.created")))?;
            let subject = [organization.id.to_string()];
            let of = Some(organization.id);
            let entry = AuditEntry::new(&acting, of, "organization.created", subject);
            changes.create(&entry, None)?;
            edits.push((Resource::Organization(organization.id), Some(Role::Owner)));
        }
        edit_roles(&acting, &mut changes, user.id, &[], &edits).await?;
        // The roll may have come between the look at the link and these edits, which then add to it.
        if is_claimed(ctx).await? {
            return Err(no_link());
        }
        let subject = [user.id.to_string()];
        changes.create(
            &AuditEntry::new(&acting, None, "instance.claimed", subject),
            None,
        )?;
        let opened = open(&acting, &mut changes, &user, claim.origin.clone())?;
        ctx.store().commit(changes).await?;
        Ok(opened)
    })
    .await
}

fn first_organization(ctx: &Ctx, name: &str) -> Result<Organization> {
    let field = |error: Error| error.on_field("organization");
    let name = display_name(name).map_err(field)?;
    let slug = Slug::from_name(&name).ok_or_else(|| {
        field(Error::invalid(
            "slug.malformed",
            "the organization's name needs a letter a-z or a digit",
        ))
    })?;
    Ok(Organization {
        id: fresh::<OrganizationId>(ctx.ports.ids.as_ref()),
        slug,
        name,
        created: ctx.now(),
        policy: crate::model::PolicyOverride::default(),
    })
}
