//! Portfolios: groups of an organization that share a tag.

use axum::Json;
use axum::extract::Path;
use gna_domain::service::portfolio::{self, Portfolio};
use serde::Serialize;
use utoipa::ToSchema;

use super::group::GroupView;
use super::organization::named;
use super::programme::MetricsView;
use super::view::{ListView, PageParams, ProblemView};
use crate::auth::Auth;
use crate::extract::Params;
use crate::problem::Problem;

/// Groups that share a tag, as far as the caller may see them.
#[derive(Serialize, ToSchema)]
pub struct PortfolioView {
    #[schema(example = "online")]
    tag: String,
    /// By slug.
    groups: Vec<GroupView>,
}

impl From<Portfolio> for PortfolioView {
    fn from(portfolio: Portfolio) -> Self {
        Self {
            tag: portfolio.tag,
            groups: portfolio.groups.into_iter().map(Into::into).collect(),
        }
    }
}

/// The portfolios of an organization, by tag, of the groups that the caller may see.
#[utoipa::path(get, path = "/api/v2/organizations/{organization}/portfolios", tag = "organizations", params(("organization" = String, Path), PageParams),
    responses((status = 200, body = ListView<PortfolioView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(
    auth: Auth,
    Path(name): Path<String>,
    mut params: Params,
) -> Result<ListView<PortfolioView>, Problem> {
    let page = params.page()?;
    params.done()?;
    let found = named(auth.ctx(), &name).await?;
    let page = portfolio::list(auth.ctx(), found.id, page).await?;
    Ok(ListView::page(page, Into::into))
}

/// A portfolio in numbers, over those of its groups whose vulnerabilities the caller may see.
#[utoipa::path(get, path = "/api/v2/organizations/{organization}/portfolios/{tag}/metrics", tag = "organizations", params(("organization" = String, Path), ("tag" = String, Path)),
    responses((status = 200, body = MetricsView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn metrics(
    auth: Auth,
    Path((name, tag)): Path<(String, String)>,
    params: Params,
) -> Result<Json<MetricsView>, Problem> {
    params.done()?;
    let found = named(auth.ctx(), &name).await?;
    let one = portfolio::tagged(auth.ctx(), found.id, &tag).await?;
    let numbers = portfolio::numbers(auth.ctx(), &one).await?;
    Ok(Json(numbers.into()))
}
