//! Uploads in two steps: room for the bytes of a report that is too large for one request, and the
//! bytes themselves where no other place takes them. `upload.rs` registers them as a report.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, StatusCode};
use gna_domain::error::Result;
use gna_domain::id::UploadId;
use gna_domain::policy::Action;
use gna_domain::secret::Secret;
use gna_domain::service::scope::{self, Place};
use gna_domain::service::upload::{self as service, Begun, Door};
use gna_domain::{Actor, Ctx, Grants};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::upload::whole;
use super::view::ProblemView;
use crate::auth::Auth;
use crate::extract;
use crate::problem::Problem;
use crate::state::AppState;

/// What proves that bytes belong to an upload. In a header, since addresses are written into logs.
const PROOF: HeaderName = HeaderName::from_static("x-gna-upload");

/// For whose report room is made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUpload {
    /// Slug or id.
    organization: Option<String>,
    /// Slug or id. Not needed with a token that belongs to one group.
    group: Option<String>,
    /// How many bytes will be sent; what is too large is then refused before it is.
    size: Option<u64>,
}

/// Where the bytes go. Whoever has address and headers may send them, until it expires.
#[derive(Serialize, ToSchema)]
pub struct UploadView {
    /// To be named when it is registered: `POST /api/v2/reports?upload=…`.
    #[schema(example = "upl_0190f1d4a4d27c6b9d0e0f7a4a1b2c3d")]
    id: String,
    #[schema(example = "PUT")]
    method: &'static str,
    /// Whole, or a path on the server that was asked.
    url: String,
    /// To be sent with the bytes, as they are; besides them nothing is needed, no token either.
    headers: BTreeMap<String, String>,
    /// Until when bytes may be sent: 15 minutes. It may be registered for a day.
    #[schema(format = DateTime)]
    expires: String,
}

impl From<Begun> for UploadView {
    fn from(begun: Begun) -> Self {
        let upload = begun.upload;
        let (url, headers) = match begun.door {
            Door::Signed(url) => (url.expose().to_owned(), BTreeMap::new()),
            Door::Own(proof) => (
                format!("/api/v2/uploads/{}", upload.id),
                BTreeMap::from([(PROOF.to_string(), proof.expose().to_owned())]),
            ),
        };
        Self {
            id: upload.id.to_string(),
            method: "PUT",
            url,
            headers,
            expires: upload.open_until().to_string(),
        }
    }
}

/// Makes room for a report that is too large for one request, as on AWS Lambda one of more than 4 MiB:
/// send the bytes where the answer says, then register them with `POST /api/v2/reports?upload=ID` and
/// no body. Needs `report.upload`.
#[utoipa::path(post, path = "/api/v2/uploads", tag = "reports", request_body = NewUpload,
    responses((status = 201, body = UploadView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn begin(
    auth: Auth,
    State(state): State<AppState>,
    extract::Json(new): extract::Json<NewUpload>,
) -> Result<(StatusCode, Json<UploadView>), Problem> {
    let ctx = auth.ctx();
    let place = Place {
        organization: new.organization,
        group: new.group,
    };
    let group = scope::one(ctx, &place, Action::ReportUpload).await?;
    let limit = state.config.max_upload_bytes;
    let begun = service::begin(ctx, group.id, new.size, limit).await?;
    Ok((StatusCode::CREATED, Json(begun.into())))
}

/// Takes the bytes of an upload, where its answer named this address; sent again they replace the first
/// ones. The header of that answer is the permission.
#[utoipa::path(put, path = "/api/v2/uploads/{upload}", tag = "reports", security(()),
    params(("upload" = String, Path), ("x-gna-upload" = String, Header, description = "As the answer that began the upload said")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 204), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn put(
    State(state): State<AppState>,
    Path(id): Path<String>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let ctx = Ctx::new(state.ports.clone(), Actor::Anonymous, Grants::default());
    let proof = request.headers().get(&PROOF);
    let proof = Secret::new(
        proof
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default(),
    );
    let id: UploadId = id.parse().map_err(|_| service::missing())?;
    // Before a byte of the body is read.
    let admitted = service::admit(&ctx, id, &proof).await?;
    let limit = state.config.max_upload_bytes;
    let bytes = whole(request.into_body(), limit).await?;
    service::keep(&ctx, &admitted, bytes, limit).await?;
    Ok(StatusCode::NO_CONTENT)
}
