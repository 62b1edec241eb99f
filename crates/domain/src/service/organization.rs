//! Organizations.

use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{OrganizationId, UserId};
pub use crate::model::PolicyChange;
use crate::model::{AuditEntry, Group, Organization, Policy, PolicyOverride, Slug, display_name};
use crate::page::{Page, PageRequest};
use crate::policy::Action;
use crate::port::store::{ChangeSet, Event, Stored};
use crate::port::{fresh, repo};
use crate::rules;

use super::member;

/// Makes an organization; `owner` becomes its first owner.
///
/// # Errors
/// Not permitted, `slug.malformed`, `name.malformed`, `organization.exists`, or the store's.
pub async fn create(
    ctx: &Ctx,
    slug: &str,
    name: &str,
    owner: Option<UserId>,
) -> Result<Stored<Organization>> {
    ctx.permit(Action::OrganizationCreate, Resource::Instance)?;
    let organization = Organization {
        id: fresh(ctx.ports.ids.as_ref()),
        slug: Slug::new(slug)?,
        name: display_name(name)?,
        created: ctx.now(),
        policy: PolicyOverride::default(),
    };
    let mut changes = ChangeSet::new();
    changes.create(&organization, Some(Event::named("organization.created")))?;
    if let Some(owner) = owner.or_else(|| ctx.actor.user()) {
        member::found(ctx, &mut changes, organization.id, owner).await?;
    }
    changes.create(
        &AuditEntry::new(
            ctx,
            Some(organization.id),
            "organization.created",
            [organization.id.to_string()],
        ),
        None,
    )?;
    ctx.store().commit(changes).await?;
    Ok(Stored {
        value: organization,
        version: 1,
    })
}

/// One organization, for those who may know of it: members, and whoever has a group in it.
///
/// # Errors
/// `not_found`, or the store's.
pub async fn require(ctx: &Ctx, id: OrganizationId) -> Result<Stored<Organization>> {
    let found = repo::get::<Organization>(ctx.store(), id).await?;
    known(ctx, found)
}

/// One organization by its slug.
///
/// # Errors
/// `not_found`, or the store's.
pub async fn by_slug(ctx: &Ctx, slug: &str) -> Result<Stored<Organization>> {
    let Ok(slug) = Slug::new(slug) else {
        return Err(ctx.absent::<Organization>());
    };
    let found = repo::find::<Organization>(ctx.store(), "slug", &[slug.as_str()]).await?;
    known(ctx, found)
}

fn known(ctx: &Ctx, found: Option<Stored<Organization>>) -> Result<Stored<Organization>> {
    found
        .filter(|organization| ctx.grants.knows(Resource::Organization(organization.id)))
        .ok_or_else(|| ctx.absent::<Organization>())
}

/// The organizations the caller knows, by slug.
///
/// # Errors
/// `auth.required`, or the store's.
pub async fn list(ctx: &Ctx, page: PageRequest) -> Result<Page<Stored<Organization>>> {
    if ctx.actor == crate::Actor::Anonymous {
        return Err(ctx.absent::<Organization>());
    }
    if ctx.grants.unlimited || ctx.grants.instance_admin {
        return repo::list(ctx.store(), "all", &[], false, page).await;
    }
    let mut ids: Vec<OrganizationId> = ctx
        .grants
        .organizations
        .keys()
        .copied()
        .chain(ctx.grants.groups.values().map(|(of, _)| *of))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let mut known: Vec<_> = repo::get_many::<Organization>(ctx.store(), &ids)
        .await?
        .into_iter()
        .flatten()
        .collect();
    known.sort_by(|a, b| a.slug.cmp(&b.slug));
    Ok(cut(known, &page, |organization| {
        organization.slug.as_str().to_owned()
    }))
}

/// A page of a list that is wholly in memory, after the item whose name is the cursor.
pub(super) fn cut<T>(items: Vec<T>, page: &PageRequest, name: impl Fn(&T) -> String) -> Page<T> {
    let after = page.after.as_ref().map(|cursor| cursor.0.clone());
    let mut rest: Vec<T> = items
        .into_iter()
        .filter(|item| after.as_ref().is_none_or(|after| name(item) > *after))
        .collect();
    let more = rest.len() > page.first;
    rest.truncate(page.first);
    let next = rest
        .last()
        .filter(|_| more)
        .map(|last| crate::page::Cursor(name(last)));
    Page { items: rest, next }
}

/// Changes name and policy. `expected` is the version the caller saw, if it wants to lose no race.
///
/// # Errors
/// Not permitted, `name.malformed`, `policy.range`, `policy.contradiction` (also with what one of
/// its groups sets), `store.conflict`, or the store's.
pub async fn update(
    ctx: &Ctx,
    id: OrganizationId,
    name: Option<&str>,
    policy: PolicyChange,
    expected: Option<u64>,
) -> Result<Stored<Organization>> {
    let current = require(ctx, id).await?;
    ctx.permit(Action::OrganizationUpdate, Resource::Organization(id))?;
    check_version(current.version, expected)?;
    let next = Organization {
        name: name.map_or_else(|| Ok(current.name.clone()), display_name)?,
        policy: policy.apply(&current.policy),
        ..current.value.clone()
    };
    if next == current.value {
        return Ok(current);
    }
    if next.policy != current.policy {
        check_policy(ctx, &next).await?;
    }
    let detail = serde_json::json!({ "before": { "name": current.name, "policy": current.policy }, "after": { "name": next.name, "policy": next.policy } });
    let mut changes = ChangeSet::new();
    changes.update(
        &current,
        &next,
        Some(updated(
            "organization.updated",
            next.policy != current.policy,
        )),
    )?;
    changes.create(
        &AuditEntry::new(ctx, Some(id), "organization.updated", [id.to_string()]).with(detail),
        None,
    )?;
    ctx.store().commit(changes).await?;
    Ok(Stored {
        value: next,
        version: current.version + 1,
    })
}

/// The event of an update; says so where the policy is another one, since documents follow from it.
pub(super) fn updated(name: &str, policy: bool) -> Event {
    let event = Event::named(name);
    if !policy {
        return event;
    }
    Event {
        data: serde_json::json!({ "policy": true }),
        ..event
    }
}

/// The policy must be sound where nothing overrides it, and together with what each group sets.
pub(super) async fn check_policy(ctx: &Ctx, next: &Organization) -> Result<()> {
    rules::policy::check(&Policy::effective(&next.policy, &PolicyOverride::default()))?;
    let groups =
        repo::list_all::<Group>(ctx.store(), "by_organization", &[&next.id.to_string()]).await?;
    // The list may lag behind what the groups say.
    for group in repo::current(ctx.store(), &groups).await? {
        rules::policy::check(&Policy::effective(&next.policy, &group.policy)).map_err(|error| {
            Error::invalid(
                "policy.contradiction",
                format!("in the group {}: {}", group.slug, error.message()),
            )
        })?;
    }
    Ok(())
}

/// # Errors
/// `store.conflict` when the caller saw another version.
pub(super) fn check_version(current: u64, expected: Option<u64>) -> Result<()> {
    match expected {
        Some(expected) if expected != current => Err(Error::conflict(
            "store.conflict",
            format!("it is at version {current} now, not {expected}; read it again and repeat"),
        )),
        _ => Ok(()),
    }
}
