//! What is needed to connect an account, and the end of it.

use axum::Json;
use axum::extract::{Path, State};
use gna_domain::Ctx;
use gna_domain::connect::ConnectedEntity;
use gna_domain::error::{Error, Result};
use gna_domain::id::{EntityId, OrganizationId};
use gna_domain::secret::Secret;
use gna_domain::service::connect::authorize::{
    Begin, Complete, Completed, Requirements, Resume, begin, complete as finish, resume,
};
use gna_domain::service::connect::entity;
use gna_domain::service::scope;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::place::{Sent, given, known, required};
use super::view::{self, CompletedView, FaultView, RequirementsView};
use crate::auth::Auth;
use crate::extract::{Params, id};
use crate::problem::Problem;
use crate::state::AppState;

/// Which account is to be connected.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters; they are read one by one"
)]
pub struct RequirementsParams {
    /// Name of the module.
    #[param(rename = "moduleType")]
    module_type: Option<String>,
    /// Slug or id; may be left out by those who belong to one.
    organization: Option<String>,
    /// For the organization instead of for the caller alone.
    shared: Option<bool>,
    /// The connection parameters, a JSON object, for apps that people are sent to and that ask for some
    /// first.
    connection: Option<String>,
    /// From 1: the step that is asked about. Those after the first one need `sessionId`.
    step: Option<usize>,
    /// Of a connection of several steps that was begun: the form that it waits for is answered.
    #[param(rename = "sessionId")]
    session_id: Option<String>,
}

/// The end of a connection, or of one of its steps.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthorizeBody {
    /// Name of the module.
    #[schema(example = "github")]
    module_type: Option<String>,
    /// The same, as v1 calls it.
    entity_type: Option<String>,
    /// Slug or id; may be left out by those who belong to one.
    organization: Option<String>,
    /// For the organization instead of for the caller alone.
    shared: bool,
    /// Of the step before.
    session_id: Option<String>,
    /// What the app gave back.
    state: Option<String>,
    /// `code`, or the fields of the form.
    #[schema(value_type = Option<Object>)]
    data: Option<Map<String, Value>>,
}

/// What is asked for, and what is connected again.
struct About {
    organization: OrganizationId,
    module: String,
    entity: Option<EntityId>,
}

impl About {
    /// An account that is known. Its organization and module count, whatever else is said.
    async fn entity(ctx: &Ctx, name: &str) -> Result<Self> {
        let found = entity::get(ctx, id::<ConnectedEntity>(ctx, name)?).await?;
        Ok(Self {
            organization: found.organization,
            module: found.module.to_string(),
            entity: Some(found.id),
        })
    }

    async fn new(
        ctx: &Ctx,
        organization: Option<&str>,
        module: Option<String>,
        parameter: &'static str,
    ) -> Result<Self> {
        known(ctx)?;
        let module = given(module);
        required(&[(parameter, module.is_some())])?;
        Ok(Self {
            organization: scope::organization(ctx, organization).await?,
            module: module.unwrap_or_default(),
            entity: None,
        })
    }
}

/// The rest of the query.
struct How {
    organization: Option<String>,
    connection: Option<Value>,
    shared: bool,
    step: Option<usize>,
    session: Option<Secret>,
}

fn read(mut params: Params) -> Result<How> {
    let how = How {
        organization: params.one("organization")?,
        connection: params.read("connection", "a JSON object", |text| {
            let value = serde_json::from_str::<Value>(text).ok();
            value.filter(Value::is_object)
        })?,
        shared: params.flag("shared")?.unwrap_or(false),
        step: params.parse("step", "the number of a step, from 1")?,
        session: params.one("sessionId")?.map(Secret::new),
    };
    for ignored in ["moduleType", "entityType", "connectingEntityType", "state"] {
        params.one(ignored)?;
    }
    params.done()?;
    Ok(how)
}

async fn begun(state: &AppState, ctx: &Ctx, about: About, how: How) -> Result<Requirements> {
    if let Some(session) = how.session {
        let input = Resume {
            organization: about.organization,
            module: about.module,
            entity: about.entity,
            session,
            step: how.step,
        };
        return resume(ctx, state.apps.as_ref(), input).await;
    }
    if how.step.is_some_and(|step| step != 1) {
        return Err(Error::invalid(
            "authorization.step",
            "the steps after the first one need the sessionId that the step before gave",
        )
        .on_field("sessionId"));
    }
    let input = Begin {
        organization: about.organization,
        module: about.module,
        shared: how.shared,
        connection: how.connection,
        entity: about.entity,
    };
    begin(ctx, state.apps.as_ref(), input).await
}

async fn finished(
    state: &AppState,
    ctx: &Ctx,
    about: About,
    body: AuthorizeBody,
) -> Result<Completed> {
    let input = Complete {
        organization: about.organization,
        module: about.module,
        shared: body.shared,
        state: given(body.session_id)
            .or(given(body.state))
            .map(Secret::new),
        entity: about.entity,
        data: Value::Object(body.data.unwrap_or_default()),
    };
    finish(ctx, state.apps.as_ref(), input).await
}

