//! Taking VEX documents in.

use axum::Json;
use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::rejection::BytesRejection;
use gna_domain::error::Error;
use gna_domain::model::Group;
use gna_domain::service::vex::{self, Outcome, Refusal, Wish};
use serde::Serialize;
use utoipa::ToSchema;

use super::view::ProblemView;
use crate::auth::Auth;
use crate::extract::{Params, id};
use crate::problem::Problem;

/// What came of a VEX document. `claims` are what it says of one vulnerability in one product; `changed`,
/// `unchanged` and `refused` count vulnerabilities of the group.
#[derive(Serialize, ToSchema)]
pub struct VexView {
    /// `openvex`, `cyclonedx` or `csaf`.
    format: &'static str,
    /// Id of the document, as its author gave it.
    document: String,
    author: String,
    claims: u64,
    /// Claims that decide nothing: under investigation, fixed, affected without a word on what is done.
    undecided: u64,
    /// Claims about products that the group does not have.
    unknown: u64,
    /// Claims about vulnerabilities that their products do not have here.
    absent: u64,
    changed: u64,
    /// They were that way already.
    unchanged: u64,
    refused: u64,
    /// Nothing was changed: only what would be.
    dry_run: bool,
    /// The first 1,000 claims that could not be taken over.
    refusals: Vec<VexRefusalView>,
}

/// A claim that could not be taken over.
#[derive(Serialize, ToSchema)]
pub struct VexRefusalView {
    /// Public name of the vulnerability.
    name: String,
    /// The product, as the document calls it.
    product: String,
    /// Null where the group has no such product.
    vulnerability: Option<String>,
    #[schema(example = "acceptance.too_long")]
    code: String,
    message: String,
}

impl From<Refusal> for VexRefusalView {
    fn from(of: Refusal) -> Self {
        Self {
            name: of.name,
            product: of.product,
            vulnerability: of.vulnerability.map(|id| id.to_string()),
            code: of.code,
            message: of.message,
        }
    }
}

impl VexView {
    fn new(of: Outcome, dry_run: bool) -> Self {
        Self {
            format: of.format,
            document: of.document,
            author: of.author,
            claims: of.claims,
            undecided: of.undecided,
            unknown: of.unknown,
            absent: of.absent,
            changed: of.changed,
            unchanged: of.unchanged,
            refused: of.refused,
            dry_run,
            refusals: of.refusals.into_iter().map(VexRefusalView::from).collect(),
        }
    }
}

/// Takes over what an OpenVEX, CycloneDX or CSAF document (JSON, at most 16 MiB) decides about the group's
/// vulnerabilities; the caller is the second person beside its author. Sent again it changes nothing.
/// Needs `vex.import`.
#[utoipa::path(post, path = "/api/v2/groups/{group}/vex", tag = "vulnerabilities",
    params(("group" = String, Path),
        ("asset" = Option<String>, Query, description = "Name of the asset that all of it is about, whatever it calls its products"),
        ("dry_run" = Option<bool>, Query, description = "Only tells what would follow")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = VexView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn import(
    auth: Auth,
    Path(group): Path<String>,
    mut params: Params,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Json<VexView>, Problem> {
    let ctx = auth.ctx();
    let group = id::<Group>(ctx, &group)?;
    let wish = Wish {
        asset: params.one("asset")?,
        dry_run: params.flag("dry_run")?.unwrap_or_default(),
    };
    params.done()?;
    let bytes = bytes.map_err(|_| {
        Error::limit(
            "body.too_large",
            format!("a VEX document has at most {} bytes", vex::LARGEST),
        )
    })?;
    let outcome = vex::import(ctx, group, &wish, bytes).await?;
    Ok(Json(VexView::new(outcome, wish.dry_run)))
}
