//! Asking an integration: does it work, what can be configured, what can be done, do it.

use serde_json::Value;

use super::status::{note_accounts, note_actions, try_accounts};
use super::{allowed, desk, recipe};
use crate::connect::integration::Integration;
use crate::connect::recipe::{Form, UserAction};
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::id::IntegrationId;
use crate::port::apps::Apps;
use crate::port::recipes::{Desk, Recipe, Recipes};
use crate::rules::integration::{Work, work};
use crate::service::connect::access::{Wish, require};

/// Tests all accounts. What fails puts the integration into ERROR, what works again takes it out.
///
/// # Errors
/// The app's, of the first account that does not work; `not_found` also where it belongs to
/// somebody else, or the store's.
pub async fn test(ctx: &Ctx, apps: &dyn Apps, id: IntegrationId) -> Result<()> {
    let found = require::<Integration>(ctx, Wish::Read, id).await?;
    let tried = try_accounts(ctx, apps, &found).await;
    note_accounts(ctx, id, tried.as_ref().err()).await?;
    tried
}

/// What can be configured, with what is configured now. `typed` is what was filled in so far.
///
/// # Errors
/// `recipe.unknown`, the app's, `not_found` also where it belongs to somebody else, or the store's.
pub async fn form(
    ctx: &Ctx,
    apps: &dyn Apps,
    recipes: &dyn Recipes,
    id: IntegrationId,
    typed: &Value,
) -> Result<Form> {
    let found = require::<Integration>(ctx, Wish::Read, id).await?;
    let recipe = recipe(recipes, &found.recipe)?;
    let data = Value::Object(found.config.clone());
    let desk = desk(ctx, apps, found, None).await?;
    Ok(Form {
        data,
        ..recipe.form(&desk, typed).await?
    })
}

/// What can be done now. Where it can't be found out for good, the status shows that.
async fn offered(ctx: &Ctx, recipe: &dyn Recipe, desk: &Desk<'_>) -> Result<Vec<UserAction>> {
    let actions = recipe.actions(desk).await;
    note_actions(ctx, &desk.integration, actions.as_ref().err()).await?;
    actions
}

/// What a user can have it do, of one kind or all. An app that refuses to tell puts the integration into
/// ERROR, with a message, until it tells.
///
/// # Errors
/// As [`form`].
pub async fn actions(
    ctx: &Ctx,
    apps: &dyn Apps,
    recipes: &dyn Recipes,
    id: IntegrationId,
    kind: Option<&str>,
) -> Result<Vec<UserAction>> {
    let found = require::<Integration>(ctx, Wish::Read, id).await?;
    let recipe = recipe(recipes, &found.recipe)?;
    let desk = desk(ctx, apps, found, None).await?;
    let mut actions = offered(ctx, recipe.as_ref(), &desk).await?;
    actions.retain(|action| kind.is_none_or(|kind| action.kind == kind));
    Ok(actions)
}

/// What an action asks before it is done.
///
/// # Errors
/// As [`act`].
pub async fn action_form(
    ctx: &Ctx,
    apps: &dyn Apps,
    recipes: &dyn Recipes,
    id: IntegrationId,
    action: &str,
    typed: &Value,
) -> Result<Form> {
    let found = require::<Integration>(ctx, Wish::Change, id).await?;
    let recipe = recipe(recipes, &found.recipe)?;
    let desk = desk(ctx, apps, found, None).await?;
    known(&offered(ctx, recipe.as_ref(), &desk).await?, action)?;
    recipe.action_form(&desk, action, typed).await
}

/// Does an action now. Only what [`actions`] lists can be called.
///
/// # Errors
/// `integration.action_unknown`, `integration.not_running`, `integration.owner`, the app's,
/// `not_found` also where it belongs to somebody else, or the store's.
pub async fn act(
    ctx: &Ctx,
    apps: &dyn Apps,
    recipes: &dyn Recipes,
    id: IntegrationId,
    action: &str,
    data: &Value,
) -> Result<Value> {
    let found = require::<Integration>(ctx, Wish::Change, id).await?;
    if work(found.status) == Work::Drop {
        return Err(Error::conflict(
            "integration.not_running",
            "the integration is paused or being taken down; go on with it first",
        ));
    }
    let recipe = recipe(recipes, &found.recipe)?;
    allowed::check_owner(ctx, recipe.info(), &found).await?;
    let desk = desk(ctx, apps, found, None).await?;
    known(&offered(ctx, recipe.as_ref(), &desk).await?, action)?;
    let done = recipe.act(&desk, action, data).await;
    note_accounts(ctx, id, done.as_ref().err()).await?;
    done
}

fn known(actions: &[UserAction], name: &str) -> Result<()> {
    if actions.iter().any(|action| action.name == name) {
        return Ok(());
    }
    let names: Vec<&str> = actions.iter().map(|action| action.name.as_str()).collect();
    Err(Error::not_found(
        "integration.action_unknown",
        format!("there is no such action; there are: {}", names.join(", ")),
    ))
}
