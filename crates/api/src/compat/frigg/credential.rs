//! Credentials, masked.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use gna_domain::Ctx;
use gna_domain::connect::{ConnectedEntity, Credential};
use gna_domain::error::Result;
use gna_domain::service::connect::credential;
use gna_domain::service::scope;

use super::authorize::{self, AuthorizeBody, RequirementsParams};
use super::place::Sent;
use super::view::{CompletedView, CredentialView, CredentialsView, FaultView, RequirementsView};
use crate::auth::Auth;
use crate::extract::{Params, id};
use crate::problem::Problem;
use crate::rest::{OrganizationParams, PageParams, paged};
use crate::state::AppState;

/// Credentials of an organization for its owners, one's own for members; oldest first. Secrets are never
/// shown.
#[utoipa::path(get, path = "/api/v2/credentials", tag = "credentials", params(OrganizationParams, PageParams),
    responses((status = 200, body = CredentialsView), (status = "default", body = FaultView)))]
pub async fn list(
    State(state): State<AppState>,
    auth: Auth,
    mut params: Params,
) -> Result<Response, Problem> {
    let ctx = auth.ctx();
    let (named, page) = (params.one("organization")?, params.page()?);
    params.done()?;
    let organization = scope::organization(ctx, named.as_deref()).await?;
    let page = credential::list(ctx, state.apps.as_ref(), organization, page).await?;
    let page = page.map(CredentialView::from);
    let next = page.next.map(|cursor| cursor.0);
    let body = CredentialsView {
        credentials: page.items,
        next: next.clone(),
    };
    Ok(paged(next, Json(body)))
}

/// One credential.
#[utoipa::path(get, path = "/api/v2/credentials/{credential}", tag = "credentials", params(("credential" = String, Path)),
    responses((status = 200, body = CredentialView), (status = "default", body = FaultView)))]
pub async fn show(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
) -> Result<Json<CredentialView>, Problem> {
    let ctx = auth.ctx();
    let id = id::<Credential>(ctx, &name)?;
    let masked = credential::get(ctx, state.apps.as_ref(), id).await?;
    Ok(Json(masked.into()))
}

/// Removes a credential. `cascade=true` disconnects the accounts that are reached with it.
#[utoipa::path(delete, path = "/api/v2/credentials/{credential}", tag = "credentials",
    params(("credential" = String, Path), ("cascade" = Option<bool>, Query, description = "Whether its accounts go too.")),
    responses((status = 204, description = "Removed"), (status = "default", body = FaultView)))]
pub async fn remove(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
    mut params: Params,
) -> Result<StatusCode, Problem> {
    let ctx = auth.ctx();
    let cascade = params.flag("cascade")?.unwrap_or(false);
    params.done()?;
    let id = id::<Credential>(ctx, &name)?;
    credential::delete(ctx, state.apps.as_ref(), id, cascade).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Has tokens that are due renewed now instead of with the next call; others stay as they are.
#[utoipa::path(post, path = "/api/v2/credentials/{credential}/refresh", tag = "credentials", params(("credential" = String, Path)),
    responses((status = 200, body = CredentialView), (status = "default", body = FaultView)))]
pub async fn refresh(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
) -> Result<Json<CredentialView>, Problem> {
    let ctx = auth.ctx();
    let id = id::<Credential>(ctx, &name)?;
    let fresh = credential::refresh(ctx, state.apps.as_ref(), id).await?;
    Ok(Json(fresh.into()))
}

/// The account whose secrets these are.
async fn account(state: &AppState, ctx: &Ctx, name: &str) -> Result<String> {
    let id = id::<Credential>(ctx, name)?;
    let masked = credential::get(ctx, state.apps.as_ref(), id).await?;
    let first = masked.credential.entities.first();
    let first = first.ok_or_else(|| ctx.absent::<ConnectedEntity>())?;
    Ok(first.to_string())
}

/// What it takes to connect its account again.
#[utoipa::path(get, path = "/api/v2/credentials/{credential}/reauthorize", tag = "credentials", params(("credential" = String, Path), RequirementsParams),
    responses((status = 200, body = RequirementsView), (status = "default", body = FaultView)))]
pub async fn requirements_again(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
    params: Params,
) -> Result<Json<RequirementsView>, Problem> {
    let account = account(&state, auth.ctx(), &name).await?;
    authorize::requirements_again(State(state), auth, Path(account), params).await
}

/// Ends connecting its account again; it must be the same one.
#[utoipa::path(post, path = "/api/v2/credentials/{credential}/reauthorize", tag = "credentials", params(("credential" = String, Path)), request_body = AuthorizeBody,
    responses((status = 200, body = CompletedView), (status = "default", body = FaultView)))]
pub async fn complete_again(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
    body: Sent<AuthorizeBody>,
) -> Result<Json<CompletedView>, Problem> {
    let account = account(&state, auth.ctx(), &name).await?;
    authorize::complete_again(State(state), auth, Path(account), body).await
}
