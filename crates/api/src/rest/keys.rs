//! Rotation of the keys that secrets are sealed with: asking for it, and how far it is.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use gna_domain::model::Job;
use gna_domain::service::keys::{self, Plan, Standing, Step};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::ProblemView;
use crate::auth::Auth;
use crate::extract::{self, id};
use crate::problem::Problem;

/// What is to change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRotation {
    /// Whether tenants get new data keys too, and all secrets are sealed anew. Without it only the
    /// key above the data keys changes.
    data_keys: bool,
}

/// How a rotation stands.
#[derive(Serialize, ToSchema)]
pub struct RotationView {
    id: String,
    /// `RUNNING`, `DONE`, `FAILED`.
    state: &'static str,
    /// `key`, `wrap`, `renew`, `seal` or `done`.
    step: &'static str,
    /// The keyring's new current key.
    key: Option<String>,
    /// Data keys wrapped by it so far.
    wrapped: u64,
    /// Tenants with a new data key so far.
    renewed: u64,
    /// Secrets sealed anew so far.
    resealed: u64,
    #[schema(format = DateTime)]
    started: String,
    /// Why it was given up, or why a step is tried again.
    error: Option<String>,
}

impl RotationView {
    fn new(id: String, standing: Standing) -> Self {
        let Standing {
            rotation,
            done,
            failed,
            last_error,
        } = standing;
        Self {
            id,
            state: match (done, &failed) {
                (true, _) => "DONE",
                (false, Some(_)) => "FAILED",
                (false, None) => "RUNNING",
            },
            step: match rotation.step {
                Step::Key => "key",
                Step::Wrap => "wrap",
                Step::Renew => "renew",
                Step::Seal { .. } => "seal",
                Step::Done => "done",
            },
            key: Some(rotation.key).filter(|key| !key.is_empty()),
            wrapped: rotation.wrapped,
            renewed: rotation.renewed,
            resealed: rotation.resealed,
            started: rotation.started.to_string(),
            error: failed.or(last_error),
        }
    }
}

/// Asks for a rotation, which goes on while everything is in use. Needs `instance.manage`.
#[utoipa::path(post, path = "/api/v2/keys/rotations", tag = "keys", request_body = NewRotation,
    responses((status = 202, body = RotationView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn create(
    auth: Auth,
    extract::Json(input): extract::Json<NewRotation>,
) -> Result<(StatusCode, Json<RotationView>), Problem> {
    let plan = if input.data_keys {
        Plan::DataKeys
    } else {
        Plan::Keyring
    };
    let job = keys::rotate(auth.ctx(), plan).await?;
    let standing = keys::standing(auth.ctx(), job).await?;
    let view = RotationView::new(job.to_string(), standing);
    Ok((StatusCode::ACCEPTED, Json(view)))
}

/// How far a rotation is, until a day after its end. Needs `instance.manage`.
#[utoipa::path(get, path = "/api/v2/keys/rotations/{rotation}", tag = "keys", params(("rotation" = String, Path)),
    responses((status = 200, body = RotationView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn show(auth: Auth, Path(rotation): Path<String>) -> Result<Json<RotationView>, Problem> {
    let standing = keys::standing(auth.ctx(), id::<Job>(auth.ctx(), &rotation)?).await?;
    Ok(Json(RotationView::new(rotation, standing)))
}
