//! Assets and their refs.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use gna_domain::id::{AssetId, RefId};
use gna_domain::model;
use gna_domain::policy::Action;
use gna_domain::service::{asset, environment, group, report};
use gna_domain::{Ctx, Resource};
use std::sync::Arc;

use super::connection::{List, Wish, cost, listed};
use super::enums::{AssetKind, Criticality, RefKind};
use super::environment::Environment;
use super::filter::{VulnerabilityFilter, VulnerabilityOrder};
use super::group::Group;
use super::loaders::{self, LatestReport, Shared};
use super::report::Report;
use super::scalar::{DateTime, id, parse};
use super::vulnerability::{VulnerabilityList, search};

pub struct Asset(pub Shared<model::Asset>);

impl Asset {
    pub async fn load(ctx: &Context<'_>, id: AssetId) -> Result<Self> {
        let found = Self(loaders::one(ctx, id).await?);
        let resource = Resource::Group(found.0.organization, found.0.group);
        ctx.data::<Ctx>()?.permit(Action::AssetRead, resource)?;
        Ok(found)
    }

    /// `None` where it went with the report that it was made for.
    pub async fn find(ctx: &Context<'_>, id: AssetId) -> Result<Option<Self>> {
        let found: Option<Shared<model::Asset>> = loaders::of(ctx)?.load_one(id).await?;
        let Some(found) = found else {
            return Ok(None);
        };
        let resource = Resource::Group(found.organization, found.group);
        ctx.data::<Ctx>()?.permit(Action::AssetRead, resource)?;
        Ok(Some(Self(found)))
    }
}

pub struct AssetRef(pub Shared<model::AssetRef>);

impl AssetRef {
    pub async fn load(ctx: &Context<'_>, id: RefId) -> Result<Self> {
        Ok(Self(loaders::one(ctx, id).await?))
    }

    /// `None` where it went with the report that it was made for.
    pub async fn find(ctx: &Context<'_>, id: RefId) -> Result<Option<Self>> {
        let found: Option<Shared<model::AssetRef>> = loaders::of(ctx)?.load_one(id).await?;
        Ok(found.map(Self))
    }
}

/// A branch, tag or version of an asset.
#[Object(name = "Ref")]
impl AssetRef {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// Unique in the asset.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// What kind of version it is.
    async fn kind(&self) -> RefKind {
        self.0.kind.into()
    }
    /// The asset it is of.
    async fn asset(&self, ctx: &Context<'_>) -> Result<Asset> {
        Asset::load(ctx, self.0.asset).await
    }
    /// When it was first heard of.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
}

/// What is scanned: a repository, an image, a host, a site...
#[Object]
impl Asset {
    /// Its id.
    pub async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// Counts its changes; name it in an update to lose no race.
    async fn version(&self) -> u64 {
        self.0.version
    }
    /// Unique in the group.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// What kind of thing it is.
    async fn kind(&self) -> AssetKind {
        self.0.kind.into()
    }
    /// How bad it is when it fails.
    async fn criticality(&self) -> Criticality {
        self.0.criticality.into()
    }
    /// Whether it can be reached from the internet.
    async fn internet_facing(&self) -> bool {
        self.0.internet_facing
    }
    /// What people tagged it with.
    async fn tags(&self) -> &[String] {
        &self.0.tags
    }
    /// When it was made.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// The group it belongs to.
    async fn group(&self, ctx: &Context<'_>) -> Result<Group> {
        Group::load(ctx, self.0.group).await
    }
    /// The ref whose presence decides the state of vulnerabilities.
    async fn default_ref(&self, ctx: &Context<'_>) -> Result<AssetRef> {
        AssetRef::load(ctx, self.0.default_ref).await
    }
    /// The newest report about it.
    async fn latest_report(&self, ctx: &Context<'_>) -> Result<Option<Report>> {
        let resource = Resource::Group(self.0.organization, self.0.group);
        ctx.data::<Ctx>()?.permit(Action::ReportRead, resource)?;
        let report = loaders::of(ctx)?.load_one(LatestReport(self.0.id)).await?;
        Ok(report.map(Report))
    }
    /// Its refs, by name.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn refs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<AssetRef>> {
        let of = self.0.clone();
        let list = move |ctx: Ctx, page| {
            let of = of.clone();
            async move { asset::refs(&ctx, &of, page).await }
        };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, |stored| {
            AssetRef(Arc::new(stored))
        })
        .await?)
    }
    /// Where it runs, by name.
    #[graphql(complexity = "50 * child_complexity")]
    async fn environments(&self, ctx: &Context<'_>) -> Result<Vec<Environment>> {
        let all = environment::of_asset(ctx.data::<Ctx>()?, &self.0).await?;
        Ok(all.into_iter().map(Environment).collect())
    }
    /// Reports about it, newest first.
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
            async move { report::of_asset(&ctx, &of, page).await }
        };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, |stored| {
            Report(Arc::new(stored))
        })
        .await?)
    }
    /// What is wrong with it.
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
        let mut filter = filter.unwrap_or_default().into_domain()?;
        filter.assets = vec![self.0.id];
        let scope = vec![Resource::Group(self.0.organization, self.0.group)];
        search(ctx, scope, filter, order_by, first, after).await
    }
}

