//! The store itself: looking for damage, and copies. Both read all of it, so they take a while.

use axum::Json;
use axum::http::StatusCode;
use gna_domain::service::store;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::ProblemView;
use crate::auth::Auth;
use crate::problem::Problem;

/// What was looked for and found.
#[derive(Serialize, ToSchema)]
pub struct StoreCheckView {
    damaged: bool,
    /// Each damaged place and what is wrong there.
    damages: Vec<String>,
}

/// A copy that was made.
#[derive(Serialize, ToSchema)]
pub struct BackupView {
    /// The file, on the server's machine.
    #[schema(example = "/var/lib/gna/backups/gna-2026-01-31-01934a5b6c7d7e8f9a0b1c2d3e4f5061.db")]
    path: String,
    bytes: u64,
}

/// Looks for damage: unreadable pages, entries without records, records without entries. Needs `instance.manage`.
#[utoipa::path(post, path = "/api/v2/store/check", tag = "store",
    responses((status = 200, body = StoreCheckView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn check(auth: Auth) -> Result<Json<StoreCheckView>, Problem> {
    let damages = store::check(auth.ctx()).await?;
    Ok(Json(StoreCheckView {
        damaged: !damages.is_empty(),
        damages,
    }))
}

/// Copies the store, items and search, into a new file beside it, while it is in use. Needs `instance.manage`.
#[utoipa::path(post, path = "/api/v2/store/backups", tag = "store",
    responses((status = 201, body = BackupView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn backup(auth: Auth) -> Result<(StatusCode, Json<BackupView>), Problem> {
    let made = store::backup(auth.ctx()).await?;
    let view = BackupView {
        path: made.path.display().to_string(),
        bytes: made.bytes,
    };
    Ok((StatusCode::CREATED, Json(view)))
}
