//! Integrations: accounts joined to a recipe. v1 and v2 have the same routes but for lists and deletion.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gna_domain::Ctx;
use gna_domain::connect::integration::Integration;
use gna_domain::connect::recipe::Form;
use gna_domain::connect::{ConnectedEntity, Owner};
use gna_domain::error::{Error, Kind, Result};
use gna_domain::id::{EntityId, IntegrationId};
use gna_domain::page::PageRequest;
use gna_domain::policy::Action;
use gna_domain::port::store::Stored;
use gna_domain::service::connect::{entity, integration, module};
use gna_domain::service::scope::{self, Place};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::choose;
use super::entity::failing;
use super::integration_view::{
    IntegrationView, IntegrationsView, OptionsView, combined, v1_options,
};
use super::place::{Sent, given, known, required};
use super::view::FaultView;
use crate::auth::Auth;
use crate::extract::{Params, id};
use crate::problem::Problem;
use crate::rest::{OrganizationParams, PageParams, paged};
use crate::state::AppState;

/// Most accounts and integrations that the one list of v1 shows, which has no pages.
const WHOLE: usize = 500;

/// An integration to be made.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct NewIntegration {
    /// Ids of the accounts.
    entities: Option<Vec<String>>,
    /// `type` names the integration type, or an app of which only one type is; the rest is its
    /// configuration.
    #[schema(value_type = Option<Object>)]
    config: Option<Map<String, Value>>,
    /// Slug or id; may be left out by those who belong to one.
    organization: Option<String>,
    /// Slug or id of the group that it is about.
    group: Option<String>,
    /// For the organization instead of for the caller alone.
    shared: bool,
}

/// What is to change.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct IntegrationPatch {
    /// Named keys replace those there are; null removes one.
    #[schema(value_type = Option<Object>)]
    config: Option<Map<String, Value>>,
    /// Whether it runs.
    enabled: Option<bool>,
    /// `ENABLED`, `DISABLED` or `PAUSED`.
    status: Option<String>,
}

/// Of which kind actions are wanted.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ActionsBody {
    /// `QUICK_ACTION`, for example; all if left out.
    action_type: Option<String>,
}

fn named(ctx: &Ctx, name: &str) -> Result<IntegrationId> {
    id::<Integration>(ctx, name)
}

async fn viewed(
    state: &AppState,
    ctx: &Ctx,
    found: &Stored<Integration>,
    at_least: usize,
) -> Result<IntegrationView> {
    let accounts = integration::accounts(ctx, std::slice::from_ref(&found.value)).await?;
    let recipes = integration::recipes(ctx, state.recipes.as_ref())?;
    Ok(IntegrationView::new(found, &recipes, &accounts, at_least))
}

/// v1: options, accounts and integrations at once, as the one page of Frigg's clients needs them.
pub async fn v1_list(
    State(state): State<AppState>,
    auth: Auth,
    mut params: Params,
) -> Result<Json<Value>, Problem> {
    let ctx = auth.ctx();
    let named = params.one("organization")?;
    params.done()?;
    let organization = scope::organization(ctx, named.as_deref()).await?;
    let all = PageRequest::first(WHOLE);
    let accounts = entity::list(ctx, organization, all.clone()).await?.items;
    let found = integration::list(ctx, organization, all).await?.items;
    let values: Vec<Integration> = found.iter().map(|found| found.value.clone()).collect();
    let joined = integration::accounts(ctx, &values).await?;
    let recipes = integration::recipes(ctx, state.recipes.as_ref())?;
    let modules = module::list(ctx, state.apps.as_ref())?;
    Ok(Json(combined(
        &modules, &recipes, &accounts, &found, &joined,
    )))
}

/// v1: the types of integrations alone. Needs a token or session.
pub async fn v1_types(State(state): State<AppState>, auth: Auth) -> Result<Json<Value>, Problem> {
    let ctx = auth.ctx();
    let recipes = integration::recipes(ctx, state.recipes.as_ref())?;
    let modules = module::list(ctx, state.apps.as_ref())?;
    Ok(Json(v1_options(&recipes, &modules)))
}

/// Integrations of an organization for its owners, one's own for members; oldest first.
#[utoipa::path(get, path = "/api/v2/integrations", tag = "integrations", params(OrganizationParams, PageParams),
    responses((status = 200, body = IntegrationsView), (status = "default", body = FaultView)))]
