//! Requests to a recipe's own routes. Who calls is not asked: the recipe decides what it believes.

use serde_json::Value;
use std::collections::BTreeMap;

use super::{allowed, desk};
use crate::connect::integration::Integration;
use crate::connect::recipe::Visit;
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::id::IntegrationId;
use crate::port::apps::Apps;
use crate::port::recipes::{Recipe, Recipes};
use crate::port::repo;
use crate::port::store::Stored;
use crate::rules::integration::{Work, work};
use crate::rules::route::{INTEGRATION, matched};

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Call {
    pub method: String,
    /// Behind `/api/NAME-integration`, decoded.
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub body: Value,
}

/// Hands it to the recipe. That the recipe's routes are served at all is for the caller to know.
///
/// # Errors
/// `route.not_found` where the recipe has no such route or no integration of that id works, and the
/// recipe's.
pub async fn visit(
    ctx: &Ctx,
    apps: &dyn Apps,
    recipes: &dyn Recipes,
    name: &str,
    call: Call,
) -> Result<Value> {
    let recipe = recipes.get(name).ok_or_else(nothing)?;
    let routes = recipe.routes();
    let mut matching = routes
        .iter()
        .filter(|route| route.method == call.method)
        .filter_map(|route| Some((route, matched(&route.path, &call.path)?)));
    let (route, path) = matching.next().ok_or_else(nothing)?;
    let named = path.get(INTEGRATION).cloned();
    let visit = Visit {
        name: route.name.clone(),
        path,
        query: call.query,
        body: call.body,
    };
    match named {
        None => recipe.visit(ctx, None, &visit).await,
        Some(id) => {
            let found = working(ctx, recipe.as_ref(), &id).await?;
            let desk = desk(ctx, apps, found, None).await?;
            recipe.visit(ctx, Some(&desk), &visit).await
        }
    }
}

/// An integration of the recipe that does its work now. Everything else is told as nothing at all.
async fn working(ctx: &Ctx, recipe: &dyn Recipe, id: &str) -> Result<Stored<Integration>> {
    let id: IntegrationId = id.parse().map_err(|_| nothing())?;
    let found = repo::get::<Integration>(ctx.store(), id).await?;
    let found = found
        .filter(|found| found.recipe == recipe.info().name && work(found.status) == Work::Do)
        .ok_or_else(nothing)?;
    allowed::check_owner(ctx, recipe.info(), &found)
        .await
        .map_err(|_| nothing())?;
    Ok(found)
}

/// What is told of a route that there is not.
#[must_use]
pub fn nothing() -> Error {
    Error::not_found(
        "route.not_found",
        "there is nothing at this address; see /api/meta/openapi.json",
    )
}
