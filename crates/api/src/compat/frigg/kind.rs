//! Kinds of accounts, which are our modules.

use axum::Json;
use axum::extract::{Path, State};
use gna_domain::error::{Error, Kind};
use gna_domain::service::connect::module;
use serde_json::{Value, json};

use super::view::{FaultView, TypeView, TypesView};
use crate::auth::Auth;
use crate::problem::Problem;
use crate::state::AppState;

/// All kinds of accounts, by name. Needs a token or session.
#[utoipa::path(get, path = "/api/v2/entities/types", tag = "entities",
    responses((status = 200, body = TypesView), (status = "default", body = FaultView)))]
pub async fn list(State(state): State<AppState>, auth: Auth) -> Result<Json<TypesView>, Problem> {
    let all = module::list(auth.ctx(), state.apps.as_ref())?;
    let types = all.iter().map(TypeView::from).collect();
    Ok(Json(TypesView { types }))
}

/// v1: the same list by another name.
pub async fn v1_list(State(state): State<AppState>, auth: Auth) -> Result<Json<Value>, Problem> {
    let all = module::list(auth.ctx(), state.apps.as_ref())?;
    let modules: Vec<TypeView> = all.iter().map(TypeView::from).collect();
    Ok(Json(json!({ "modules": modules })))
}

/// One kind of account. Needs a token or session.
#[utoipa::path(get, path = "/api/v2/entities/types/{type}", tag = "entities", params(("type" = String, Path)),
    responses((status = 200, body = TypeView), (status = "default", body = FaultView)))]
pub async fn show(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
) -> Result<Json<TypeView>, Problem> {
    let found = module::get(auth.ctx(), state.apps.as_ref(), &name);
    let found = found.map_err(|error| match error.kind() {
        Kind::Invalid => Error::not_found("not_found", "there is no such type"),
        _ => error,
    })?;
    Ok(Json((&found).into()))
}
