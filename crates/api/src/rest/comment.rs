//! Comments on a vulnerability.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use gna_domain::Error;
use gna_domain::model::{Comment, Vulnerability};
use gna_domain::port::store::Stored;
use gna_domain::service::{comment, vulnerability};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::{ListView, PageParams, ProblemView};
use crate::auth::Auth;
use crate::extract::{self, Params, id};
use crate::problem::Problem;

/// What someone said.
#[derive(Serialize, ToSchema)]
pub struct CommentView {
    id: String,
    vulnerability: String,
    /// The comment that it answers.
    parent: Option<String>,
    /// The person; null for programs.
    author: Option<String>,
    /// The person or token that said it.
    actor: String,
    /// Plain text or Markdown, as it was sent: it may hold HTML, which must not be trusted.
    text: String,
    /// The text, read as Markdown, as HTML that is safe to show: no scripts, no styles, no pictures.
    html: String,
    #[schema(format = DateTime)]
    created: String,
}

impl From<Stored<Comment>> for CommentView {
    fn from(stored: Stored<Comment>) -> Self {
        let comment = stored.value;
        Self {
            id: comment.id.to_string(),
            vulnerability: comment.vulnerability.to_string(),
            parent: comment.parent.map(|parent| parent.to_string()),
            author: comment.author.map(|author| author.to_string()),
            actor: comment.actor,
            html: crate::markdown::render(&comment.text),
            text: comment.text,
            created: comment.created.to_string(),
        }
    }
}

/// A new comment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewComment {
    /// 1 to 20,000 bytes.
    text: String,
    /// Answers this comment.
    #[serde(default)]
    parent: Option<String>,
}

/// Comments, oldest first.
#[utoipa::path(get, path = "/api/v2/vulnerabilities/{vulnerability}/comments", tag = "vulnerabilities", params(("vulnerability" = String, Path), PageParams),
    responses((status = 200, body = ListView<CommentView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(
    auth: Auth,
    Path(vulnerability): Path<String>,
    mut params: Params,
) -> Result<ListView<CommentView>, Problem> {
    let id = id::<Vulnerability>(auth.ctx(), &vulnerability)?;
    let page = params.page()?;
    params.done()?;
    let vulnerability = vulnerability::require(auth.ctx(), id).await?;
    let page = comment::list(auth.ctx(), &vulnerability, page).await?;
    Ok(ListView::page(page, CommentView::from))
}

/// Says something, or answers a comment.
#[utoipa::path(post, path = "/api/v2/vulnerabilities/{vulnerability}/comments", tag = "vulnerabilities", params(("vulnerability" = String, Path)), request_body = NewComment,
    responses((status = 201, body = CommentView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn create(
    auth: Auth,
    Path(vulnerability): Path<String>,
    extract::Json(new): extract::Json<NewComment>,
) -> Result<(StatusCode, Json<CommentView>), Problem> {
    let id = id::<Vulnerability>(auth.ctx(), &vulnerability)?;
    let parent = new
        .parent
        .map(|parent| parent.parse())
        .transpose()
        .map_err(|error: Error| error.on_field("parent"))?;
    let made = comment::add(auth.ctx(), id, &new.text, parent).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}
