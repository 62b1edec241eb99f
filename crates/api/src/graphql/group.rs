//! Groups.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use gna_domain::id::GroupId;
use gna_domain::model::{self, Scope};
use gna_domain::policy::Action;
use gna_domain::service::{
    account, asset, blocker, bulk, gate, group, invitation, member, metrics, report, token,
};
use gna_domain::{Ctx, Resource};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::asset::Asset;
use super::blocker::{Blocker, BlockerStatus};
use super::bulk::Bulk;
use super::connection::{List, Wish, cost, listed};
use super::enums::SeverityLevel;
use super::filter::{
    VulnerabilityFacet, VulnerabilityFacetField, VulnerabilityFilter, VulnerabilityOrder,
};
use super::gate::GateRun;
use super::loaders::{self, Shared, TallyOf};
use super::member::{Invitation, Member};
use super::metrics::Metrics;
use super::organization::Organization;
use super::policy::{Policy, PolicyField, PolicyInput, PolicyOverride};
use super::report::Report;
use super::scalar::{DateTime, id, parse};
use super::token::ApiToken;
use super::triage_rule::{TriageRule, rules_of};
use super::vulnerability::{VulnerabilityList, facets, search};

pub struct Group(pub Shared<model::Group>);

impl Group {
    pub async fn load(ctx: &Context<'_>, id: GroupId) -> Result<Self> {
        let found = Self(loaders::one(ctx, id).await?);
        ctx.data::<Ctx>()?
            .permit(Action::GroupRead, found.resource())?;
        Ok(found)
    }

    fn resource(&self) -> Resource {
        Resource::Group(self.0.organization, self.0.id)
    }
}

/// How many vulnerabilities of one level there are; those on the default ref that are not set aside.
#[derive(SimpleObject)]
pub struct LevelCount {
    /// The level.
    pub level: SeverityLevel,
    /// Open ones.
    pub open: i64,
    /// Ones that wait for review.
    pub submitted: i64,
    /// Closed ones.
    pub closed: i64,
}

/// A group in numbers; those on the default ref that are not set aside.
#[derive(SimpleObject)]
pub struct GroupOverview {
    /// Open vulnerabilities.
    pub open: i64,
    /// Those that wait for review.
    pub submitted: i64,
    /// Closed ones.
    pub closed: i64,
    /// By level, lowest first.
    pub levels: Vec<LevelCount>,
}

impl From<&model::Tally> for GroupOverview {
    fn from(tally: &model::Tally) -> Self {
        let sum = |side: &BTreeMap<model::Level, i64>| side.values().sum();
        let of = |side: &BTreeMap<model::Level, i64>, level| side.get(&level).copied().unwrap_or(0);
        let level = |level: model::Level| LevelCount {
            level: level.into(),
            open: of(&tally.open, level),
            submitted: of(&tally.submitted, level),
            closed: of(&tally.closed, level),
        };
        Self {
            open: sum(&tally.open),
            submitted: sum(&tally.submitted),
            closed: sum(&tally.closed),
            levels: model::Level::ALL.into_iter().map(level).collect(),
        }
    }
}

