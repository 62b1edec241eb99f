//! Which groups a list is about: one that is named, all of an organization, or all there are for the
//! caller. Only groups in which the caller may do the action come out.

use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{GroupId, OrganizationId};
use crate::model::Group;
use crate::page::PageRequest;
use crate::policy::Action;
use crate::port::store::Stored;

use super::lookup::permitted;
use super::{group, organization};

/// A group as callers name it: by id, by its slug and its organization's, or, for a token of one
/// group, not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Slug or id.
    pub organization: Option<String>,
    /// Slug (with an organization) or id.
    pub group: Option<String>,
}

/// The one group that is meant.
///
/// # Errors
/// `group.required`, `organization.required`, `not_found` also where the caller may not see it,
/// not permitted, or the store's.
pub async fn one(ctx: &Ctx, place: &Place, action: Action) -> Result<Stored<Group>> {
    let found = match (&place.organization, &place.group) {
        (organization, Some(id)) if id.starts_with("grp_") => {
            let id = id.parse::<GroupId>().map_err(|_| ctx.absent::<Group>())?;
            let group = permitted::<Group>(ctx, id, action).await?;
            if let Some(name) = organization
                && organization_id(ctx, name).await? != group.organization
            {
                return Err(ctx.absent::<Group>());
            }
            group
        }
        (Some(organization), Some(slug)) => {
            let organization = organization_id(ctx, organization).await?;
            group::of_slug(ctx, organization, slug).await?
        }
        (None, Some(_)) => {
            return Err(Error::invalid(
                "organization.required",
                "a group's slug needs its organization; or give the group's id",
            )
            .on_field("organization"));
        }
        (_, None) => {
            let mut groups = ctx.grants.groups.keys();
            match (groups.next(), groups.next()) {
                (Some(only), None) if ctx.grants.organizations.is_empty() => {
                    permitted::<Group>(ctx, *only, action).await?
                }
                _ if ctx.actor == crate::Actor::Anonymous => return Err(ctx.absent::<Group>()),
                _ => {
                    return Err(Error::invalid(
                        "group.required",
                        "say which group: organization and group by their slugs, or the group's id",
                    )
                    .on_field("group"));
                }
            }
        }
    };
    ctx.permit(action, Resource::Group(found.organization, found.id))?;
    Ok(found)
}

/// The organization that is named by id or slug, or the only one that the caller belongs to.
///
/// # Errors
/// `auth.required`, `organization.required`, `not_found` also where the caller may not see it, or the
/// store's.
pub async fn organization(ctx: &Ctx, named: Option<&str>) -> Result<OrganizationId> {
    super::access::not_anonymous(ctx)?;
    if let Some(name) = named {
        return organization_id(ctx, name).await;
    }
    let mut own = ctx.grants.organizations.keys();
    match (own.next(), own.next()) {
        (Some(only), None) => Ok(*only),
        _ => Err(Error::invalid(
            "organization.required",
            "say which organization, by its slug or id",
        )
        .on_field("organization")),
    }
}

async fn organization_id(ctx: &Ctx, name: &str) -> Result<OrganizationId> {
    let found = match name.parse::<OrganizationId>() {
        Ok(id) => organization::require(ctx, id).await?,
        Err(_) => organization::by_slug(ctx, name).await?,
    };
    Ok(found.id)
}

/// All groups that are meant.
///
/// # Errors
/// As [`one`]; `auth.required` for anonymous callers, or the store's.
pub async fn all(ctx: &Ctx, place: &Place, action: Action) -> Result<Vec<Resource>> {
    if place.group.is_some() {
        let group = one(ctx, place, action).await?;
        return Ok(vec![Resource::Group(group.organization, group.id)]);
    }
    let organizations = match &place.organization {
        Some(name) => vec![organization_id(ctx, name).await?],
        None => known(ctx).await?,
    };
    let mut all = Vec::new();
    for organization in organizations {
        let groups = group::ids_where(ctx, organization, action).await?;
        all.extend(
            groups
                .into_iter()
                .map(|group| Resource::Group(organization, group)),
        );
    }
    Ok(all)
}

async fn known(ctx: &Ctx) -> Result<Vec<OrganizationId>> {
    let mut ids = Vec::new();
    let mut page = PageRequest::first(1_000);
    loop {
        let listed = organization::list(ctx, page.clone()).await?;
        ids.extend(listed.items.iter().map(|organization| organization.id));
        match listed.next {
            Some(next) => page.after = Some(next),
            None => return Ok(ids),
        }
    }
}
