//! Organizations: the tenants.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use gna_domain::Ctx;
use gna_domain::id::OrganizationId;
use gna_domain::model::Organization;
use gna_domain::port::store::Stored;
use gna_domain::service::organization;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::{ListView, PageParams, ProblemView};
use crate::auth::Auth;
use crate::extract::{self, Params};
use crate::problem::Problem;

/// A tenant.
#[derive(Serialize, ToSchema)]
pub struct OrganizationView {
    id: String,
    #[schema(example = "acme")]
    slug: String,
    name: String,
    #[schema(format = DateTime)]
    created: String,
    version: u64,
}

impl From<Stored<Organization>> for OrganizationView {
    fn from(stored: Stored<Organization>) -> Self {
        Self {
            id: stored.id.to_string(),
            slug: stored.slug.to_string(),
            name: stored.name.clone(),
            created: stored.created.to_string(),
            version: stored.version,
        }
    }
}

/// A new organization.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrganization {
    /// 1 to 63 of a-z, 0-9 and -.
    slug: String,
    name: String,
}

/// The organizations that the caller knows, by slug.
#[utoipa::path(get, path = "/api/v2/organizations", tag = "organizations", params(PageParams),
    responses((status = 200, body = ListView<OrganizationView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(auth: Auth, mut params: Params) -> Result<ListView<OrganizationView>, Problem> {
    let page = params.page()?;
    params.done()?;
    let page = organization::list(auth.ctx(), page).await?;
    Ok(ListView::page(page, OrganizationView::from))
}

/// One organization, by id or slug.
#[utoipa::path(get, path = "/api/v2/organizations/{organization}", tag = "organizations", params(("organization" = String, Path)),
    responses((status = 200, body = OrganizationView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn show(auth: Auth, Path(name): Path<String>) -> Result<Json<OrganizationView>, Problem> {
    Ok(Json(named(auth.ctx(), &name).await?.into()))
}

/// The organization with that id or slug.
pub(super) async fn named(ctx: &Ctx, name: &str) -> gna_domain::Result<Stored<Organization>> {
    match name.parse::<OrganizationId>() {
        Ok(id) => organization::require(ctx, id).await,
        Err(_) => organization::by_slug(ctx, name).await,
    }
}

/// Makes an organization; whoever does becomes its first owner. Needs `organization.create`.
#[utoipa::path(post, path = "/api/v2/organizations", tag = "organizations", request_body = NewOrganization,
    responses((status = 201, body = OrganizationView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn create(
    auth: Auth,
    extract::Json(new): extract::Json<NewOrganization>,
) -> Result<(StatusCode, Json<OrganizationView>), Problem> {
    let made = organization::create(auth.ctx(), &new.slug, &new.name, None).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}
