//! Portfolios: groups that share a tag.

use async_graphql::{Context, Object, Result};
use gna_domain::Ctx;
use gna_domain::service::portfolio;
use std::sync::Arc;

use super::group::Group;
use super::metrics::Metrics;

pub struct Portfolio(pub portfolio::Portfolio);

/// Groups of an organization that share a tag, as far as the caller may see them.
#[Object]
impl Portfolio {
    /// The tag.
    async fn tag(&self) -> &str {
        &self.0.tag
    }
    /// The groups, by slug.
    #[graphql(complexity = "50 * child_complexity")]
    async fn groups(&self) -> Vec<Group> {
        let groups = self.0.groups.iter().cloned();
        groups.map(|group| Group(Arc::new(group))).collect()
    }
    /// Those of the groups whose vulnerabilities the caller may see, together in numbers.
    #[graphql(complexity = "100 + child_complexity")]
    async fn metrics(&self, ctx: &Context<'_>) -> Result<Metrics> {
        let all = portfolio::numbers(ctx.data::<Ctx>()?, &self.0).await?;
        Ok(all.into())
    }
}
