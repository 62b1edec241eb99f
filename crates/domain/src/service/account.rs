//! One's own account: who am I and what may I do, password, name.

use super::access::{not_anonymous, retrying, signed_in};
use super::link::with_password;
use super::sign_in::confirm;
use crate::ctx::{Actor, Ctx, Resource};
use crate::error::Result;
use crate::id::{GroupId, OrganizationId, SessionId};
use crate::model::{AuditEntry, Group, Organization, Origin, PasswordHash, User, display_name};
use crate::page::PageRequest;
use crate::policy::{Action, Role};
use crate::port::store::List;
use crate::port::{ChangeSet, Entity, Stored, repo};
use crate::rules::credential::check_password;
use crate::secret::Secret;

/// Who asks and what they may do where.
#[derive(Clone, Debug)]
pub struct Me {
    /// The person, or the owner of a personal token.
    pub user: Option<User>,
    /// [`Actor::label`].
    pub actor: String,
    /// Names of actions on the instance.
    pub permissions: Vec<&'static str>,
    /// By slug.
    pub organizations: Vec<MyOrganization>,
}

#[derive(Clone, Debug)]
pub struct MyOrganization {
    pub organization: Organization,
    /// None for those who only have groups in it.
    pub role: Option<Role>,
    pub permissions: Vec<&'static str>,
    /// By slug; an owner has all of them.
    pub groups: Vec<MyGroup>,
}

#[derive(Clone, Debug)]
pub struct MyGroup {
    pub group: Group,
    /// None where an owner acts without a role of their own in the group.
    pub role: Option<Role>,
    pub permissions: Vec<&'static str>,
}

/// The names of the actions that the caller may do to a resource.
#[must_use]
pub fn permissions(ctx: &Ctx, resource: Resource) -> Vec<&'static str> {
    let done_here = Action::ALL
        .iter()
        .filter(|action| action.area() == resource.area());
    done_here
        .filter(|action| ctx.can(**action, resource))
        .map(|action| action.name())
        .collect()
}

/// # Errors
/// `auth.required`, or the store's.
pub async fn me(ctx: &Ctx) -> Result<Me> {
    not_anonymous(ctx)?;
    let user = match ctx.actor.user() {
        Some(user) => repo::get::<User>(ctx.store(), user).await?,
        None => None,
    };
    let grants = &ctx.grants;
    let mut ids: Vec<OrganizationId> = grants.organizations.keys().copied().collect();
    ids.extend(
        grants
            .groups
            .values()
            .map(|(organization, _)| *organization),
    );
    ids.sort_unstable();
    ids.dedup();
    let mut groups = groups(ctx).await?;
    groups.sort_by(|a, b| a.slug.cmp(&b.slug));
    let organizations = repo::get_many::<Organization>(ctx.store(), &ids).await?;
    let mut organizations: Vec<MyOrganization> = organizations
        .into_iter()
        .flatten()
        .map(|organization| mine(ctx, organization.value, &groups))
        .collect();
    organizations.sort_by(|a, b| a.organization.slug.cmp(&b.organization.slug));
    Ok(Me {
        user: user.map(|user| user.value),
        actor: ctx.actor.label(),
        permissions: permissions(ctx, Resource::Instance),
        organizations,
    })
}

/// The groups of owned organizations, and those with a role of one's own.
async fn groups(ctx: &Ctx) -> Result<Vec<Group>> {
    let grants = &ctx.grants;
    let owned: Vec<OrganizationId> = grants
        .organizations
        .iter()
        .filter(|(_, role)| **role == Role::Owner)
        .map(|(organization, _)| *organization)
        .collect();
    let lists: Vec<List> = owned
        .iter()
        .map(|organization| List {
            collection: Group::COLLECTION,
            index: Some("by_organization"),
            partition: vec![organization.to_string()],
            prefix: String::new(),
            until: None,
            descending: false,
            page: PageRequest::first(1_000),
        })
        .collect();
    let mut groups = Vec::new();
    for page in ctx.store().list(&lists).await? {
        let page = repo::typed_page::<Group>(page)?;
        groups.extend(page.items.into_iter().map(|group| group.value));
    }
    let others: Vec<GroupId> = grants
        .groups
        .iter()
        .filter(|(_, (organization, _))| !owned.contains(organization))
        .map(|(group, _)| *group)
        .collect();
    let others = repo::get_many::<Group>(ctx.store(), &others).await?;
    groups.extend(others.into_iter().flatten().map(|group| group.value));
    Ok(groups)
}

fn mine(ctx: &Ctx, organization: Organization, groups: &[Group]) -> MyOrganization {
    let own = groups
        .iter()
        .filter(|group| group.organization == organization.id);
    let groups = own
        .map(|group| MyGroup {
            role: ctx.grants.groups.get(&group.id).map(|(_, role)| *role),
            permissions: permissions(ctx, Resource::Group(organization.id, group.id)),
            group: group.clone(),
        })
        .collect();
    MyOrganization {
        role: ctx.grants.organizations.get(&organization.id).copied(),
        permissions: permissions(ctx, Resource::Organization(organization.id)),
        organization,
        groups,
    }
}

/// A change of one's own password.
#[derive(Clone, Debug)]
pub struct ChangePassword {
    pub current: Secret,
    pub next: Secret,
    /// The session that asks, which goes on; all others end.
    pub keep: Option<SessionId>,
    pub origin: Origin,
}

/// # Errors
/// `auth.wrong_password`, `auth.throttled`, `password.*`, `auth.person_required`, or the store's.
pub async fn change_password(ctx: &Ctx, input: ChangePassword) -> Result<()> {
    let id = signed_in(ctx)?;
    let user = repo::require::<User>(ctx.store(), id).await?;
    check_password(&input.next, &user.email)?;
    confirm(ctx, &user, input.current, &input.origin).await?;
    let version = user.password_version;
    let hash = PasswordHash::new(ctx.ports.passwords.hash(input.next).await?);
    retrying(|| async {
        let user: Stored<User> = repo::require(ctx.store(), id).await?;
        if user.password_version != version {
            return Err(crate::Error::conflict(
                "user.password_changed",
                "the password was changed meanwhile; sign in again",
            ));
        }
        let mut changes = ChangeSet::new();
        with_password(ctx, &mut changes, &user, hash.clone(), input.keep).await?;
        ctx.store().commit(changes).await.map(|_| ())
    })
    .await
}

/// Changes one's own display name.
///
/// # Errors
/// `name.malformed`, `auth.person_required`, or the store's.
pub async fn rename(ctx: &Ctx, name: &str) -> Result<User> {
    let id = signed_in(ctx)?;
    let name = display_name(name).map_err(|error| error.on_field("name"))?;
    retrying(|| async {
        let user = repo::require::<User>(ctx.store(), id).await?;
        let next = User {
            name: name.clone(),
            ..user.value.clone()
        };
        let mut changes = ChangeSet::new();
        changes.update(&user, &next, None)?;
        changes.create(
            &AuditEntry::new(ctx, None, "user.renamed", [id.to_string()]),
            None,
        )?;
        ctx.store().commit(changes).await?;
        Ok(next)
    })
    .await
}

/// Whether the caller is a person with a session, who can manage an account.
#[must_use]
pub fn is_person(ctx: &Ctx) -> bool {
    matches!(ctx.actor, Actor::User(_))
}
