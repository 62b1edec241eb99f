//! API tokens: of the caller, and of a group. The secret is in the answer that makes one, and never
//! again.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use gna_domain::model::{ApiToken, Group};
use gna_domain::policy::Role;
use gna_domain::service::token::{self, NewToken};
use gna_domain::time::Timestamp;
use gna_domain::{Ctx, Error};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::{ListView, ProblemView};
use crate::auth::Auth;
use crate::extract::{self, id};
use crate::problem::Problem;

/// A token without its secret.
#[derive(Serialize, ToSchema)]
pub struct TokenView {
    id: String,
    name: String,
    /// The first characters of the secret.
    #[schema(example = "gna_3f9a")]
    start: String,
    owner: Option<String>,
    group: Option<String>,
    #[schema(value_type = Option<String>, example = "CI")]
    role: Option<Role>,
    /// Names of actions.
    scopes: Vec<String>,
    #[schema(format = DateTime)]
    created: String,
    #[schema(format = DateTime)]
    expires: String,
    /// Last use, to the hour.
    #[schema(format = DateTime)]
    used: Option<String>,
}

impl From<ApiToken> for TokenView {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name,
            start: token.start,
            owner: token.owner.map(|owner| owner.to_string()),
            group: token.group.map(|group| group.to_string()),
            role: token.role,
            scopes: token.scopes,
            created: token.created.to_string(),
            expires: token.expires.to_string(),
            used: token.used.map(|used| used.to_string()),
        }
    }
}

/// A token that was just made.
#[derive(Serialize, ToSchema)]
pub struct MadeTokenView {
    /// For `Authorization: Bearer …`; it is not shown again.
    secret: String,
    token: TokenView,
}

/// A personal token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTokenBody {
    name: String,
    /// Names of actions; the token does what these and its owner's roles allow.
    scopes: Vec<String>,
    /// RFC 3339; at most 366 days from now.
    expires: String,
}

/// A group's token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGroupTokenBody {
    name: String,
    scopes: Vec<String>,
    expires: String,
    /// `MANAGER`, `TRIAGER`, `DEVELOPER`, `READER` or `CI`; not above one's own.
    #[schema(example = "CI")]
    role: String,
}

fn wanted(name: String, scopes: Vec<String>, expires: &str) -> Result<NewToken, Error> {
    let expires = Timestamp::parse(expires).map_err(|error| error.on_field("expires"))?;
    Ok(NewToken {
        name,
        scopes,
        expires,
    })
}

/// The caller's own tokens, newest first.
#[utoipa::path(get, path = "/api/v2/tokens", tag = "tokens",
    responses((status = 200, body = ListView<TokenView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(auth: Auth) -> Result<ListView<TokenView>, Problem> {
    views(token::list(auth.ctx()).await?)
}

fn views(tokens: Vec<ApiToken>) -> Result<ListView<TokenView>, Problem> {
    Ok(ListView::whole(
        tokens.into_iter().map(TokenView::from).collect(),
    ))
}

type Made = (StatusCode, Json<MadeTokenView>);

fn made((secret, token): (gna_domain::secret::Secret, ApiToken)) -> Made {
    let view = MadeTokenView {
        secret: secret.expose().to_owned(),
        token: token.into(),
    };
    (StatusCode::CREATED, Json(view))
}

/// Makes a personal token; only a signed-in person may. Not repeatable with an `Idempotency-Key`:
/// the secret is kept nowhere.
#[utoipa::path(post, path = "/api/v2/tokens", tag = "tokens", request_body = NewTokenBody,
    responses((status = 201, body = MadeTokenView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn create(
    auth: Auth,
    extract::Json(new): extract::Json<NewTokenBody>,
) -> Result<Made, Problem> {
    let input = wanted(new.name, new.scopes, &new.expires)?;
    Ok(made(token::create(auth.ctx(), input).await?))
}

/// Ends a token.
#[utoipa::path(delete, path = "/api/v2/tokens/{token}", tag = "tokens", params(("token" = String, Path)),
    responses((status = 204), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn revoke(auth: Auth, Path(token): Path<String>) -> Result<StatusCode, Problem> {
    let id = token.parse().map_err(|_| absent(auth.ctx()))?;
    token::revoke(auth.ctx(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn absent(ctx: &Ctx) -> Error {
    ctx.absent::<ApiToken>()
}

/// A group's tokens, newest first. Needs `group_token.manage`.
#[utoipa::path(get, path = "/api/v2/groups/{group}/tokens", tag = "tokens", params(("group" = String, Path)),
    responses((status = 200, body = ListView<TokenView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list_of_group(
    auth: Auth,
    Path(group): Path<String>,
) -> Result<ListView<TokenView>, Problem> {
    let id = id::<Group>(auth.ctx(), &group)?;
    views(token::list_of_group(auth.ctx(), id).await?)
}

/// Makes a token of a group; it stays when whoever made it goes. Needs `group_token.manage`.
#[utoipa::path(post, path = "/api/v2/groups/{group}/tokens", tag = "tokens", params(("group" = String, Path)), request_body = NewGroupTokenBody,
    responses((status = 201, body = MadeTokenView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn create_for_group(
    auth: Auth,
    Path(group): Path<String>,
    extract::Json(new): extract::Json<NewGroupTokenBody>,
) -> Result<Made, Problem> {
    let id = id::<Group>(auth.ctx(), &group)?;
    let role = new
        .role
        .parse()
        .map_err(|error: Error| error.on_field("role"))?;
    let input = wanted(new.name, new.scopes, &new.expires)?;
    Ok(made(
        token::create_for_group(auth.ctx(), id, role, input).await?,
    ))
}
