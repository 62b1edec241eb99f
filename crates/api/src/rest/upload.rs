//! Uploading a report: a form with a file, the bare bytes with the fields in the query, or the name of an
//! upload that has the bytes (`room.rs`).
//!
//! Compressed reports stay compressed: the importer unpacks gzip and zip itself, with its own limits,
//! so `Content-Encoding: gzip` of a bare body is not undone here.

use axum::Json;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use gna_domain::ctx::Ctx;
use gna_domain::error::{Error, Result};
use gna_domain::id::UploadId;
use gna_domain::import::Category;
use gna_domain::model::AssetKind;
use gna_domain::policy::Action;
use gna_domain::service::report::{self, UploadReport, too_large};
use gna_domain::service::scope::{self, Place};
use gna_domain::service::upload as two_steps;
use std::time::Duration;
use utoipa::IntoParams;

use super::report::{ReportView, tell_end};
use super::view::{ProblemView, place};
use crate::auth::{Auth, signed_out};
use crate::extract::{Params, content_type};
use crate::problem::Problem;
use crate::recency::Recency;
use crate::state::AppState;

/// Longest value of a form's text field, in bytes.
const FIELD_BYTES: usize = 4_096;
/// Most text fields of a form.
const FIELDS: usize = 32;
/// What `wait=true` means.
const WAIT_DEFAULT: Duration = Duration::from_secs(60);

/// What may be said beside the bytes; in the query or, with a form, in its fields.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters; they are read one by one"
)]
pub struct UploadParams {
    /// Slug or id.
    organization: Option<String>,
    /// Slug or id. Not needed with a token that belongs to one group.
    group: Option<String>,
    /// Name of what was scanned; made if the group has nothing of that name.
    asset: String,
    /// If it has to be made: `REPOSITORY`, `IMAGE`, `HOST`, `URL`, `CLOUD_ACCOUNT`, `PACKAGE`, `OTHER`.
    asset_kind: Option<String>,
    /// Branch, tag or version; the asset's default if left out.
    r#ref: Option<String>,
    /// Found out if left out; `/api/v2/formats` lists them.
    format: Option<String>,
    /// `SAST`, `SCA`, `CONTAINER`, `SECRET`, `IAC`, `DAST`, `NETWORK`, `CLOUD`, `OTHER`.
    category: Option<String>,
    commit: Option<String>,
    /// RFC 3339; as the report says, or now, if left out.
    scanned_at: Option<String>,
    /// Shows only a part: nothing is closed because it is not in it.
    partial: Option<bool>,
    /// Name of the asset's environment that was scanned: nothing that lies elsewhere is closed.
    environment: Option<String>,
    file_name: Option<String>,
    /// In the query only: id of an upload that has the bytes (`POST /api/v2/uploads`); then there is no
    /// body. Registered again with the same words it answers the same report.
    upload: Option<String>,
    /// Wait for the end of the import: seconds, or `true` for a minute. Answers 201 with the final
    /// report if it ends in time, else 202.
    wait: Option<String>,
}

/// How the bytes of a report come.
enum Sent {
    Form(Bytes),
    Bare(Bytes),
    /// They were sent before, to the upload of this id.
    Before(String),
}

