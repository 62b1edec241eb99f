//! What the services of people, sessions and tokens share: loading a person's access in one store
//! call, resolving where a role is held, writing changes of roles with their guard and audit.

use std::future::Future;

use crate::ctx::{Actor, Ctx, Grants, Resource};
use crate::error::{Error, Result};
use crate::id::{GroupId, OrganizationId, UserId};
use crate::model::{AuditEntry, Group, Membership, Organization, OwnerRoll, Scope, User};
use crate::page::PageRequest;
use crate::policy::Role;
use crate::port::store::{List, Raw};
use crate::port::{ChangeSet, Entity, Event, Ids, Key, Store, Stored, fresh, repo};
use crate::rules::access::{is_guarded, roll_after};
use crate::secret::Secret;

/// How often a change is decided anew after a lost race, before the caller hears of it.
const TRIES: usize = 8;

/// Loads, decides and commits again while others were faster. `change` must read what it decides on.
pub(crate) async fn retrying<T, F, Fut>(change: F) -> Result<T>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    for _ in 1..TRIES {
        match change().await {
            Err(error) if error.code() == "store.conflict" => {}
            done => return done,
        }
    }
    change().await
}

/// A new random secret: 32 bytes in hexadecimal after a prefix.
pub(crate) fn new_secret(ids: &dyn Ids, prefix: &str) -> Secret {
    Secret::new(format!("{prefix}{}", hex::encode(ids.random())))
}

/// The person at the other end, for what everyone may do to their own account. Programs may not:
/// a leaked token must not be able to lengthen its own life.
///
/// # Errors
/// `auth.required`, `auth.person_required`.
pub(crate) fn signed_in(ctx: &Ctx) -> Result<UserId> {
    match ctx.actor {
        Actor::User(user) => Ok(user),
        Actor::Anonymous => Err(Error::unauthenticated("auth.required", "sign in first")),
        _ => Err(Error::forbidden(
            "auth.person_required",
            "only a signed-in person can do this, not a token",
        )),
    }
}

/// Refuses anonymous callers before anything is read.
///
/// # Errors
/// `auth.required`.
pub(crate) fn not_anonymous(ctx: &Ctx) -> Result<()> {
    if ctx.actor == Actor::Anonymous {
        return Err(Error::unauthenticated(
            "auth.required",
            "sign in, or send an API token",
        ));
    }
    Ok(())
}

/// A person with all their roles.
pub(crate) struct Access {
    pub user: Stored<User>,
    pub memberships: Vec<Stored<Membership>>,
}

fn partition(collection: &'static str, partition: String, page: PageRequest) -> List {
    List {
        collection,
        index: None,
        partition: vec![partition],
        prefix: String::new(),
        until: None,
        descending: false,
        page,
    }
}

/// One store call for people with up to 1,000 roles.
pub(crate) async fn load(store: &dyn Store, user: UserId) -> Result<Option<Access>> {
    let lists = [
        partition(User::COLLECTION, user.to_string(), PageRequest::first(1)),
        partition(
            Membership::COLLECTION,
            user.to_string(),
            PageRequest::first(1_000),
        ),
    ];
    let mut pages = store.list(&lists).await?.into_iter();
    let (Some(users), Some(mut page)) = (pages.next(), pages.next()) else {
        return Err(Error::internal(
            "store.answer",
            "the store left out an answer",
        ));
    };
    let Some(found) = users.items.first() else {
        return Ok(None);
    };
    let user = found.typed::<User>()?;
    let mut memberships = Vec::with_capacity(page.items.len());
    loop {
        for raw in &page.items {
            memberships.push(raw.typed::<Membership>()?);
        }
        let Some(after) = page.next.take() else { break };
        page = repo_page(store, &user.value, after).await?;
    }
    Ok(Some(Access { user, memberships }))
}

async fn repo_page(
    store: &dyn Store,
    user: &User,
    after: crate::page::Cursor,
) -> Result<crate::page::Page<Raw>> {
    let request = PageRequest {
        first: 1_000,
        after: Some(after),
    };
    let list = partition(Membership::COLLECTION, user.id.to_string(), request);
    let mut pages = store.list(&[list]).await?;
    Ok(pages.pop().unwrap_or_else(crate::page::Page::empty))
}

/// # Errors
/// `not_found` where there is no such user, or the store's.
pub(crate) async fn require(store: &dyn Store, user: UserId) -> Result<Access> {
    load(store, user).await?.ok_or_else(repo::missing::<User>)
}

impl Access {
    pub fn grants(&self) -> Grants {
        let mut grants = Grants::default();
        for membership in &self.memberships {
            match (membership.scope, membership.organization) {
                (Scope::Instance, _) => {
                    grants.instance_admin |= membership.role == Role::InstanceAdmin;
                }
                (Scope::Organization(organization), _) => {
                    grants.organizations.insert(organization, membership.role);
                }
                (Scope::Group(group), Some(organization)) => {
                    grants.groups.insert(group, (organization, membership.role));
                }
                (Scope::Group(_), None) => {}
            }
        }
        grants
    }

    pub fn role_on(&self, scope: Scope) -> Option<Role> {
        let held = self.memberships.iter().find(|held| held.scope == scope);
        held.map(|held| held.role)
    }

    /// The user as after a change of roles. Writing it guards against other changes of the same person.
    pub fn user_changed(&self, ctx: &Ctx) -> User {
        User {
            access_changed: ctx.now(),
            ..self.user.value.clone()
        }
    }
}

