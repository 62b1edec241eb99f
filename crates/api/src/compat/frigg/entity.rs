//! Connected accounts.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gna_domain::Ctx;
use gna_domain::connect::{ConnectedEntity, Credential};
use gna_domain::error::{Error, Result};
use gna_domain::id::CredentialId;
use gna_domain::service::connect::{credential, entity};
use gna_domain::service::scope;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::place::{Sent, given, known, required};
use super::view::{self, EntitiesView, EntityView, FaultView, OptionView};
use crate::auth::Auth;
use crate::extract::{Params, id};
use crate::problem::Problem;
use crate::rest::{OrganizationParams, PageParams, paged};
use crate::state::AppState;

/// An account by its credential, as v1 asks for it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct V1Entity {
    entity_type: Option<String>,
    data: Map<String, Value>,
}

/// An account by its credential: connecting made both.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NewEntity {
    /// Name of the module; must be the credential's.
    #[schema(example = "github")]
    module_type: Option<String>,
    credential_id: Option<String>,
}

async fn found(ctx: &Ctx, name: &str) -> Result<ConnectedEntity> {
    entity::get(ctx, id::<ConnectedEntity>(ctx, name)?).await
}

/// The account that a credential is for.
async fn of_credential(
    state: &AppState,
    ctx: &Ctx,
    id: CredentialId,
    module: Option<String>,
) -> Result<ConnectedEntity> {
    let masked = credential::get(ctx, state.apps.as_ref(), id).await?;
    let is_other = |module: String| module != masked.credential.module.as_str();
    if given(module).is_some_and(is_other) {
        return Err(Error::invalid(
            "authorization.other_module",
            "the credential is of another type than the one that was named",
        ));
    }
    let first = masked.credential.entities.first().copied();
    let first = first.ok_or_else(|| ctx.absent::<ConnectedEntity>())?;
    entity::get(ctx, first).await
}

/// A credential that is named in a body: what can't be an id is the caller's slip.
fn named(text: Option<&str>, name: &'static str) -> Result<CredentialId> {
    let text = text.unwrap_or_default();
    required(&[(name, !text.is_empty())])?;
    text.parse::<CredentialId>()
        .map_err(|error| error.on_field(name))
}

async fn chosen(state: &AppState, ctx: &Ctx, name: &str) -> Result<Vec<OptionView>> {
    let id = id::<ConnectedEntity>(ctx, name)?;
    let choices = entity::options(ctx, state.apps.as_ref(), id).await?;
    Ok(choices.into_iter().map(Into::into).collect())
}

/// v1: the account of a credential.
pub async fn create(
    State(state): State<AppState>,
    auth: Auth,
    Sent(body): Sent<V1Entity>,
) -> Result<Json<Value>, Problem> {
    let ctx = auth.ctx();
    known(ctx)?;
    let text = body.data.get("credential_id").and_then(Value::as_str);
    let id = named(text, "data.credential_id")?;
    let found = of_credential(&state, ctx, id, body.entity_type).await?;
    Ok(Json(view::v1_entity(&EntityView::from(&found))))
}

/// v1: what can be chosen in the account of a credential.
pub async fn options_of_credential(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
) -> Result<Json<Vec<OptionView>>, Problem> {
    let ctx = auth.ctx();
    let found = of_credential(&state, ctx, id::<Credential>(ctx, &name)?, None).await?;
    Ok(Json(chosen(&state, ctx, &found.id.to_string()).await?))
}

/// v1.
pub async fn v1_show(auth: Auth, Path(name): Path<String>) -> Result<Json<Value>, Problem> {
    let account = found(auth.ctx(), &name).await?;
    Ok(Json(view::v1_entity(&EntityView::from(&account))))
}

/// v1: what can be chosen, anew each time.
pub async fn options(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
) -> Result<Json<Vec<OptionView>>, Problem> {
    Ok(Json(chosen(&state, auth.ctx(), &name).await?))
}

/// Connected accounts of an organization for its owners, one's own for members; oldest first.
#[utoipa::path(get, path = "/api/v2/entities", tag = "entities", params(OrganizationParams, PageParams),
    responses((status = 200, body = EntitiesView), (status = "default", body = FaultView)))]
pub async fn list(auth: Auth, mut params: Params) -> Result<Response, Problem> {
    let ctx = auth.ctx();
    let (named, page) = (params.one("organization")?, params.page()?);
    params.done()?;
    let organization = scope::organization(ctx, named.as_deref()).await?;
    let page = entity::list(ctx, organization, page).await?;
    let next = page.next.map(|cursor| cursor.0);
    let body = EntitiesView {
        entities: page.items.iter().map(EntityView::from).collect(),
        next: next.clone(),
    };
    Ok(paged(next, Json(body)))
}

