//! Evidence: files that show something about a vulnerability.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use gna_domain::Ctx;
use gna_domain::error::{Error, Result};
use gna_domain::id::EvidenceId;
use gna_domain::model::{EVIDENCE_LARGEST, Evidence, Vulnerability};
use gna_domain::port::store::Stored;
use gna_domain::service::evidence;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::{ListView, ProblemView};
use crate::auth::Auth;
use crate::extract::{Params, id};
use crate::problem::Problem;

/// A file that shows something about a vulnerability.
#[derive(Serialize, ToSchema)]
pub struct EvidenceView {
    id: String,
    vulnerability: String,
    name: String,
    /// What its bytes are: `PNG`, `JPEG`, `GIF`, `WEBP`, `MP4`, `WEBM`, `PDF`, `TEXT`.
    kind: &'static str,
    /// In bytes.
    size: u64,
    sha256: String,
    /// The person; null for programs.
    author: Option<String>,
    /// The person or token that brought it.
    actor: String,
    #[schema(format = DateTime)]
    created: String,
}

impl From<Stored<Evidence>> for EvidenceView {
    fn from(stored: Stored<Evidence>) -> Self {
        let of = stored.value;
        Self {
            id: of.id.to_string(),
            vulnerability: of.vulnerability.to_string(),
            name: of.name,
            kind: of.kind.as_str(),
            size: of.size,
            sha256: of.sha256,
            author: of.author.map(|author| author.to_string()),
            actor: of.actor,
            created: of.created.to_string(),
        }
    }
}

/// The files of a vulnerability, oldest first; at most 50.
#[utoipa::path(get, path = "/api/v2/vulnerabilities/{vulnerability}/evidence", tag = "vulnerabilities", params(("vulnerability" = String, Path)),
    responses((status = 200, body = ListView<EvidenceView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(
    auth: Auth,
    Path(vulnerability): Path<String>,
) -> Result<ListView<EvidenceView>, Problem> {
    let of = id::<Vulnerability>(auth.ctx(), &vulnerability)?;
    let all = evidence::list(auth.ctx(), of).await?;
    Ok(ListView::whole(
        all.into_iter().map(EvidenceView::from).collect(),
    ))
}

/// Adds a file: its bytes are the body, at most 10 MiB. What it is, its bytes say. The same file under the
/// same name again changes nothing. Needs `evidence.write`.
#[utoipa::path(post, path = "/api/v2/vulnerabilities/{vulnerability}/evidence", tag = "vulnerabilities",
    params(("vulnerability" = String, Path), ("name" = String, Query, description = "Of the file")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = EvidenceView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn create(
    auth: Auth,
    Path(vulnerability): Path<String>,
    mut params: Params,
    bytes: std::result::Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<EvidenceView>), Problem> {
    let of = id::<Vulnerability>(auth.ctx(), &vulnerability)?;
    let name = params.one("name")?.unwrap_or_default();
    params.done()?;
    let bytes = bytes.map_err(|_| {
        Error::limit(
            "evidence.too_large",
            format!("a file has at most {EVIDENCE_LARGEST} bytes"),
        )
    })?;
    let made = evidence::add(auth.ctx(), of, &name, bytes).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

fn evidence_id(ctx: &Ctx, text: &str) -> Result<EvidenceId> {
    text.parse().map_err(|_| ctx.absent::<Evidence>())
}

/// A file's bytes, to be saved: no browser shows it as a page of this server.
#[utoipa::path(get, path = "/api/v2/vulnerabilities/{vulnerability}/evidence/{evidence}", tag = "vulnerabilities",
    params(("vulnerability" = String, Path), ("evidence" = String, Path)),
    responses((status = 200, content((Vec<u8> = "application/octet-stream"))), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn download(
    auth: Auth,
    Path((vulnerability, evidence)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let of = id::<Vulnerability>(auth.ctx(), &vulnerability)?;
    let evidence = evidence_id(auth.ctx(), &evidence)?;
    let (evidence, bytes) = evidence::download(auth.ctx(), of, evidence).await?;
    let bytes = bytes.map(|part| {
        part.map_err(|error| {
            crate::problem::log(&error);
            std::io::Error::other("the file broke off")
        })
    });
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(evidence.kind.content_type()),
        ),
        (header::CONTENT_LENGTH, HeaderValue::from(evidence.size)),
        (header::CONTENT_DISPOSITION, attachment(&evidence.name)),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; sandbox"),
        ),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, no-store"),
        ),
    ];
    Ok((headers, Body::from_stream(bytes)).into_response())
}

/// A name in a header (RFC 6266, section 4.1; RFC 8187, section 3.2.1): in ASCII for old programs, and as
/// it is, each byte but letters and digits escaped.
fn attachment(name: &str) -> HeaderValue {
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ') {
                c
            } else {
                '_'
            }
        })
        .collect();
    let exact: String = name
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    let text = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("attachment"))
}

/// Removes a file for good; the history keeps that it was there. Needs `evidence.write`.
#[utoipa::path(delete, path = "/api/v2/vulnerabilities/{vulnerability}/evidence/{evidence}", tag = "vulnerabilities",
    params(("vulnerability" = String, Path), ("evidence" = String, Path)),
    responses((status = 204), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn remove(
    auth: Auth,
    Path((vulnerability, evidence)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let of = id::<Vulnerability>(auth.ctx(), &vulnerability)?;
    let evidence = evidence_id(auth.ctx(), &evidence)?;
    evidence::remove(auth.ctx(), of, evidence).await?;
    Ok(StatusCode::NO_CONTENT)
}
