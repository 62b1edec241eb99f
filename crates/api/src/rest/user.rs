//! Accounts. All but deleting is done by GraphQL.

use axum::extract::Path;
use axum::http::StatusCode;
use gna_domain::model::User;
use gna_domain::service::user;

use super::view::ProblemView;
use crate::auth::Auth;
use crate::extract::id;
use crate::problem::Problem;

/// Deletes an account for good: sign-in, sessions, tokens and roles go, with name and address. Needs `user.manage`.
#[utoipa::path(delete, path = "/api/v2/users/{user}", tag = "users", params(("user" = String, Path)),
    responses((status = 204), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn delete(auth: Auth, Path(user): Path<String>) -> Result<StatusCode, Problem> {
    let id = id::<User>(auth.ctx(), &user)?;
    user::delete(auth.ctx(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}
