//! Portfolios: groups of an organization that share a tag, looked at together.

use std::collections::BTreeMap;

use super::organization::cut;
use super::{group, metrics};
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{GroupId, OrganizationId};
use crate::model::Group;
use crate::page::{Page, PageRequest};
use crate::policy::Action;
use crate::port::repo;
use crate::port::store::Stored;

/// Groups with one tag.
#[derive(Clone, Debug)]
pub struct Portfolio {
    pub tag: String,
    /// Those that the caller may see, by slug.
    pub groups: Vec<Stored<Group>>,
}

/// A page of the portfolios of an organization, by tag, of the groups that the caller may see.
///
/// # Errors
/// The store's; the caller already has the organization.
pub async fn list(
    ctx: &Ctx,
    organization: OrganizationId,
    page: PageRequest,
) -> Result<Page<Portfolio>> {
    let all = all(ctx, organization).await?;
    // A tag may hold any character, a cursor may not.
    Ok(cut(all, &page, |portfolio| hex::encode(&portfolio.tag)))
}

/// The portfolio of a tag.
///
/// # Errors
/// `not_found` where no group that the caller may see has it, or the store's.
pub async fn tagged(ctx: &Ctx, organization: OrganizationId, tag: &str) -> Result<Portfolio> {
    let all = all(ctx, organization).await?;
    all.into_iter()
        .find(|portfolio| portfolio.tag == tag)
        .ok_or_else(|| Error::not_found("not_found", "no group that you may see has this tag"))
}

async fn all(ctx: &Ctx, organization: OrganizationId) -> Result<Vec<Portfolio>> {
    let ids = group::ids_where(ctx, organization, Action::GroupRead).await?;
    let mut groups: Vec<Stored<Group>> = repo::get_many::<Group>(ctx.store(), &ids)
        .await?
        .into_iter()
        .flatten()
        .collect();
    groups.sort_by(|a, b| a.slug.cmp(&b.slug));
    let mut portfolios: BTreeMap<String, Vec<Stored<Group>>> = BTreeMap::new();
    for group in groups {
        for tag in &group.tags {
            portfolios
                .entry(tag.clone())
                .or_default()
                .push(group.clone());
        }
    }
    Ok(portfolios
        .into_iter()
        .map(|(tag, groups)| Portfolio { tag, groups })
        .collect())
}

/// A portfolio in numbers, over those of its groups whose vulnerabilities the caller may see.
///
/// # Errors
/// The store's.
pub async fn numbers(ctx: &Ctx, portfolio: &Portfolio) -> Result<metrics::Metrics> {
    let groups: Vec<GroupId> = portfolio
        .groups
        .iter()
        .filter(|group| {
            ctx.can(
                Action::VulnerabilityRead,
                Resource::Group(group.organization, group.id),
            )
        })
        .map(|group| group.id)
        .collect();
    metrics::of_groups(ctx, &groups).await
}