pub async fn list(
    State(state): State<AppState>,
    auth: Auth,
    mut params: Params,
) -> Result<Response, Problem> {
    let ctx = auth.ctx();
    let (named, page) = (params.one("organization")?, params.page()?);
    params.done()?;
    let organization = scope::organization(ctx, named.as_deref()).await?;
    let page = integration::list(ctx, organization, page).await?;
    let values: Vec<Integration> = page.items.iter().map(|found| found.value.clone()).collect();
    let accounts = integration::accounts(ctx, &values).await?;
    let recipes = integration::recipes(ctx, state.recipes.as_ref())?;
    let view = |found| IntegrationView::new(found, &recipes, &accounts, 0);
    let next = page.next.map(|cursor| cursor.0);
    let body = IntegrationsView {
        integrations: page.items.iter().map(view).collect(),
        next: next.clone(),
    };
    Ok(paged(next, Json(body)))
}

/// The types of integrations that can be made. Needs a token or session.
#[utoipa::path(get, path = "/api/v2/integrations/options", tag = "integrations",
    responses((status = 200, body = OptionsView), (status = "default", body = FaultView)))]
pub async fn types(
    State(state): State<AppState>,
    auth: Auth,
) -> Result<Json<OptionsView>, Problem> {
    let ctx = auth.ctx();
    let recipes = integration::recipes(ctx, state.recipes.as_ref())?;
    let modules = module::list(ctx, state.apps.as_ref())?;
    Ok(Json(OptionsView::new(&recipes, &modules)))
}

async fn made(state: &AppState, ctx: &Ctx, body: NewIntegration) -> Result<Stored<Integration>> {
    known(ctx)?;
    let config = body.config.unwrap_or_default();
    let kind = config
        .get("type")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let kind = given(kind);
    required(&[
        ("entities", body.entities.is_some()),
        ("config.type", kind.is_some()),
    ])?;
    let organization = scope::organization(ctx, body.organization.as_deref()).await?;
    let mut accounts: Vec<ConnectedEntity> = Vec::new();
    for name in body.entities.unwrap_or_default() {
        let id = name
            .parse::<EntityId>()
            .map_err(|error| error.on_field("entities"))?;
        accounts.push(entity::get(ctx, id).await?);
    }
    let recipes = integration::recipes(ctx, state.recipes.as_ref())?;
    let recipe = choose::recipe(&recipes, &kind.unwrap_or_default(), &accounts)?;
    let group = match given(body.group) {
        None => None,
        Some(group) => {
            let place = Place {
                organization: Some(organization.to_string()),
                group: Some(group),
            };
            Some(scope::one(ctx, &place, Action::GroupRead).await?.id)
        }
    };
    let owner = match ctx.actor.user() {
        Some(user) if !body.shared => Owner::User(user),
        _ => Owner::Organization,
    };
    let new = integration::NewIntegration {
        organization,
        owner,
        group,
        recipe: recipe.name.clone(),
        entities: choose::accounts(recipe, &accounts),
        config: choose::config(recipe, config),
    };
    integration::create(ctx, state.apps.as_ref(), state.recipes.as_ref(), new).await
}

/// v1: answers account objects, two at least.
pub async fn v1_create(
    State(state): State<AppState>,
    auth: Auth,
    Sent(body): Sent<NewIntegration>,
) -> Result<(StatusCode, Json<IntegrationView>), Problem> {
    let ctx = auth.ctx();
    let made = made(&state, ctx, body).await?;
    let view = viewed(&state, ctx, &made, 2).await?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Makes an integration. Asked for again with the same accounts it answers the one there is.
#[utoipa::path(post, path = "/api/v2/integrations", tag = "integrations", request_body = NewIntegration,
    responses((status = 201, body = IntegrationView), (status = "default", body = FaultView)))]
pub async fn create(
    State(state): State<AppState>,
    auth: Auth,
    Sent(body): Sent<NewIntegration>,
) -> Result<(StatusCode, Json<IntegrationView>), Problem> {
    let ctx = auth.ctx();
    let made = made(&state, ctx, body).await?;
    let view = viewed(&state, ctx, &made, 0).await?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// v1: with two account objects at least.
pub async fn v1_show(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
) -> Result<Json<IntegrationView>, Problem> {
    let ctx = auth.ctx();
    let found = integration::get(ctx, named(ctx, &name)?).await?;
    Ok(Json(viewed(&state, ctx, &found, 2).await?))
}

/// One integration.
#[utoipa::path(get, path = "/api/v2/integrations/{integration}", tag = "integrations", params(("integration" = String, Path)),
    responses((status = 200, body = IntegrationView), (status = "default", body = FaultView)))]