/// Where a role is held, as a resource that exists: a group is looked up for its organization.
///
/// # Errors
/// `auth.required` for anonymous callers, `not_found`, or the store's.
pub(crate) async fn resolve(ctx: &Ctx, scope: Scope) -> Result<Resource> {
    not_anonymous(ctx)?;
    match scope {
        Scope::Instance => Ok(Resource::Instance),
        Scope::Organization(organization) => {
            repo::require::<Organization>(ctx.store(), organization).await?;
            Ok(Resource::Organization(organization))
        }
        Scope::Group(group) => group_resource(ctx.store(), group).await,
    }
}

async fn group_resource(store: &dyn Store, group: GroupId) -> Result<Resource> {
    let group = repo::require::<Group>(store, group).await?;
    Ok(Resource::Group(group.organization, group.id))
}

pub(crate) fn organization_of(resource: Resource) -> Option<OrganizationId> {
    match resource {
        Resource::Instance => None,
        Resource::Organization(organization) | Resource::Group(organization, _) => {
            Some(organization)
        }
    }
}

/// The roll of each scope, absent ones as empty.
pub(crate) async fn rolls(
    store: &dyn Store,
    scopes: &[Scope],
) -> Result<Vec<(OwnerRoll, Option<Stored<OwnerRoll>>)>> {
    let keys: Vec<Key> = scopes
        .iter()
        .map(|scope| OwnerRoll::key_of(*scope))
        .collect();
    let stored = repo::get_keys::<OwnerRoll>(store, &keys).await?;
    Ok(scopes
        .iter()
        .zip(stored)
        .map(|(scope, stored)| {
            let roll = stored
                .as_ref()
                .map_or_else(|| OwnerRoll::empty(*scope), |stored| stored.value.clone());
            (roll, stored)
        })
        .collect())
}

/// Writes the roll if it changes; an untouched one of a guarded role is required to stay as it is.
pub(crate) fn write_roll(
    changes: &mut ChangeSet,
    user: UserId,
    next: Option<Role>,
    (roll, stored): (OwnerRoll, Option<Stored<OwnerRoll>>),
) -> Result<()> {
    let changed = roll_after(&roll, user, next)?;
    match (changed, stored) {
        (Some(changed), Some(stored)) => changes.update(&stored, &changed, None),
        (Some(changed), None) => changes.create(&changed, None),
        (None, _) => Ok(()),
    }
}

/// One change of a person's role somewhere; `None` takes it away.
pub(crate) type Edit = (Resource, Option<Role>);

/// Adds changes of roles to a change set: memberships, rolls, audit. The caller writes the user,
/// which guards them. Edits that change nothing are left out; answers how many were not.
pub(crate) async fn edit_roles(
    ctx: &Ctx,
    changes: &mut ChangeSet,
    user: UserId,
    held: &[Stored<Membership>],
    edits: &[Edit],
) -> Result<usize> {
    let current = |scope: Scope| held.iter().find(|membership| membership.scope == scope);
    let edits: Vec<(Scope, Edit, Option<&Stored<Membership>>)> = edits
        .iter()
        .map(|edit| {
            let scope = Scope::from(edit.0);
            (scope, *edit, current(scope))
        })
        .filter(|(_, (_, next), current)| current.map(|held| held.role) != *next)
        .collect();
    let guarded: Vec<(Scope, Option<Role>)> = edits
        .iter()
        .filter(|(_, (_, next), current)| {
            next.is_some_and(is_guarded) || current.is_some_and(|held| is_guarded(held.role))
        })
        .map(|(scope, (_, next), _)| (*scope, *next))
        .collect();
    if !guarded.is_empty() {
        let scopes: Vec<Scope> = guarded.iter().map(|(scope, _)| *scope).collect();
        for (roll, (_, next)) in rolls(ctx.store(), &scopes).await?.into_iter().zip(guarded) {
            write_roll(changes, user, next, roll)?;
        }
    }
    for (scope, (resource, next), current) in &edits {
        edit_role(ctx, changes, user, (*scope, *resource), *current, *next)?;
    }
    Ok(edits.len())
}

fn edit_role(
    ctx: &Ctx,
    changes: &mut ChangeSet,
    user: UserId,
    (scope, resource): (Scope, Resource),
    current: Option<&Stored<Membership>>,
    next: Option<Role>,
) -> Result<()> {
    let organization = organization_of(resource);
    let verb = match (current, next) {
        (None, _) => "member.added",
        (Some(_), Some(_)) => "member.role_changed",
        (Some(_), None) => "member.removed",
    };
    let was = current.map(|held| held.role);
    let detail = serde_json::json!({ "from": was, "to": next });
    let event = Some(Event {
        name: verb.to_owned(),
        data: detail.clone(),
    });
    match (current, next) {
        (Some(current), Some(role)) => {
            let changed = Membership {
                role,
                by: ctx.actor.label(),
                // Whoever gives a role anew means the person to stay: the week begins again.
                warned: None,
                ..current.value.clone()
            };
            changes.update(current, &changed, event)?;
        }
        (Some(current), None) => changes.delete(current, event),
        (None, Some(role)) => {
            let membership = Membership {
                id: fresh(ctx.ports.ids.as_ref()),
                user,
                scope,
                organization,
                role,
                created: ctx.now(),
                by: ctx.actor.label(),
                warned: None,
            };
            changes.create(&membership, event)?;
        }
        (None, None) => return Ok(()),
    }
    let subject = [scope.to_string(), user.to_string()];
    changes.create(
        &AuditEntry::new(ctx, organization, verb, subject).with(detail),
        None,
    )
}