/// A unit of access, policy and report: a product or a team.
#[Object]
impl Group {
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
    /// What it is, in words.
    async fn description(&self) -> &str {
        &self.0.description
    }
    /// When it was made.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// The organization it belongs to.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Organization> {
        Organization::load(ctx, self.0.organization).await
    }
    /// What applies in it.
    async fn policy(&self, ctx: &Context<'_>) -> Result<Policy> {
        Ok(group::policy(ctx.data::<Ctx>()?, &self.0).await?.into())
    }
    /// What applies in it, field by field, with the level that sets it.
    async fn policy_fields(&self, ctx: &Context<'_>) -> Result<Vec<PolicyField>> {
        let fields = group::policy_fields(ctx.data::<Ctx>()?, &self.0).await?;
        Ok(fields.into_iter().map(Into::into).collect())
    }
    /// What it sets itself.
    async fn own_policy(&self, ctx: &Context<'_>) -> Result<PolicyOverride> {
        ctx.data::<Ctx>()?
            .permit(Action::PolicyRead, self.resource())?;
        Ok((&self.0.policy).into())
    }
    /// The portfolios of its organization that it is in.
    async fn tags(&self) -> &[String] {
        &self.0.tags
    }
    /// Names of the actions that the caller may do to it.
    async fn permissions(&self, ctx: &Context<'_>) -> Result<Vec<&'static str>> {
        Ok(account::permissions(ctx.data::<Ctx>()?, self.resource()))
    }
    /// The group in numbers.
    async fn overview(&self, ctx: &Context<'_>) -> Result<GroupOverview> {
        ctx.data::<Ctx>()?
            .permit(Action::VulnerabilityRead, self.resource())?;
        let tally = loaders::of(ctx)?.load_one(TallyOf(self.0.id)).await?;
        Ok(tally.as_deref().unwrap_or(&model::Tally::default()).into())
    }
    /// Its assets, by name.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn assets(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<Asset>> {
        let of = self.0.clone();
        let list = move |ctx: Ctx, page| {
            let of = of.clone();
            async move { asset::of_group(&ctx, &of, page).await }
        };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, |stored| {
            Asset(Arc::new(stored))
        })
        .await?)
    }
    /// It in numbers over time: exposure, acceptance debt, due dates, time to repair.
    #[graphql(complexity = "50 + child_complexity")]
    async fn metrics(&self, ctx: &Context<'_>) -> Result<Metrics> {
        let gna = ctx.data::<Ctx>()?;
        let all = metrics::of_group(gna, self.0.organization, self.0.id).await?;
        Ok(all.into())
    }
    /// Its own triage rules, in the order in which they are asked; its organization's come before them.
    #[graphql(complexity = "50 * child_complexity")]
    async fn triage_rules(&self, ctx: &Context<'_>) -> Result<Vec<TriageRule>> {
        rules_of(ctx, self.resource()).await
    }
    /// Its bulks, latest first.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn bulks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<Bulk>> {
        let of = self.0.clone();
        let list = move |ctx: Ctx, page| {
            let of = of.clone();
            async move { bulk::list(&ctx, &of, page).await }
        };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, |stored| {
            Bulk(Arc::new(stored))
        })
        .await?)
    }
    /// Reports uploaded to it, newest first.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn reports(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<Report>> {
        let of = self.0.clone();
        let list = move |ctx: Ctx, page| {
            let of = of.clone();
            async move { report::of_group(&ctx, &of, page).await }
        };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, |stored| {
            Report(Arc::new(stored))
        })
        .await?)
    }
    /// Verdicts of the gate on its reports, newest first.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn gate_runs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<GateRun>> {
        let of = self.0.clone();
        let list = move |ctx: Ctx, page| {
            let of = of.clone();
            async move { gate::of_group(&ctx, &of, page).await }
        };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, |stored| {
            GateRun(stored.value)
        })
        .await?)
    }
    /// What keeps people from testing or repairing, newest first.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn blockers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those that have come that far.")] status: Option<BlockerStatus>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<Blocker>> {
        let (of, status) = (self.0.clone(), status.map(Into::into));
        let list = move |ctx: Ctx, page| {
            let of = of.clone();
            async move { blocker::of_group(&ctx, &of, status, page).await }
        };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, |stored| {
            Blocker(Arc::new(stored))
        })
        .await?)
    }
    /// Its vulnerabilities.
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
        search(ctx, vec![self.resource()], filter, order_by, first, after).await
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
        facets(ctx, &[self.resource()], filter, &fields).await
    }
    /// Who holds a role in it, by user id. Owners of the organization are not repeated.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn members(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<Member>> {
        let of = Scope::Group(self.0.id);
        let list = move |ctx: Ctx, page| async move { member::list(&ctx, of, page).await };
        Ok(listed(ctx.data::<Ctx>()?, &Wish::new(first, after)?, list, Member).await?)
    }
    /// Open invitations, newest first.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn invitations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<Invitation>> {
        let of = Scope::Group(self.0.id);
        let list = move |ctx: Ctx, page| async move { invitation::list(&ctx, of, page).await };
        Ok(listed(
            ctx.data::<Ctx>()?,
            &Wish::new(first, after)?,
            list,
            Invitation,
        )
        .await?)
    }
    /// Its API tokens, newest first.
    #[graphql(complexity = "100 * child_complexity")]
    async fn tokens(&self, ctx: &Context<'_>) -> Result<Vec<ApiToken>> {
        let tokens = token::list_of_group(ctx.data::<Ctx>()?, self.0.id).await?;
        Ok(tokens.into_iter().map(ApiToken).collect())
    }
}

#[derive(Default)]
pub struct GroupQuery;

#[Object]
impl GroupQuery {
    /// A group by its organization's slug and its own.
    async fn group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization's name in addresses.")] organization: String,
        #[graphql(desc = "The group's name in addresses.")] slug: String,
    ) -> Result<Group> {
        let found = group::by_slug(ctx.data::<Ctx>()?, &organization, &slug).await?;
        Ok(Group(Arc::new(found)))
    }
}

/// A new group.
#[derive(InputObject)]
pub struct CreateGroupInput {
    /// Id of the organization.
    pub organization: ID,
    /// 1 to 63 of `a-z`, `0-9` and `-`; unique in the organization.
    pub slug: String,
    /// 1 to 200 characters.
    pub name: String,
    /// What it is, in words; at most 5,000 bytes.
    #[graphql(default)]
    pub description: String,
}

/// A change of a group; what is left out stays.
#[derive(InputObject)]
pub struct UpdateGroupInput {
    /// Its id.
    pub id: ID,
    /// 1 to 200 characters.
    pub name: Option<String>,
    /// At most 5,000 bytes.
    pub description: Option<String>,
    /// The portfolios that it is in, all of them.
    pub tags: Option<Vec<String>>,
    /// What it sets itself.
    pub policy: Option<PolicyInput>,
    /// The version that was seen, to lose no race.
    pub expected_version: Option<u64>,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct GroupPayload {
    /// The group as it is now.
    pub group: Group,
}

#[derive(Default)]
pub struct GroupMutation;

#[Object]
impl GroupMutation {
    /// Makes a group.
    async fn create_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group.")] input: CreateGroupInput,
    ) -> Result<GroupPayload> {
        let of = parse(&input.organization, "input.organization")?;
        let gna = ctx.data::<Ctx>()?;
        let made = group::create(gna, of, &input.slug, &input.name, &input.description).await?;
        Ok(GroupPayload {
            group: Group(Arc::new(made)),
        })
    }

    /// Changes a group's name, description or policy.
    async fn update_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: UpdateGroupInput,
    ) -> Result<GroupPayload> {
        let change = group::UpdateGroup {
            name: input.name,
            description: input.description,
            tags: input.tags,
            policy: input.policy.unwrap_or_default().into(),
            expected: input.expected_version,
        };
        let id = parse(&input.id, "input.id")?;
        let changed = group::update(ctx.data::<Ctx>()?, id, change).await?;
        Ok(GroupPayload {
            group: Group(Arc::new(changed)),
        })
    }
}