pub async fn show(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
) -> Result<Json<IntegrationView>, Problem> {
    let ctx = auth.ctx();
    let found = integration::get(ctx, named(ctx, &name)?).await?;
    Ok(Json(viewed(&state, ctx, &found, 0).await?))
}

async fn changed(
    state: &AppState,
    ctx: &Ctx,
    name: &str,
    body: IntegrationPatch,
) -> Result<Stored<Integration>> {
    let id = named(ctx, name)?;
    let mut found = integration::get(ctx, id).await?;
    let recipes = state.recipes.as_ref();
    let runs = match (body.enabled, body.status.as_deref()) {
        (Some(enabled), _) => Some(enabled),
        (None, None) => None,
        (None, Some("ENABLED")) => Some(true),
        (None, Some("DISABLED" | "PAUSED")) => Some(false),
        (None, Some(_)) => {
            return Err(Error::invalid(
                "integration.status",
                "a status is set to ENABLED, DISABLED or PAUSED",
            )
            .on_field("status"));
        }
    };
    if let Some(mut config) = body.config {
        // What is sent back as it was shown names the type once more.
        let all = integration::recipes(ctx, recipes)?;
        if let Some(recipe) = all.iter().find(|recipe| recipe.name == found.recipe) {
            config = choose::config(recipe, config);
        }
        found = integration::configure(ctx, recipes, id, &config).await?;
    }
    match runs {
        Some(true) => integration::resume(ctx, recipes, id).await,
        Some(false) => integration::pause(ctx, id).await,
        None => Ok(found),
    }
}

/// v1.
pub async fn v1_change(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
    Sent(body): Sent<IntegrationPatch>,
) -> Result<Json<IntegrationView>, Problem> {
    let ctx = auth.ctx();
    let found = changed(&state, ctx, &name, body).await?;
    Ok(Json(viewed(&state, ctx, &found, 2).await?))
}

/// Configures an integration, pauses it or goes on with it.
#[utoipa::path(patch, path = "/api/v2/integrations/{integration}", tag = "integrations", params(("integration" = String, Path)), request_body = IntegrationPatch,
    responses((status = 200, body = IntegrationView), (status = "default", body = FaultView)))]
pub async fn change(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
    Sent(body): Sent<IntegrationPatch>,
) -> Result<Json<IntegrationView>, Problem> {
    let ctx = auth.ctx();
    let found = changed(&state, ctx, &name, body).await?;
    Ok(Json(viewed(&state, ctx, &found, 0).await?))
}

/// v1: 201 and an empty object.
pub async fn v1_remove(
    auth: Auth,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let ctx = auth.ctx();
    integration::delete(ctx, named(ctx, &name)?).await?;
    Ok((StatusCode::CREATED, Json(json!({}))))
}

/// Takes an integration down; its accounts stay connected.
#[utoipa::path(delete, path = "/api/v2/integrations/{integration}", tag = "integrations", params(("integration" = String, Path)),
    responses((status = 204, description = "It does nothing from now on"), (status = "default", body = FaultView)))]
pub async fn remove(auth: Auth, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    let ctx = auth.ctx();
    integration::delete(ctx, named(ctx, &name)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What can be configured, with what is configured now.
#[utoipa::path(get, path = "/api/v2/integrations/{integration}/config/options", tag = "integrations", params(("integration" = String, Path)),
    responses((status = 200, description = "`{jsonSchema, uiSchema, data}`", body = Object), (status = "default", body = FaultView)))]
pub async fn form(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
) -> Result<Json<Form>, Problem> {
    formed(&state, &auth, &name, &Value::Null).await
}

/// The same for what was filled in so far.
#[utoipa::path(post, path = "/api/v2/integrations/{integration}/config/options/refresh", tag = "integrations", params(("integration" = String, Path)), request_body = Object,
    responses((status = 200, description = "`{jsonSchema, uiSchema, data}`", body = Object), (status = "default", body = FaultView)))]
pub async fn form_again(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
    Sent(typed): Sent<Value>,
) -> Result<Json<Form>, Problem> {
    formed(&state, &auth, &name, &typed).await
}

async fn formed(
    state: &AppState,
    auth: &Auth,
    name: &str,
    typed: &Value,
) -> Result<Json<Form>, Problem> {
    let ctx = auth.ctx();
    let (apps, recipes) = (state.apps.as_ref(), state.recipes.as_ref());
    let form = integration::form(ctx, apps, recipes, named(ctx, name)?, typed).await?;
    Ok(Json(form))
}

/// What a user can have it do, by name.
#[utoipa::path(method(get, post), path = "/api/v2/integrations/{integration}/actions", tag = "integrations", params(("integration" = String, Path)), request_body = ActionsBody,
    responses((status = 200, description = "`{NAME: {type, title, description, userActionType}}`", body = Object), (status = "default", body = FaultView)))]