/// v1: `?entityType=`.
pub async fn v1_requirements(
    State(state): State<AppState>,
    auth: Auth,
    mut params: Params,
) -> Result<Json<Value>, Problem> {
    let (ctx, module) = (auth.ctx(), params.one("entityType")?);
    let how = read(params)?;
    let about = About::new(ctx, how.organization.as_deref(), module, "entityType").await?;
    let done = begun(&state, ctx, about, how).await?;
    Ok(Json(view::v1_requirements(&done)))
}

/// v1: of the app in the path.
pub async fn v1_requirements_of(
    State(state): State<AppState>,
    auth: Auth,
    Path(module): Path<String>,
    params: Params,
) -> Result<Json<Value>, Problem> {
    let (ctx, how) = (auth.ctx(), read(params)?);
    let organization = how.organization.as_deref();
    let about = About::new(ctx, organization, Some(module), "entityType").await?;
    let done = begun(&state, ctx, about, how).await?;
    Ok(Json(view::v1_requirements(&done)))
}

/// v1: `{entityType, data}`.
pub async fn v1_complete(
    State(state): State<AppState>,
    auth: Auth,
    Sent(body): Sent<AuthorizeBody>,
) -> Result<Json<Value>, Problem> {
    let ctx = auth.ctx();
    known(ctx)?;
    let module = given(body.entity_type.clone());
    required(&[
        ("entityType", module.is_some()),
        ("data", body.data.is_some()),
    ])?;
    let about = About::new(ctx, body.organization.as_deref(), module, "entityType").await?;
    let done = finished(&state, ctx, about, body).await?;
    Ok(Json(view::v1_completed(&done)))
}

/// What it takes to connect an account. Needs `connection.own`, or `connection.manage` for shared ones.
#[utoipa::path(get, path = "/api/v2/authorize", tag = "authorize", params(RequirementsParams),
    responses((status = 200, body = RequirementsView), (status = "default", body = FaultView)))]
pub async fn requirements(
    State(state): State<AppState>,
    auth: Auth,
    mut params: Params,
) -> Result<Json<RequirementsView>, Problem> {
    let (ctx, module) = (auth.ctx(), params.one("moduleType")?);
    let how = read(params)?;
    let about = About::new(ctx, how.organization.as_deref(), module, "moduleType").await?;
    let done = begun(&state, ctx, about, how).await?;
    Ok(Json((&done).into()))
}

/// The same for the kind of account in the path.
#[utoipa::path(get, path = "/api/v2/entities/types/{type}/requirements", tag = "entities", params(("type" = String, Path), RequirementsParams),
    responses((status = 200, body = RequirementsView), (status = "default", body = FaultView)))]
pub async fn requirements_of(
    State(state): State<AppState>,
    auth: Auth,
    Path(module): Path<String>,
    params: Params,
) -> Result<Json<RequirementsView>, Problem> {
    let (ctx, how) = (auth.ctx(), read(params)?);
    let organization = how.organization.as_deref();
    let about = About::new(ctx, organization, Some(module), "moduleType").await?;
    let done = begun(&state, ctx, about, how).await?;
    Ok(Json((&done).into()))
}

/// Ends a connection, or a step of it.
#[utoipa::path(post, path = "/api/v2/authorize", tag = "authorize", request_body = AuthorizeBody,
    responses((status = 200, body = CompletedView), (status = "default", body = FaultView)))]
pub async fn complete(
    State(state): State<AppState>,
    auth: Auth,
    Sent(body): Sent<AuthorizeBody>,
) -> Result<Json<CompletedView>, Problem> {
    let ctx = auth.ctx();
    known(ctx)?;
    let module = given(body.module_type.clone()).or(given(body.entity_type.clone()));
    required(&[
        ("moduleType", module.is_some()),
        ("data", body.data.is_some()),
    ])?;
    let about = About::new(ctx, body.organization.as_deref(), module, "moduleType").await?;
    let done = finished(&state, ctx, about, body).await?;
    Ok(Json((&done).into()))
}

/// What it takes to connect the account again.
#[utoipa::path(get, path = "/api/v2/entities/{entity}/reauthorize", tag = "entities", params(("entity" = String, Path), RequirementsParams),
    responses((status = 200, body = RequirementsView), (status = "default", body = FaultView)))]
pub async fn requirements_again(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
    params: Params,
) -> Result<Json<RequirementsView>, Problem> {
    let (ctx, how) = (auth.ctx(), read(params)?);
    let about = About::entity(ctx, &name).await?;
    let done = begun(&state, ctx, about, how).await?;
    Ok(Json((&done).into()))
}

/// Ends connecting the account again; it must be the same one.
#[utoipa::path(post, path = "/api/v2/entities/{entity}/reauthorize", tag = "entities", params(("entity" = String, Path)), request_body = AuthorizeBody,
    responses((status = 200, body = CompletedView), (status = "default", body = FaultView)))]
pub async fn complete_again(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
    Sent(body): Sent<AuthorizeBody>,
) -> Result<Json<CompletedView>, Problem> {
    let ctx = auth.ctx();
    let about = About::entity(ctx, &name).await?;
    required(&[("data", body.data.is_some())])?;
    let done = finished(&state, ctx, about, body).await?;
    Ok(Json((&done).into()))
}