/// The account of a credential. Both were made when it was connected, so this makes nothing new.
#[utoipa::path(post, path = "/api/v2/entities", tag = "entities", request_body = NewEntity,
    responses((status = 201, body = EntityView), (status = "default", body = FaultView)))]
pub async fn create_v2(
    State(state): State<AppState>,
    auth: Auth,
    Sent(body): Sent<NewEntity>,
) -> Result<(StatusCode, Json<EntityView>), Problem> {
    let ctx = auth.ctx();
    known(ctx)?;
    let id = named(body.credential_id.as_deref(), "credentialId")?;
    let found = of_credential(&state, ctx, id, body.module_type).await?;
    Ok((StatusCode::CREATED, Json((&found).into())))
}

/// One connected account.
#[utoipa::path(get, path = "/api/v2/entities/{entity}", tag = "entities", params(("entity" = String, Path)),
    responses((status = 200, body = EntityView), (status = "default", body = FaultView)))]
pub async fn show(auth: Auth, Path(name): Path<String>) -> Result<Json<EntityView>, Problem> {
    Ok(Json((&found(auth.ctx(), &name).await?).into()))
}

/// Disconnects an account. Its credential goes with the last account that is reached with it, and the app
/// is told, where that can be.
#[utoipa::path(delete, path = "/api/v2/entities/{entity}", tag = "entities", params(("entity" = String, Path)),
    responses((status = 204, description = "Disconnected"), (status = "default", body = FaultView)))]
pub async fn remove(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let ctx = auth.ctx();
    let id = id::<ConnectedEntity>(ctx, &name)?;
    entity::disconnect(ctx, state.apps.as_ref(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether the account works: asks the app. 400 says what is wrong with the connection.
#[utoipa::path(get, path = "/api/v2/entities/{entity}/test", tag = "entities", params(("entity" = String, Path)),
    responses((status = 200, description = "`{\"status\": \"ok\"}`", body = Object), (status = 400, description = "`{\"errors\": [{\"title\", \"message\", \"timestamp\"}]}`", body = Object), (status = "default", body = FaultView)))]
pub async fn test(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let ctx = auth.ctx();
    let id = id::<ConnectedEntity>(ctx, &name)?;
    Ok(match entity::verdict(ctx, state.apps.as_ref(), id).await? {
        None => Json(json!({ "status": "ok" })).into_response(),
        Some(error) => failing(ctx, &error),
    })
}

/// What is wrong with a connection.
pub fn failing(ctx: &Ctx, error: &Error) -> Response {
    let body = json!({ "errors": [{
        "title": "Authentication Error",
        "message": error.message(),
        "timestamp": ctx.now().millis(),
    }]});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

/// The same by the name that Frigg's specification has for it.
#[utoipa::path(get, path = "/api/v2/entities/{entity}/test-auth", tag = "entities", params(("entity" = String, Path)),
    responses((status = 200, description = "`{\"status\": \"ok\"}`", body = Object), (status = 400, description = "`{\"errors\": [{\"title\", \"message\", \"timestamp\"}]}`", body = Object), (status = "default", body = FaultView)))]
pub async fn test_auth(
    state: State<AppState>,
    auth: Auth,
    name: Path<String>,
) -> Result<Response, Problem> {
    test(state, auth, name).await
}

/// What can be chosen in the account, like its projects; asks the app.
#[utoipa::path(get, path = "/api/v2/entities/{entity}/options", tag = "entities", params(("entity" = String, Path)),
    responses((status = 200, body = Vec<OptionView>), (status = "default", body = FaultView)))]
pub async fn options_v2(
    state: State<AppState>,
    auth: Auth,
    name: Path<String>,
) -> Result<Json<Vec<OptionView>>, Problem> {
    options(state, auth, name).await
}

/// The same; nothing is kept between calls.
#[utoipa::path(post, path = "/api/v2/entities/{entity}/options/refresh", tag = "entities", params(("entity" = String, Path)),
    responses((status = 200, body = Vec<OptionView>), (status = "default", body = FaultView)))]
pub async fn options_again(
    state: State<AppState>,
    auth: Auth,
    name: Path<String>,
) -> Result<Json<Vec<OptionView>>, Problem> {
    options(state, auth, name).await
}
