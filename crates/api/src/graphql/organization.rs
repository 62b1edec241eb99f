//! Organizations.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use gna_domain::id::OrganizationId;
use gna_domain::model::{self, Scope};
use gna_domain::policy::Action;
use gna_domain::service::{
    account, audit, group, invitation, member, metrics, organization, portfolio,
};
use gna_domain::{Ctx, Resource};
use std::sync::Arc;

use super::audit::AuditEntry;
use super::connection::{List, Wish, cost, listed};
use super::filter::{
    VulnerabilityFacet, VulnerabilityFacetField, VulnerabilityFilter, VulnerabilityOrder,
};
use super::group::Group;
use super::loaders::{self, Shared};
use super::member::{Invitation, Member};
use super::metrics::Metrics;
use super::policy::{PolicyInput, PolicyOverride};
use super::portfolio::Portfolio;
use super::scalar::{DateTime, id, parse};
use super::triage_rule::{TriageRule, rules_of};
use super::vulnerability::{VulnerabilityList, facets, search};

pub struct Organization(pub Shared<model::Organization>);

impl Organization {
    pub async fn load(ctx: &Context<'_>, id: OrganizationId) -> Result<Self> {
        Ok(Self(loaders::one(ctx, id).await?))
    }

    fn resource(&self) -> Resource {
        Resource::Organization(self.0.id)
    }

    /// The groups whose vulnerabilities the caller may see.
    async fn scope(&self, ctx: &Ctx) -> gna_domain::Result<Vec<Resource>> {
        let organization = self.0.id;
        let groups = group::ids_where(ctx, organization, Action::VulnerabilityRead).await?;
        Ok(groups
            .into_iter()
            .map(|group| Resource::Group(organization, group))
            .collect())
    }
}

/// A tenant: holds groups and members.
#[Object]
impl Organization {
    /// Its id.
    pub async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// Counts its changes; name it in an update to lose no race.
    async fn version(&self) -> u64 {
        self.0.version
    }
    /// Its name in addresses.
    async fn slug(&self) -> &str {
        self.0.slug.as_str()
    }
    /// Its name for people.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// When it was made.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// What it sets for all its groups; null for those who may not read it.
    async fn policy(&self, ctx: &Context<'_>) -> Result<Option<PolicyOverride>> {
        let allowed = ctx
            .data::<Ctx>()?
            .can(Action::OrganizationRead, self.resource());
        Ok(allowed.then(|| (&self.0.policy).into()))
    }
    /// Names of the actions that the caller may do to it.
    async fn permissions(&self, ctx: &Context<'_>) -> Result<Vec<&'static str>> {
        Ok(account::permissions(ctx.data::<Ctx>()?, self.resource()))
    }
    /// The groups whose vulnerabilities the caller may see, together in numbers.
    #[graphql(complexity = "100 + child_complexity")]
    async fn metrics(&self, ctx: &Context<'_>) -> Result<Metrics> {
        let all = metrics::of_organization(ctx.data::<Ctx>()?, self.0.id).await?;
        Ok(all.into())
    }
    /// Its portfolios, by tag: groups that share one.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn portfolios(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<Portfolio>> {
        let of = self.0.id;
        let list = move |ctx: Ctx, page| async move { portfolio::list(&ctx, of, page).await };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, Portfolio).await?)
    }
    /// Its triage rules, in the order in which they are asked, in all its groups and before theirs.
    #[graphql(complexity = "50 * child_complexity")]
    async fn triage_rules(&self, ctx: &Context<'_>) -> Result<Vec<TriageRule>> {
        rules_of(ctx, self.resource()).await
    }
    /// One of its groups.
    async fn group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its name in addresses.")] slug: String,
    ) -> Result<Group> {
        let found = group::of_slug(ctx.data::<Ctx>()?, self.0.id, &slug).await?;
        Ok(Group(Arc::new(found)))
    }
    /// The groups that the caller may see, by slug.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn groups(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<Group>> {
        let of = self.0.id;
        let list =
            move |ctx: Ctx, page| async move { group::of_organization(&ctx, of, page).await };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, |stored| {
            Group(Arc::new(stored))
        })
        .await?)
    }
    /// Vulnerabilities of all groups that the caller may see.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn vulnerabilities(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.")] filter: Option<VulnerabilityFilter>,
        #[graphql(desc = "In which order; by severity if left out.")] order_by: Option<
            VulnerabilityOrder,
        >,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<VulnerabilityList> {
        let filter = filter.unwrap_or_default().into_domain()?;
        let scope = self.scope(ctx.data::<Ctx>()?).await?;
        search(ctx, scope, filter, order_by, first, after).await
    }
    /// Counts of vulnerabilities by the values of some fields.
    #[graphql(complexity = "100 + child_complexity * 20")]
    async fn vulnerability_facets(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "By what.")] fields: Vec<VulnerabilityFacetField>,
        #[graphql(desc = "Of which ones.")] filter: Option<VulnerabilityFilter>,
    ) -> Result<Vec<VulnerabilityFacet>> {
        let filter = filter.unwrap_or_default().into_domain()?;
        let scope = self.scope(ctx.data::<Ctx>()?).await?;
        facets(ctx, &scope, filter, &fields).await
    }
    /// Who holds a role in it, by user id; in its groups too if asked for.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn members(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Roles in its groups too.", default)] everywhere: bool,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<Member>> {
        let of = self.0.id;
        let list = move |ctx: Ctx, page| async move {
            if everywhere {
                member::list_everywhere(&ctx, of, page).await
            } else {
                member::list(&ctx, Scope::Organization(of), page).await
            }
        };
        Ok(listed(ctx.data::<Ctx>()?, &Wish::new(first, after)?, list, Member).await?)
    }
    /// Open invitations, newest first; to its groups too if asked for.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn invitations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Those to its groups too.", default)] everywhere: bool,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<Invitation>> {
        let of = self.0.id;
        let list = move |ctx: Ctx, page| async move {
            if everywhere {
                invitation::list_everywhere(&ctx, of, page).await
            } else {
                invitation::list(&ctx, Scope::Organization(of), page).await
            }
        };
        Ok(listed(
            ctx.data::<Ctx>()?,
            &Wish::new(first, after)?,
            list,
            Invitation,
        )
        .await?)
    }
    /// Who did what, newest first.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<AuditEntry>> {
        let of = self.0.id;
        let list = move |ctx: Ctx, page| async move { audit::list(&ctx, Some(of), page).await };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, |stored| {
            AuditEntry(stored.value)
        })
        .await?)
    }
}

