//! Members: who holds which role where; giving, changing and taking roles.
//!
//! Every change of a person's roles writes their user record and, for owners and administrators,
//! the roll of the place: so decisions that were made on what no longer holds fail and are made
//! again. Read next: [`crate::rules::access`].

use super::access::{self, Access, Edit, edit_roles, resolve, retrying};
use crate::ctx::{Actor, Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{OrganizationId, UserId};
use crate::model::{Group, Membership, Organization, OwnerRoll, Scope, Slug, User};
use crate::page::{Page, PageRequest};
use crate::policy::{Action, Role};
use crate::port::{ChangeSet, Stored, repo};
use crate::rules::access::{enabled, managing, may_grant};

/// A role that someone holds, with who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub membership: Membership,
    pub user: User,
}

/// Who holds a role there, by user id. Owners and administrators from above are not repeated.
///
/// # Errors
/// As [`Ctx::permit`] of the place's reading action, or the store's.
pub async fn list(ctx: &Ctx, scope: Scope, page: PageRequest) -> Result<Page<Member>> {
    let resource = resolve(ctx, scope).await?;
    let action = match resource {
        Resource::Instance => Action::UserManage,
        Resource::Organization(_) => Action::MemberRead,
        Resource::Group(..) => Action::GroupMemberRead,
    };
    ctx.permit(action, resource)?;
    members(ctx, "by_scope", &scope.to_string(), page).await
}

/// Every role in an organization, its groups included: by user, so that one person's roles follow
/// each other.
///
/// # Errors
/// As [`Ctx::permit`] of `member.manage`, or the store's.
pub async fn list_everywhere(
    ctx: &Ctx,
    organization: OrganizationId,
    page: PageRequest,
) -> Result<Page<Member>> {
    ctx.permit(Action::MemberManage, Resource::Organization(organization))?;
    members(ctx, "by_organization", &organization.to_string(), page).await
}

async fn members(
    ctx: &Ctx,
    index: &'static str,
    partition: &str,
    page: PageRequest,
) -> Result<Page<Member>> {
    let page = repo::list::<Membership>(ctx.store(), index, &[partition], false, page).await?;
    let mut ids: Vec<UserId> = page.items.iter().map(|held| held.user).collect();
    ids.dedup();
    let users = repo::get_many::<User>(ctx.store(), &ids).await?;
    let named = |held: &Stored<Membership>| {
        let user = users.iter().flatten().find(|user| user.id == held.user)?;
        Some(Member {
            membership: held.value.clone(),
            user: user.value.clone(),
        })
    };
    Ok(Page {
        items: page.items.iter().filter_map(named).collect(),
        next: page.next,
    })
}

/// An organization, or a group of it, whose members the caller may see.
#[derive(Clone, Debug)]
pub struct Place {
    pub organization: Organization,
    pub group: Option<Group>,
}

impl Place {
    #[must_use]
    pub fn resource(&self) -> Resource {
        match &self.group {
            Some(group) => Resource::Group(self.organization.id, group.id),
            None => Resource::Organization(self.organization.id),
        }
    }
}

/// An organization or group by slugs, for those who may see its members.
///
/// # Errors
/// As [`Ctx::permit`] of `member.read` or `group_member.read`, or the store's.
pub async fn place(ctx: &Ctx, organization: &str, group: Option<&str>) -> Result<Place> {
    access::not_anonymous(ctx)?;
    let missing = repo::missing::<Organization>;
    let slug = Slug::new(organization).map_err(|_| missing())?;
    let found = repo::find::<Organization>(ctx.store(), "slug", &[slug.as_str()]).await?;
    let organization = found.ok_or_else(missing)?.value;
    let Some(group) = group else {
        ctx.permit(Action::MemberRead, Resource::Organization(organization.id))?;
        return Ok(Place {
            organization,
            group: None,
        });
    };
    let slug = Slug::new(group).map_err(|_| missing())?;
    let values = [&organization.id.to_string(), slug.as_str()];
    let group = repo::find::<Group>(ctx.store(), "slug", &values).await?;
    let group = group.ok_or_else(missing)?.value;
    let resource = Resource::Group(organization.id, group.id);
    ctx.permit(Action::GroupMemberRead, resource)?;
    Ok(Place {
        organization,
        group: Some(group),
    })
}

