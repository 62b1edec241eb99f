//! Groups: the units of access, policy and report.

use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{GroupId, OrganizationId};
use crate::model::{
    AuditEntry, Counter, Group, Organization, Policy, PolicyField, PolicyOverride, Slug, Tally,
    display_name, normal_tags,
};
use crate::page::{Page, PageRequest};
use crate::policy::{Action, Role};
use crate::port::store::{ChangeSet, Event, List, Raw, Stored};
use crate::port::{fresh, repo};
use crate::rules;

use super::lookup;
use super::organization::{self, PolicyChange, check_version, updated};

/// Longest description, in bytes.
const DESCRIPTION_LIMIT: usize = 5_000;

/// What may change about a group.
#[derive(Clone, Debug, Default)]
pub struct UpdateGroup {
    pub name: Option<String>,
    pub description: Option<String>,
    /// The portfolios that it is in, all of them.
    pub tags: Option<Vec<String>>,
    pub policy: PolicyChange,
    /// The version the caller saw, if it wants to lose no race.
    pub expected: Option<u64>,
}

/// # Errors
/// Not permitted, `slug.malformed`, `name.malformed`, `group.exists`, or the store's.
pub async fn create(
    ctx: &Ctx,
    organization: OrganizationId,
    slug: &str,
    name: &str,
    description: &str,
) -> Result<Stored<Group>> {
    ctx.permit(Action::GroupCreate, Resource::Organization(organization))?;
    let organization = organization::require(ctx, organization).await?;
    let group = Group {
        id: fresh(ctx.ports.ids.as_ref()),
        organization: organization.id,
        slug: Slug::new(slug)?,
        name: display_name(name)?,
        description: checked_description(description)?,
        created: ctx.now(),
        tags: Vec::new(),
        policy: PolicyOverride::default(),
    };
    let mut changes = ChangeSet::new();
    changes.require(&organization);
    changes.create(&group, Some(Event::named("group.created")))?;
    changes.create(
        &AuditEntry::new(
            ctx,
            Some(group.organization),
            "group.created",
            [group.id.to_string()],
        ),
        None,
    )?;
    ctx.store().commit(changes).await?;
    Ok(Stored {
        value: group,
        version: 1,
    })
}

fn checked_description(text: &str) -> Result<String> {
    if text.len() > DESCRIPTION_LIMIT {
        return Err(Error::limit(
            "description.too_long",
            format!("a description has at most {DESCRIPTION_LIMIT} bytes"),
        ));
    }
    Ok(text.trim().to_owned())
}

/// # Errors
/// `not_found` also where the caller may not see it, or the store's.
pub async fn require(ctx: &Ctx, id: GroupId) -> Result<Stored<Group>> {
    lookup::permitted(ctx, id, Action::GroupRead).await
}

/// A group by its organization's slug and its own.
///
/// # Errors
/// `not_found` also where the caller may not see it, or the store's.
pub async fn by_slug(ctx: &Ctx, organization: &str, slug: &str) -> Result<Stored<Group>> {
    let organization = organization::by_slug(ctx, organization).await?;
    of_slug(ctx, organization.id, slug).await
}

/// A group of an organization by its slug.
///
/// # Errors
/// `not_found` also where the caller may not see it, or the store's.
pub async fn of_slug(ctx: &Ctx, organization: OrganizationId, slug: &str) -> Result<Stored<Group>> {
    let Ok(slug) = Slug::new(slug) else {
        return Err(ctx.absent::<Group>());
    };
    let found = repo::find::<Group>(
        ctx.store(),
        "slug",
        &[&organization.to_string(), slug.as_str()],
    )
    .await?;
    let group = found.ok_or_else(|| ctx.absent::<Group>())?;
    ctx.permit(
        Action::GroupRead,
        Resource::Group(group.organization, group.id),
    )?;
    Ok(group)
}

/// The groups of an organization that the caller may see, by slug.
///
/// # Errors
/// `not_found` where the caller does not know the organization, or the store's.
pub async fn of_organization(
    ctx: &Ctx,
    organization: OrganizationId,
    page: PageRequest,
) -> Result<Page<Stored<Group>>> {
    if !ctx.grants.knows(Resource::Organization(organization)) {
        return Err(ctx.absent::<Organization>());
    }
    if sees_all(ctx, organization) {
        return repo::list(
            ctx.store(),
            "by_organization",
            &[&organization.to_string()],
            false,
            page,
        )
        .await;
    }
    let mine: Vec<GroupId> = ctx
        .grants
        .groups
        .iter()
        .filter(|(_, (of, _))| *of == organization)
        .map(|(id, _)| *id)
        .collect();
    let mut groups: Vec<_> = repo::get_many::<Group>(ctx.store(), &mine)
        .await?
        .into_iter()
        .flatten()
        .collect();
    groups.retain(|group| ctx.can(Action::GroupRead, Resource::Group(organization, group.id)));
    groups.sort_by(|a, b| a.slug.cmp(&b.slug));
    Ok(organization::cut(groups, &page, |group| {
        group.slug.as_str().to_owned()
    }))
}

fn sees_all(ctx: &Ctx, organization: OrganizationId) -> bool {
    ctx.grants.unlimited || ctx.grants.organizations.get(&organization) == Some(&Role::Owner)
}