#[derive(Default)]
pub struct OrganizationQuery;

#[Object]
impl OrganizationQuery {
    /// An organization by its slug.
    async fn organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its name in addresses.")] slug: String,
    ) -> Result<Organization> {
        let found = organization::by_slug(ctx.data::<Ctx>()?, &slug).await?;
        Ok(Organization(Arc::new(found)))
    }

    /// The organizations that the caller knows, by slug.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn organizations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<Organization>> {
        let list = |ctx: Ctx, page| async move { organization::list(&ctx, page).await };
        let wish = Wish::new(first, after)?;
        let gna = ctx.data::<Ctx>()?;
        Ok(listed(gna, &wish, list, |stored| Organization(Arc::new(stored))).await?)
    }

    /// Who did what to the instance itself, newest first.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn instance_audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<AuditEntry>> {
        let list = |ctx: Ctx, page| async move { audit::list(&ctx, None, page).await };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, |stored| {
            AuditEntry(stored.value)
        })
        .await?)
    }
}

/// A new organization.
#[derive(InputObject)]
pub struct CreateOrganizationInput {
    /// 1 to 63 of `a-z`, `0-9` and `-`.
    pub slug: String,
    /// 1 to 200 characters.
    pub name: String,
    /// Id of the user who becomes its owner; the caller if left out.
    pub owner: Option<ID>,
}

/// A change of an organization; what is left out stays.
#[derive(InputObject)]
pub struct UpdateOrganizationInput {
    /// Its id.
    pub id: ID,
    /// 1 to 200 characters.
    pub name: Option<String>,
    /// What it sets for all its groups.
    pub policy: Option<PolicyInput>,
    /// The version that was seen, to lose no race.
    pub expected_version: Option<u64>,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct OrganizationPayload {
    /// The organization as it is now.
    pub organization: Organization,
}

#[derive(Default)]
pub struct OrganizationMutation;

#[Object]
impl OrganizationMutation {
    /// Makes an organization.
    async fn create_organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization.")] input: CreateOrganizationInput,
    ) -> Result<OrganizationPayload> {
        let owner = input
            .owner
            .as_ref()
            .map(|id| parse(id, "input.owner"))
            .transpose()?;
        let gna = ctx.data::<Ctx>()?;
        let made = organization::create(gna, &input.slug, &input.name, owner).await?;
        Ok(OrganizationPayload {
            organization: Organization(Arc::new(made)),
        })
    }

    /// Changes an organization's name or policy.
    async fn update_organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: UpdateOrganizationInput,
    ) -> Result<OrganizationPayload> {
        let id = parse(&input.id, "input.id")?;
        let policy = input.policy.unwrap_or_default().into();
        let gna = ctx.data::<Ctx>()?;
        let name = input.name.as_deref();
        let changed = organization::update(gna, id, name, policy, input.expected_version).await?;
        Ok(OrganizationPayload {
            organization: Organization(Arc::new(changed)),
        })
    }
}