/// Takes a report in: 202 when its bytes and the job that imports it are durable, 201 when it was
/// waited for and is imported. Send a form (`multipart/form-data`, the file in `file`), the bare
/// bytes, or no body and the `upload` that has the bytes.
#[utoipa::path(post, path = "/api/v2/reports", tag = "reports", params(UploadParams),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 201, description = "Imported, or refused: the report is final", body = ReportView),
        (status = 202, description = "Durable; the import goes on", body = ReportView, headers(("location" = String))),
        (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn create(
    auth: Auth,
    State(state): State<AppState>,
    recency: Recency,
    mut params: Params,
    request: Request,
) -> Result<Response, Problem> {
    let ctx = auth.ctx();
    if ctx.actor == gna_domain::Actor::Anonymous {
        // Before a byte of the body is read.
        return Err(signed_out().into());
    }
    let limit = state.config.max_upload_bytes;
    let is_form = content_type(request.headers()).is_some_and(|kind| kind == "multipart/form-data");
    let (sent, name) = match params.one("upload")? {
        Some(id) => {
            nothing(request.into_body()).await?;
            (Sent::Before(id), None)
        }
        None if is_form => {
            let (bytes, name) = form(request, &state, &mut params, limit).await?;
            (Sent::Form(bytes), name)
        }
        None => (Sent::Bare(whole(request.into_body(), limit).await?), None),
    };
    let wait = wait(&mut params, state.config.wait_max)?;
    let (place, mut upload) = fields(&mut params)?;
    params.done()?;
    if upload.file_name.is_empty() {
        upload.file_name = name.unwrap_or_else(|| "report".to_owned());
    }
    let group = scope::one(ctx, &place, Action::ReportUpload).await?;
    let (way, stored) = match sent {
        Sent::Form(bytes) => ("form", report::upload(ctx, group.id, upload, bytes).await?),
        Sent::Bare(bytes) => ("bytes", report::upload(ctx, group.id, upload, bytes).await?),
        Sent::Before(id) => {
            let id: UploadId = id.parse().map_err(|_| two_steps::missing())?;
            let stored = two_steps::register(ctx, group.id, id, upload, limit).await?;
            ("upload", stored)
        }
    };
    metrics::counter!("gna_reports_uploaded_total", "way" => way).increment(1);
    answer(ctx, &recency, stored, wait).await
}

async fn answer(
    ctx: &Ctx,
    recency: &Recency,
    stored: gna_domain::port::store::Stored<gna_domain::model::Report>,
    wait: Option<Duration>,
) -> Result<Response, Problem> {
    let location = format!("/api/v2/reports/{}", stored.id);
    let report = match wait {
        Some(wait) => report::wait(ctx, stored.id, wait).await?,
        None => stored,
    };
    tell_end(ctx, recency, &report).await?;
    let status = if report.status.is_final() {
        StatusCode::CREATED
    } else {
        StatusCode::ACCEPTED
    };
    let location = HeaderValue::from_str(&location)
        .map_err(|_| Error::internal("report.location", "an id is not a header value"))?;
    let mut response = (status, Json(ReportView::from(report))).into_response();
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

fn wait(params: &mut Params, most: Duration) -> Result<Option<Duration>> {
    let wait = params.read(
        "wait",
        "true, false or a number of seconds",
        |text| match text {
            "true" => Some(Some(WAIT_DEFAULT)),
            "false" | "0" => Some(None),
            text => text
                .parse()
                .ok()
                .map(|seconds| Some(Duration::from_secs(seconds))),
        },
    )?;
    Ok(wait.flatten().map(|wait| wait.min(most)))
}

fn fields(params: &mut Params) -> Result<(Place, UploadReport)> {
    let place = place(params)?;
    let asset = params.one("asset")?.ok_or_else(|| {
        Error::invalid(
            "asset.required",
            "name what was scanned, with the field asset",
        )
        .on_field("asset")
    })?;
    let upload = UploadReport {
        asset,
        asset_kind: params.read(
            "asset_kind",
            "REPOSITORY, IMAGE, HOST, URL, CLOUD_ACCOUNT, PACKAGE or OTHER",
            word::<AssetKind>,
        )?,
        r#ref: params.one("ref")?,
        file_name: params.one("file_name")?.unwrap_or_default(),
        format: params.one("format")?,
        category: params.read(
            "category",
            "SAST, SCA, CONTAINER, SECRET, IAC, DAST, NETWORK, CLOUD or OTHER",
            word::<Category>,
        )?,
        commit: params.one("commit")?,
        scanned_at: params.time("scanned_at")?,
        partial: params.flag("partial")?.unwrap_or_default(),
        environment: params.one("environment")?,
    };
    Ok((place, upload))
}

/// A word of a closed list, in any case, with `-` or `_` between its parts.
pub(super) fn word<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    let word = text.trim().to_ascii_uppercase().replace('-', "_");
    serde_json::from_value(serde_json::Value::String(word)).ok()
}

fn broken_off() -> Error {
    Error::invalid(
        "body.truncated",
        "the body ended before it was whole; send it again",
    )
}

/// Refuses a body beside an upload's name: it would be thrown away.
async fn nothing(body: Body) -> Result<()> {
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        if !piece.map_err(|_| broken_off())?.is_empty() {
            return Err(Error::invalid(
                "upload.body",
                "the bytes of this report were sent to its upload; leave the body out, or the upload",
            )
            .on_field("upload"));
        }
    }
    Ok(())
}

/// The whole body. One that says that it is too large is not even begun.
pub(super) async fn whole(body: Body, limit: u64) -> Result<Bytes> {
    if body.size_hint().lower() > limit {
        return Err(too_large(limit));
    }
    let most = body.size_hint().exact().unwrap_or_default();
    let mut whole = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        add(&mut whole, &piece.map_err(|_| broken_off())?, limit)?;
    }
    Ok(whole.into())
}

fn add(whole: &mut Vec<u8>, piece: &[u8], limit: u64) -> Result<()> {
    let size = u64::try_from(whole.len().saturating_add(piece.len())).unwrap_or(u64::MAX);
    if size > limit {
        return Err(too_large(limit));
    }
    whole.extend_from_slice(piece);
    Ok(())
}

/// The file of a form and its name; the other fields join the parameters.
async fn form(
    request: Request,
    state: &AppState,
    params: &mut Params,
    limit: u64,
) -> Result<(Bytes, Option<String>)> {
    let malformed = |_| {
        Error::invalid(
            "body.malformed",
            "the form can't be read; it must be multipart/form-data",
        )
    };
    let mut form = Multipart::from_request(request, state)
        .await
        .map_err(|_| malformed(()))?;
    let mut file = None;
    let mut fields = 0;
    while let Some(mut field) = form.next_field().await.map_err(|_| broken_off())? {
        let name = field.name().unwrap_or_default().to_owned();
        let is_file = name == "file";
        if is_file && file.is_some() {
            return Err(Error::invalid(
                "body.malformed",
                "a form holds one file; send others with a form each",
            )
            .on_field("file"));
        }
        fields += usize::from(!is_file);
        if fields > FIELDS {
            return Err(Error::limit(
                "form.too_many",
                format!("a form has at most {FIELDS} fields beside the file"),
            ));
        }
        let file_name = field.file_name().map(str::to_owned);
        let mut whole = Vec::new();
        while let Some(piece) = field.chunk().await.map_err(|_| broken_off())? {
            if is_file {
                add(&mut whole, &piece, limit)?;
            } else if whole.len().saturating_add(piece.len()) > FIELD_BYTES {
                return Err(Error::limit(
                    "body.field_too_large",
                    format!("a text field has at most {FIELD_BYTES} bytes"),
                )
                .on_field(name));
            } else {
                whole.extend_from_slice(&piece);
            }
        }
        if is_file {
            file = Some((Bytes::from(whole), file_name));
        } else {
            let text = String::from_utf8(whole).map_err(|_| {
                Error::invalid("body.malformed", "a text field is not UTF-8")
                    .on_field(name.as_str())
            })?;
            params.add(name, text);
        }
    }
    file.ok_or_else(|| {
        Error::invalid(
            "report.missing",
            "the form holds no file; send it in the field file",
        )
        .on_field("file")
    })
}
