//! Assets: what is scanned.

use gna_domain::model::{Asset, AssetKind, Criticality};
use gna_domain::policy::Action;
use gna_domain::port::store::Stored;
use gna_domain::service::{asset, scope};
use serde::Serialize;
use utoipa::ToSchema;

use super::view::{ListView, PageParams, PlaceParams, ProblemView, place};
use crate::auth::Auth;
use crate::extract::Params;
use crate::problem::Problem;

/// What is scanned.
#[derive(Serialize, ToSchema)]
pub struct AssetView {
    id: String,
    organization: String,
    group: String,
    #[schema(example = "shop/checkout")]
    name: String,
    #[schema(value_type = String, example = "REPOSITORY")]
    kind: AssetKind,
    #[schema(value_type = String, example = "MEDIUM")]
    criticality: Criticality,
    internet_facing: bool,
    tags: Vec<String>,
    /// The ref whose presence decides the state of vulnerabilities.
    default_ref: String,
    #[schema(format = DateTime)]
    created: String,
    version: u64,
}

impl From<Stored<Asset>> for AssetView {
    fn from(stored: Stored<Asset>) -> Self {
        let version = stored.version;
        let asset = stored.value;
        Self {
            id: asset.id.to_string(),
            organization: asset.organization.to_string(),
            group: asset.group.to_string(),
            name: asset.name,
            kind: asset.kind,
            criticality: asset.criticality,
            internet_facing: asset.internet_facing,
            tags: asset.tags,
            default_ref: asset.default_ref.to_string(),
            created: asset.created.to_string(),
            version,
        }
    }
}

/// The assets of a group, by name.
#[utoipa::path(get, path = "/api/v2/assets", tag = "assets", params(PlaceParams, PageParams),
    responses((status = 200, body = ListView<AssetView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(auth: Auth, mut params: Params) -> Result<ListView<AssetView>, Problem> {
    let place = place(&mut params)?;
    let page = params.page()?;
    params.done()?;
    let group = scope::one(auth.ctx(), &place, Action::AssetRead).await?;
    let page = asset::of_group(auth.ctx(), &group, page).await?;
    Ok(ListView::page(page, AssetView::from))
}