/// The ids of all groups of an organization in which the caller may do something; the scope of a
/// search over the organization.
///
/// # Errors
/// The store's.
pub async fn ids_where(
    ctx: &Ctx,
    organization: OrganizationId,
    action: Action,
) -> Result<Vec<GroupId>> {
    let all: Vec<GroupId> = if sees_all(ctx, organization) {
        repo::list_all::<Group>(ctx.store(), "by_organization", &[&organization.to_string()])
            .await?
            .into_iter()
            .map(|group| group.value.id)
            .collect()
    } else {
        ctx.grants
            .groups
            .iter()
            .filter(|(_, (of, _))| *of == organization)
            .map(|(id, _)| *id)
            .collect()
    };
    Ok(all
        .into_iter()
        .filter(|id| ctx.can(action, Resource::Group(organization, *id)))
        .collect())
}

/// # Errors
/// Not permitted, `name.malformed`, `description.too_long`, `tag.*`, `policy.range`, `policy.contradiction`,
/// `store.conflict`, or the store's.
pub async fn update(ctx: &Ctx, id: GroupId, input: UpdateGroup) -> Result<Stored<Group>> {
    let current = require(ctx, id).await?;
    let resource = Resource::Group(current.organization, id);
    if input.policy != PolicyChange::default() {
        ctx.permit(Action::PolicyUpdate, resource)?;
    }
    if input.name.is_some()
        || input.description.is_some()
        || input.tags.is_some()
        || input.policy == PolicyChange::default()
    {
        ctx.permit(Action::GroupUpdate, resource)?;
    }
    check_version(current.version, input.expected)?;
    let next = Group {
        name: input
            .name
            .as_deref()
            .map_or_else(|| Ok(current.name.clone()), display_name)?,
        description: input
            .description
            .as_deref()
            .map_or_else(|| Ok(current.description.clone()), checked_description)?,
        tags: input
            .tags
            .map_or_else(|| Ok(current.tags.clone()), normal_tags)?,
        policy: input.policy.apply(&current.policy),
        ..current.value.clone()
    };
    if next == current.value {
        return Ok(current);
    }
    let mut changes = ChangeSet::new();
    if next.policy != current.policy {
        let organization = repo::require::<Organization>(ctx.store(), next.organization).await?;
        rules::policy::check(&Policy::effective(&organization.policy, &next.policy))?;
        // What both levels say together was checked: neither may change meanwhile.
        changes.require(&organization);
    }
    let detail = serde_json::json!({ "before": { "name": current.name, "tags": current.tags, "policy": current.policy }, "after": { "name": next.name, "tags": next.tags, "policy": next.policy } });
    changes.update(
        &current,
        &next,
        Some(updated("group.updated", next.policy != current.policy)),
    )?;
    changes.create(
        &AuditEntry::new(
            ctx,
            Some(next.organization),
            "group.updated",
            [id.to_string()],
        )
        .with(detail),
        None,
    )?;
    ctx.store().commit(changes).await?;
    Ok(Stored {
        value: next,
        version: current.version + 1,
    })
}

/// What applies in a group after its organization's defaults and its own overrides.
///
/// # Errors
/// Not permitted, or the store's.
pub async fn policy(ctx: &Ctx, group: &Group) -> Result<Policy> {
    ctx.permit(
        Action::PolicyRead,
        Resource::Group(group.organization, group.id),
    )?;
    let organization = repo::require::<Organization>(ctx.store(), group.organization).await?;
    Ok(Policy::effective(&organization.policy, &group.policy))
}

/// The same, field by field, with the level that sets each.
///
/// # Errors
/// Not permitted, or the store's.
pub async fn policy_fields(ctx: &Ctx, group: &Group) -> Result<Vec<PolicyField>> {
    ctx.permit(
        Action::PolicyRead,
        Resource::Group(group.organization, group.id),
    )?;
    let organization = repo::require::<Organization>(ctx.store(), group.organization).await?;
    Ok(Policy::explained(&organization.policy, &group.policy))
}

/// How many vulnerabilities each group has by state and level, in order; sums of counters, never a
/// scan of vulnerabilities. The caller has already been let in to the groups.
///
/// # Errors
/// The store's.
pub async fn tallies(ctx: &Ctx, groups: &[GroupId]) -> Result<Vec<Tally>> {
    let list = |group: &GroupId, after| List {
        collection: "counter",
        index: None,
        partition: vec![group.to_string()],
        prefix: String::new(),
        until: None,
        descending: false,
        page: PageRequest {
            first: 1_000,
            after,
        },
    };
    let lists: Vec<List> = groups.iter().map(|group| list(group, None)).collect();
    let mut tallies = Vec::with_capacity(groups.len());
    for (group, mut page) in groups.iter().zip(ctx.store().list(&lists).await?) {
        let mut tally = sum(Tally::default(), &page.items)?;
        while let Some(next) = page.next.take() {
            page = ctx
                .store()
                .list(&[list(group, Some(next))])
                .await?
                .pop()
                .unwrap_or_else(Page::empty);
            tally = sum(tally, &page.items)?;
        }
        tallies.push(tally);
    }
    Ok(tallies)
}

fn sum(tally: Tally, items: &[Raw]) -> Result<Tally> {
    items.iter().try_fold(tally, |tally, raw| {
        Ok(tally.plus(&raw.typed::<Counter>()?.value.tally))
    })
}
