//! Environments of assets: where they run.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use gna_domain::Ctx;
use gna_domain::error::Result;
use gna_domain::id::EnvironmentId;
use gna_domain::model::{Asset, Environment, EnvironmentKind};
use gna_domain::service::asset;
use gna_domain::service::environment::{self, EnvironmentChange, NewEnvironment};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::{ListView, ProblemView};
use crate::auth::Auth;
use crate::extract::{self, Params, id};
use crate::problem::Problem;

/// Where an asset runs.
#[derive(Serialize, ToSchema)]
pub struct EnvironmentView {
    #[schema(example = "env_0190f1d4a4d27c6b9d0e0f7a4a1b2c3d")]
    id: String,
    /// Unique in the asset, in lower case.
    #[schema(example = "production")]
    name: String,
    #[schema(value_type = String, example = "URL")]
    kind: EnvironmentKind,
    /// What lies at or below one of these is in it.
    #[schema(example = json!(["https://shop.example.com"]))]
    addresses: Vec<String>,
    #[schema(format = DateTime)]
    created: String,
}

impl From<Environment> for EnvironmentView {
    fn from(of: Environment) -> Self {
        Self {
            id: of.id.to_string(),
            name: of.name,
            kind: of.kind,
            addresses: of.addresses,
            created: of.created.to_string(),
        }
    }
}

/// The environments of an asset, by name.
#[utoipa::path(get, path = "/api/v2/assets/{asset}/environments", tag = "assets", params(("asset" = String, Path)),
    responses((status = 200, body = ListView<EnvironmentView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(
    auth: Auth,
    Path(asset): Path<String>,
    params: Params,
) -> Result<ListView<EnvironmentView>, Problem> {
    params.done()?;
    let id = id::<Asset>(auth.ctx(), &asset)?;
    let asset = asset::require(auth.ctx(), id).await?;
    let all = environment::of_asset(auth.ctx(), &asset).await?;
    Ok(ListView::whole(all.into_iter().map(Into::into).collect()))
}

/// Where an asset runs.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEnvironmentBody {
    /// Unique in the asset, 1 to 100 bytes; kept in lower case.
    #[schema(example = "production")]
    name: String,
    /// `URL`, `HOST`, `CLOUD_ACCOUNT` or `MOBILE_APP`.
    #[serde(default)]
    #[schema(value_type = String, example = "URL")]
    kind: EnvironmentKind,
    /// At most 50, of at most 500 bytes.
    #[serde(default)]
    addresses: Vec<String>,
}

/// Says where an asset runs. Lists and counts of what lies there follow soon after.
#[utoipa::path(post, path = "/api/v2/assets/{asset}/environments", tag = "assets", params(("asset" = String, Path)), request_body = NewEnvironmentBody,
    responses((status = 201, body = EnvironmentView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn create(
    auth: Auth,
    Path(asset): Path<String>,
    extract::Json(new): extract::Json<NewEnvironmentBody>,
) -> Result<(StatusCode, Json<EnvironmentView>), Problem> {
    let id = id::<Asset>(auth.ctx(), &asset)?;
    let new = NewEnvironment {
        name: new.name,
        kind: new.kind,
        addresses: new.addresses,
    };
    let added = environment::add(auth.ctx(), id, new).await?;
    Ok((StatusCode::CREATED, Json(added.into())))
}

/// A change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentChangeBody {
    /// Unique in the asset, 1 to 100 bytes; kept in lower case.
    name: Option<String>,
    #[schema(value_type = Option<String>, example = "HOST")]
    kind: Option<EnvironmentKind>,
    /// All addresses that it is to have.
    addresses: Option<Vec<String>>,
}

fn environment_id(ctx: &Ctx, text: &str) -> Result<EnvironmentId> {
    text.parse().map_err(|_| ctx.absent::<Asset>())
}

/// Changes its name, its kind or its addresses.
#[utoipa::path(patch, path = "/api/v2/assets/{asset}/environments/{environment}", tag = "assets", params(("asset" = String, Path), ("environment" = String, Path)), request_body = EnvironmentChangeBody,
    responses((status = 200, body = EnvironmentView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn update(
    auth: Auth,
    Path((asset, environment)): Path<(String, String)>,
    extract::Json(body): extract::Json<EnvironmentChangeBody>,
) -> Result<Json<EnvironmentView>, Problem> {
    let of = id::<Asset>(auth.ctx(), &asset)?;
    let id = environment_id(auth.ctx(), &environment)?;
    let change = EnvironmentChange {
        name: body.name,
        kind: body.kind,
        addresses: body.addresses,
    };
    let changed = environment::update(auth.ctx(), of, id, change).await?;
    Ok(Json(changed.into()))
}

/// Removes it; vulnerabilities stay as they are.
#[utoipa::path(delete, path = "/api/v2/assets/{asset}/environments/{environment}", tag = "assets", params(("asset" = String, Path), ("environment" = String, Path)),
    responses((status = 204), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn remove(
    auth: Auth,
    Path((asset, environment)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let of = id::<Asset>(auth.ctx(), &asset)?;
    let id = environment_id(auth.ctx(), &environment)?;
    environment::remove(auth.ctx(), of, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
