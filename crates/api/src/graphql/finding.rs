//! Findings: weakness types of a group.

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use gna_domain::id::FindingId;
use gna_domain::model;
use gna_domain::policy::Action;
use gna_domain::{Ctx, Resource};

use super::connection::cost;
use super::filter::{VulnerabilityFilter, VulnerabilityOrder};
use super::group::Group;
use super::loaders::{self, Shared};
use super::scalar::{DateTime, id, parse};
use super::vulnerability::{VulnerabilityList, search};

pub struct Finding(pub Shared<model::Finding>);

impl Finding {
    pub async fn load(ctx: &Context<'_>, id: FindingId) -> Result<Self> {
        let found = Self(loaders::one(ctx, id).await?);
        let resource = Resource::Group(found.0.organization, found.0.group);
        ctx.data::<Ctx>()?
            .permit(Action::VulnerabilityRead, resource)?;
        Ok(found)
    }
}

/// A CVSS vector with the score that it yields.
#[derive(SimpleObject)]
pub struct Cvss {
    /// Version of the standard: `3.1`.
    pub version: &'static str,
    /// In the standard's own form.
    pub vector: String,
    /// 0.0 to 10.0.
    pub score: f64,
}

/// A weakness type in a group, said once for all its vulnerabilities.
#[Object]
impl Finding {
    /// Its id.
    pub async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// In one line.
    async fn title(&self) -> &str {
        &self.0.title
    }
    /// What is wrong.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }
    /// What to do about it.
    async fn recommendation(&self) -> Option<&str> {
        self.0.recommendation.as_deref()
    }
    /// Addresses of advisories and explanations.
    async fn references(&self) -> &[String] {
        &self.0.references
    }
    /// Names it is found by in its group: a CVE, or a tool and its rule.
    async fn keys(&self) -> &[String] {
        &self.0.keys
    }
    /// CWE numbers, without `CWE-`.
    async fn cwes(&self) -> &[u32] {
        &self.0.cwes
    }
    /// CVE, GHSA, OSV and other public names.
    async fn identifiers(&self) -> &[String] {
        &self.0.identifiers
    }
    /// Vectors that tools gave.
    async fn cvss(&self) -> Vec<Cvss> {
        self.0
            .cvss
            .iter()
            .map(|cvss| Cvss {
                version: match cvss.version {
                    model::CvssVersion::V2 => "2.0",
                    model::CvssVersion::V30 => "3.0",
                    model::CvssVersion::V31 => "3.1",
                    model::CvssVersion::V4 => "4.0",
                },
                vector: cvss.vector.clone(),
                score: cvss.score,
            })
            .collect()
    }
    /// When it was first reported.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// The group it belongs to.
    async fn group(&self, ctx: &Context<'_>) -> Result<Group> {
        Group::load(ctx, self.0.group).await
    }
    /// Where it was found.
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
        filter.findings = vec![self.0.id];
        let scope = vec![Resource::Group(self.0.organization, self.0.group)];
        search(ctx, scope, filter, order_by, first, after).await
    }
}

#[derive(Default)]
pub struct FindingQuery;

#[Object]
impl FindingQuery {
    /// A finding by its id; of one that was joined with another, the other.
    async fn finding(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Finding> {
        let found =
            gna_domain::service::finding::require(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(Finding(found.into()))
    }
}
