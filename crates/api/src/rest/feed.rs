//! Feeds of threats, and the priorities that rest on them.

use axum::Json;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::StatusCode;
use gna_domain::Ctx;
use gna_domain::error::{Error, Result};
use gna_domain::model::{FeedKind, ThreatFeed};
use gna_domain::rules::priority::{Priority, in_tenths};
use gna_domain::service::feeds;
use gna_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::job::JobView;
use super::view::{ListView, ProblemView};
use crate::auth::Auth;
use crate::extract::{Json as Body, Params};
use crate::problem::Problem;

/// What to look at first.
#[derive(Serialize, ToSchema)]
pub struct PriorityView {
    /// The sum of the parts, 0.0 to 10.0.
    score: f64,
    /// The moment that the newest feed of threats is of; null where none was imported.
    #[schema(format = DateTime)]
    as_of: Option<String>,
    parts: Vec<PartView>,
}

/// A part of a priority with its reason.
#[derive(Serialize, ToSchema)]
pub struct PartView {
    /// `SEVERITY`, `EXPLOIT_PROBABILITY`, `KNOWN_EXPLOITATION`, `EXPOSURE`, `CRITICALITY`, `REACHABILITY`, `FIX_AVAILABLE`.
    factor: &'static str,
    points: f64,
    because: String,
}

impl PriorityView {
    pub fn new(priority: &Priority, as_of: Option<Timestamp>) -> Self {
        Self {
            score: priority.score(),
            as_of: as_of.map(|at| at.to_string()),
            parts: priority
                .parts
                .iter()
                .map(|part| PartView {
                    factor: part.factor.as_str(),
                    points: in_tenths(part.tenths),
                    because: part.because.clone(),
                })
                .collect(),
        }
    }
}

/// What was last taken from a feed.
#[derive(Serialize, ToSchema)]
pub struct FeedView {
    #[schema(example = "EPSS")]
    kind: &'static str,
    /// The moment that its data is of.
    #[schema(format = DateTime)]
    as_of: String,
    #[schema(format = DateTime)]
    imported: String,
    by: String,
    /// A file's name, or an address.
    source: String,
    /// How many CVEs it tells of.
    entries: u64,
    /// Of how many CVEs something else is known since.
    changed: u64,
}

impl From<ThreatFeed> for FeedView {
    fn from(feed: ThreatFeed) -> Self {
        Self {
            kind: feed.kind.as_str(),
            as_of: feed.as_of.to_string(),
            imported: feed.imported.to_string(),
            by: feed.by,
            source: feed.source,
            entries: feed.entries,
            changed: feed.changed,
        }
    }
}

/// What was last taken from each feed of threats.
#[utoipa::path(get, path = "/api/v2/feeds", tag = "feeds",
    responses((status = 200, body = ListView<FeedView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(auth: Auth) -> Result<ListView<FeedView>, Problem> {
    let feeds = feeds::list(auth.ctx()).await?;
    Ok(ListView::whole(
        feeds.into_iter().map(FeedView::from).collect(),
    ))
}

fn kind(ctx: &Ctx, name: &str) -> Result<FeedKind> {
    FeedKind::named(name).ok_or_else(|| ctx.absent::<ThreatFeed>())
}

/// Takes a feed in, as it is published, plain or as gzip: EPSS as CSV, KEV as JSON. What can't be read
/// to its end is refused; else a job applies it. Needs `instance.manage`.
#[utoipa::path(post, path = "/api/v2/feeds/{feed}", tag = "feeds",
    params(("feed" = String, Path, description = "`epss` or `kev`"), ("source" = Option<String>, Query, description = "What it is remembered by, such as a file's name")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 202, body = JobView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn import(
    auth: Auth,
    Path(feed): Path<String>,
    mut params: Params,
    bytes: std::result::Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<(StatusCode, Json<JobView>), Problem> {
    let ctx = auth.ctx();
    let kind = kind(ctx, &feed)?;
    let source = params.one("source")?;
    params.done()?;
    let bytes = bytes.map_err(|_| {
        Error::limit(
            "body.too_large",
            format!("a feed has at most {} bytes as sent", feeds::LARGEST),
        )
    })?;
    let job = feeds::import(ctx, kind, source.as_deref().unwrap_or("upload"), bytes).await?;
    Ok((StatusCode::ACCEPTED, Json(job.into())))
}

/// From where to fetch.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateBody {
    /// Where it is published, if left out.
    url: Option<String>,
}

/// Has a feed fetched and applied, as a job. Needs `instance.manage`.
#[utoipa::path(post, path = "/api/v2/feeds/{feed}/updates", tag = "feeds", request_body = UpdateBody,
    params(("feed" = String, Path, description = "`epss` or `kev`")),
    responses((status = 202, body = JobView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn update(
    auth: Auth,
    Path(feed): Path<String>,
    Body(body): Body<UpdateBody>,
) -> Result<(StatusCode, Json<JobView>), Problem> {
    let ctx = auth.ctx();
    let kind = kind(ctx, &feed)?;
    let job = feeds::update(ctx, kind, body.url.as_deref()).await?;
    Ok((StatusCode::ACCEPTED, Json(job.into())))
}
