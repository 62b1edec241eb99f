//! Looking at integrations and at the recipes there are.

use std::sync::Arc;

use crate::connect::integration::Integration;
use crate::connect::recipe::RecipeInfo;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::{IntegrationId, OrganizationId};
use crate::page::{Page, PageRequest};
use crate::port::recipes::{Recipe, Recipes};
use crate::port::repo;
use crate::port::store::Stored;
use crate::service::access::not_anonymous;
use crate::service::connect::access::{Wish, listed, require};

/// What can be made: all recipes of this server.
///
/// # Errors
/// `auth.required`.
pub fn recipes(ctx: &Ctx, recipes: &dyn Recipes) -> Result<Vec<RecipeInfo>> {
    not_anonymous(ctx)?;
    let all: Vec<Arc<dyn Recipe>> = recipes.all();
    Ok(all.iter().map(|recipe| recipe.info().clone()).collect())
}

/// # Errors
/// `not_found` also where it belongs to somebody else, `auth.required`, or the store's.
pub async fn get(ctx: &Ctx, id: IntegrationId) -> Result<Stored<Integration>> {
    require::<Integration>(ctx, Wish::Read, id).await
}

/// Those of an organization for its owners, one's own for members; oldest first.
///
/// # Errors
/// As [`Ctx::permit`] of `connection.own`, or the store's.
pub async fn list(
    ctx: &Ctx,
    organization: OrganizationId,
    page: PageRequest,
) -> Result<Page<Stored<Integration>>> {
    let id = organization.to_string();
    match listed(ctx, organization)? {
        None => {
            repo::list::<Integration>(ctx.store(), "by_organization", &[&id], false, page).await
        }
        Some(owner) => {
            let partition = [id.as_str(), &owner.to_string()];
            repo::list::<Integration>(ctx.store(), "by_owner", &partition, false, page).await
        }
    }
}