#[derive(Default)]
pub struct AssetQuery;

#[Object]
impl AssetQuery {
    /// An asset by its id.
    async fn asset(&self, ctx: &Context<'_>, #[graphql(desc = "Its id.")] id: ID) -> Result<Asset> {
        let found = asset::require(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(Asset(Arc::new(found)))
    }
}

/// A new asset.
#[derive(InputObject)]
pub struct CreateAssetInput {
    /// Id of the group.
    pub group: ID,
    /// Unique in the group, 1 to 300 bytes.
    pub name: String,
    /// What kind of thing it is.
    #[graphql(default_with = "AssetKind::Other")]
    pub kind: AssetKind,
    /// How bad it is when it fails.
    #[graphql(default_with = "Criticality::Medium")]
    pub criticality: Criticality,
    /// Whether it can be reached from the internet.
    #[graphql(default)]
    pub internet_facing: bool,
    /// At most 50 tags.
    #[graphql(default)]
    pub tags: Vec<String>,
    /// Name of its default ref; `main` if left out.
    pub default_ref: Option<String>,
}

/// A change of an asset; what is left out stays.
#[derive(InputObject)]
pub struct UpdateAssetInput {
    /// Its id.
    pub id: ID,
    /// How bad it is when it fails.
    pub criticality: Option<Criticality>,
    /// Whether it can be reached from the internet.
    pub internet_facing: Option<bool>,
    /// All tags it is to have.
    pub tags: Option<Vec<String>>,
    /// Id of the ref that decides from now on; the states of its vulnerabilities follow soon after.
    pub default_ref: Option<ID>,
    /// The version that was seen, to lose no race.
    pub expected_version: Option<u64>,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct AssetPayload {
    /// The asset as it is now.
    pub asset: Asset,
}

#[derive(Default)]
pub struct AssetMutation;

#[Object]
impl AssetMutation {
    /// Makes an asset. (Uploads make the assets they name by themselves.)
    async fn create_asset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The asset.")] input: CreateAssetInput,
    ) -> Result<AssetPayload> {
        let gna = ctx.data::<Ctx>()?;
        let of = group::require(gna, parse(&input.group, "input.group")?).await?;
        let input = asset::CreateAsset {
            name: input.name,
            kind: input.kind.into(),
            criticality: input.criticality.into(),
            internet_facing: input.internet_facing,
            tags: input.tags,
            default_ref: input.default_ref,
        };
        let asset = asset::create(gna, &of, input).await?;
        Ok(AssetPayload {
            asset: Asset(Arc::new(asset)),
        })
    }

    /// Changes what people say about an asset.
    async fn update_asset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: UpdateAssetInput,
    ) -> Result<AssetPayload> {
        let default_ref = input.default_ref.as_ref();
        let change = asset::UpdateAsset {
            criticality: input.criticality.map(Into::into),
            internet_facing: input.internet_facing,
            tags: input.tags,
            default_ref: default_ref
                .map(|id| parse(id, "input.defaultRef"))
                .transpose()?,
            expected: input.expected_version,
        };
        let id = parse(&input.id, "input.id")?;
        let asset = asset::update(ctx.data::<Ctx>()?, id, change).await?;
        Ok(AssetPayload {
            asset: Asset(Arc::new(asset)),
        })
    }
}
