//! Groups: the units of access, policy and report.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use gna_domain::id::OrganizationId;
use gna_domain::model::Group;
use gna_domain::port::store::Stored;
use gna_domain::service::{group, organization};
use gna_domain::{Ctx, Error};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::view::{ListView, PageParams, ProblemView};
use crate::auth::Auth;
use crate::extract::{self, Params, id};
use crate::problem::Problem;

/// A group of an organization.
#[derive(Serialize, ToSchema)]
pub struct GroupView {
    id: String,
    organization: String,
    #[schema(example = "shop")]
    slug: String,
    name: String,
    description: String,
    #[schema(format = DateTime)]
    created: String,
    version: u64,
}

impl From<Stored<Group>> for GroupView {
    fn from(stored: Stored<Group>) -> Self {
        Self {
            id: stored.id.to_string(),
            organization: stored.organization.to_string(),
            slug: stored.slug.to_string(),
            name: stored.name.clone(),
            description: stored.description.clone(),
            created: stored.created.to_string(),
            version: stored.version,
        }
    }
}

/// A new group.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGroup {
    /// Id or slug.
    organization: String,
    /// 1 to 63 of a-z, 0-9 and -; unique in the organization.
    slug: String,
    name: String,
    #[serde(default)]
    description: String,
}

/// Whose groups.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters; they are read one by one"
)]
pub struct OrganizationParams {
    /// Slug or id.
    organization: String,
}

async fn organization_of(ctx: &Ctx, name: &str) -> Result<OrganizationId, Error> {
    let found = match name.parse::<OrganizationId>() {
        Ok(id) => organization::require(ctx, id).await?,
        Err(_) => organization::by_slug(ctx, name).await?,
    };
    Ok(found.id)
}

/// The groups of an organization that the caller may see, by slug.
#[utoipa::path(get, path = "/api/v2/groups", tag = "organizations", params(OrganizationParams, PageParams),
    responses((status = 200, body = ListView<GroupView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(auth: Auth, mut params: Params) -> Result<ListView<GroupView>, Problem> {
    let ctx = auth.ctx();
    let organization = params.one("organization")?;
    let page = params.page()?;
    params.done()?;
    let organization = match organization {
        Some(name) => organization_of(ctx, &name).await?,
        None if ctx.actor == gna_domain::Actor::Anonymous => {
            return Err(ctx.absent::<Group>().into());
        }
        None => {
            return Err(Error::invalid(
                "organization.required",
                "say which organization: its slug or id",
            )
            .on_field("organization")
            .into());
        }
    };
    let page = group::of_organization(ctx, organization, page).await?;
    Ok(ListView::page(page, GroupView::from))
}

/// One group.
#[utoipa::path(get, path = "/api/v2/groups/{group}", tag = "organizations", params(("group" = String, Path)),
    responses((status = 200, body = GroupView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn show(auth: Auth, Path(group): Path<String>) -> Result<Json<GroupView>, Problem> {
    let id = id::<Group>(auth.ctx(), &group)?;
    Ok(Json(group::require(auth.ctx(), id).await?.into()))
}

/// Makes a group. Needs `group.create`.
#[utoipa::path(post, path = "/api/v2/groups", tag = "organizations", request_body = NewGroup,
    responses((status = 201, body = GroupView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn create(
    auth: Auth,
    extract::Json(new): extract::Json<NewGroup>,
) -> Result<(StatusCode, Json<GroupView>), Problem> {
    let ctx = auth.ctx();
    let organization = organization_of(ctx, &new.organization).await?;
    let made = group::create(ctx, organization, &new.slug, &new.name, &new.description).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}