pub async fn actions(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
    mut params: Params,
    Sent(body): Sent<ActionsBody>,
) -> Result<Json<Value>, Problem> {
    let ctx = auth.ctx();
    let kind = given(params.one("actionType")?).or(given(body.action_type));
    params.done()?;
    let (apps, recipes) = (state.apps.as_ref(), state.recipes.as_ref());
    let id = named(ctx, &name)?;
    let actions = integration::actions(ctx, apps, recipes, id, kind.as_deref()).await?;
    Ok(Json(super::integration_view::actions(&actions)))
}

/// What an action asks before it is done; `refresh` for what was filled in so far.
#[utoipa::path(method(get, post), path = "/api/v2/integrations/{integration}/actions/{action}/options", tag = "integrations", params(("integration" = String, Path), ("action" = String, Path)), request_body = Object,
    responses((status = 200, description = "`{jsonSchema, uiSchema, data}`", body = Object), (status = "default", body = FaultView)))]
pub async fn action_form(
    State(state): State<AppState>,
    auth: Auth,
    Path((name, action)): Path<(String, String)>,
    Sent(typed): Sent<Value>,
) -> Result<Json<Form>, Problem> {
    let ctx = auth.ctx();
    let (apps, recipes) = (state.apps.as_ref(), state.recipes.as_ref());
    let id = named(ctx, &name)?;
    let form = integration::action_form(ctx, apps, recipes, id, &action, &typed).await?;
    Ok(Json(form))
}

/// The same.
#[utoipa::path(post, path = "/api/v2/integrations/{integration}/actions/{action}/options/refresh", tag = "integrations", params(("integration" = String, Path), ("action" = String, Path)), request_body = Object,
    responses((status = 200, description = "`{jsonSchema, uiSchema, data}`", body = Object), (status = "default", body = FaultView)))]
pub async fn action_form_again(
    state: State<AppState>,
    auth: Auth,
    path: Path<(String, String)>,
    typed: Sent<Value>,
) -> Result<Json<Form>, Problem> {
    action_form(state, auth, path, typed).await
}

/// Has it do something. Only what `actions` lists can be called.
#[utoipa::path(post, path = "/api/v2/integrations/{integration}/actions/{action}", tag = "integrations", params(("integration" = String, Path), ("action" = String, Path)), request_body = Object,
    responses((status = 200, description = "What came of it", body = Object), (status = "default", body = FaultView)))]
pub async fn act(
    State(state): State<AppState>,
    auth: Auth,
    Path((name, action)): Path<(String, String)>,
    Sent(data): Sent<Value>,
) -> Result<Json<Value>, Problem> {
    let ctx = auth.ctx();
    let (apps, recipes) = (state.apps.as_ref(), state.recipes.as_ref());
    let id = named(ctx, &name)?;
    let done = integration::act(ctx, apps, recipes, id, &action, &data).await?;
    Ok(Json(if done.is_null() { json!({}) } else { done }))
}

/// Whether all its accounts work: asks the apps.
#[utoipa::path(get, path = "/api/v2/integrations/{integration}/test-auth", tag = "integrations", params(("integration" = String, Path)),
    responses((status = 200, description = "`{\"status\": \"ok\"}`", body = Object), (status = 400, description = "`{\"errors\": [{\"title\", \"message\", \"timestamp\"}]}`", body = Object), (status = "default", body = FaultView)))]
pub async fn test(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let ctx = auth.ctx();
    let id = named(ctx, &name)?;
    match integration::test(ctx, state.apps.as_ref(), id).await {
        Ok(()) => Ok(Json(json!({ "status": "ok" })).into_response()),
        Err(error) if error.kind() == Kind::Upstream => Ok(failing(ctx, &error)),
        Err(error) => Err(error.into()),
    }
}

/// v1: rows for the table of Frigg's clients: the pieces of long work, newest first.
pub async fn sample(auth: Auth, Path(name): Path<String>) -> Result<Json<Value>, Problem> {
    let ctx = auth.ctx();
    let page = PageRequest::first(100);
    let page = integration::process::list(ctx, named(ctx, &name)?, page).await?;
    let rows = page.items.iter().map(|process| {
        json!({
            "id": process.id.to_string(),
            "name": process.name,
            "state": process.state,
            "done": process.progress.done,
            "failed": process.progress.failed,
            "updated": process.updated.to_string(),
        })
    });
    Ok(Json(json!({ "data": rows.collect::<Vec<_>>() })))
}