/// Gives a role, or changes the one held there. The person must already be in the organization
/// somewhere (others are invited), unless an administrator or the local operator asks.
///
/// # Errors
/// As [`Ctx::permit`] of the managing action, `role.misplaced`, `role.above_own`,
/// `member.last_owner`, `user.disabled`, `not_found` (also where somebody takes the role away at the
/// same moment), or the store's.
pub async fn set_role(ctx: &Ctx, scope: Scope, user: UserId, role: Role) -> Result<Membership> {
    let resource = resolve(ctx, scope).await?;
    ctx.permit(managing(resource), resource)?;
    may_grant(&ctx.grants, resource, role)?;
    retrying(|| async {
        let access = access::require(ctx.store(), user).await?;
        if !is_known(ctx, &access, resource) {
            return Err(repo::missing::<User>());
        }
        enabled(&access.user)?;
        if let Some(held) = access.role_on(scope) {
            may_grant(&ctx.grants, resource, held)?;
        }
        write(ctx, &access, &[(resource, Some(role))]).await
    })
    .await?;
    let key = Membership::key_of(user, scope);
    let held = repo::get_keys::<Membership>(ctx.store(), &[key])
        .await?
        .pop()
        .flatten();
    held.map(|held| held.value)
        .ok_or_else(repo::missing::<Membership>)
}

fn is_known(ctx: &Ctx, access: &Access, resource: Resource) -> bool {
    let here = access::organization_of(resource);
    ctx.can(Action::UserManage, Resource::Instance)
        || access
            .memberships
            .iter()
            .any(|held| here.is_some() && held.organization == here)
}

/// Takes a role away; of an organization, all roles in its groups go with it. Everyone may leave by
/// themselves. Removing who holds nothing there changes nothing.
///
/// # Errors
/// As [`Ctx::permit`] of the managing action, `role.above_own`, `member.last_owner`, or the store's.
pub async fn remove(ctx: &Ctx, scope: Scope, user: UserId) -> Result<()> {
    let resource = resolve(ctx, scope).await?;
    let leaving = ctx.actor == Actor::User(user);
    if !leaving {
        ctx.permit(managing(resource), resource)?;
    }
    retrying(|| async {
        let Some(access) = access::load(ctx.store(), user).await? else {
            return Ok(());
        };
        let goes = |held: &Membership| match resource {
            Resource::Organization(organization) => held.organization == Some(organization),
            _ => held.scope == scope,
        };
        let gone = access.memberships.iter().filter(|held| goes(held));
        let mut edits: Vec<Edit> = Vec::new();
        for held in gone {
            let Some(place) = held.resource() else {
                continue;
            };
            if !leaving {
                may_grant(&ctx.grants, place, held.role)?;
            }
            edits.push((place, None));
        }
        write(ctx, &access, &edits).await
    })
    .await
}

async fn write(ctx: &Ctx, access: &Access, edits: &[Edit]) -> Result<()> {
    let mut changes = ChangeSet::new();
    let user = access.user.id;
    if edit_roles(ctx, &mut changes, user, &access.memberships, edits).await? == 0 {
        return Ok(());
    }
    changes.update(&access.user, &access.user_changed(ctx), None)?;
    ctx.store().commit(changes).await.map(|_| ())
}

/// Makes someone the first owner of an organization that the same change set creates.
///
/// # Errors
/// `user.disabled`, or the store's.
pub async fn found(
    ctx: &Ctx,
    changes: &mut ChangeSet,
    organization: OrganizationId,
    owner: UserId,
) -> Result<()> {
    let access = access::require(ctx.store(), owner).await?;
    enabled(&access.user)?;
    let edit = (Resource::Organization(organization), Some(Role::Owner));
    edit_roles(ctx, changes, owner, &access.memberships, &[edit]).await?;
    changes.update(&access.user, &access.user_changed(ctx), None)
}

/// Who can act as owner there (or as administrator, for the instance), disabled accounts left out.
///
/// # Errors
/// As [`Ctx::permit`] of `member.read` (or `user.manage`), or the store's.
pub async fn owners(ctx: &Ctx, scope: Scope) -> Result<OwnerRoll> {
    let resource = resolve(ctx, scope).await?;
    let action = match resource {
        Resource::Instance => Action::UserManage,
        Resource::Organization(_) => Action::MemberRead,
        Resource::Group(..) => {
            return Err(Error::invalid("role.misplaced", "a group has no owners"));
        }
    };
    ctx.permit(action, resource)?;
    let mut rolls = access::rolls(ctx.store(), &[scope]).await?;
    Ok(rolls
        .pop()
        .map_or_else(|| OwnerRoll::empty(scope), |(roll, _)| roll))
}
