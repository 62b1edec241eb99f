//! Shapes that several resources share: lists, where things are, problems.

use axum::Json;
use axum::response::{IntoResponse, Response};
use gna_domain::error::Result;
use gna_domain::model::{Failure, Note};
use gna_domain::page::Page;
use gna_domain::service::scope::Place;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::extract::Params;

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub struct ListView<T> {
    pub items: Vec<T>,
    /// Continues after this page, as `after`; null where nothing follows.
    pub next: Option<String>,
}

impl<T> ListView<T> {
    /// A list that has one page.
    #[must_use]
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }

    #[must_use]
    pub fn page<U>(page: Page<U>, view: impl FnMut(U) -> T) -> Self {
        let page = page.map(view);
        Self {
            items: page.items,
            next: page.next.map(|cursor| cursor.0),
        }
    }
}

/// Where the page that follows begins; becomes the header `Link`.
#[derive(Clone, Debug)]
pub struct NextPage(pub String);

/// A page on its way out, with where the next one begins.
pub fn paged(next: Option<String>, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    if let Some(next) = next {
        response.extensions_mut().insert(NextPage(next));
    }
    response
}

impl<T: Serialize> IntoResponse for ListView<T> {
    fn into_response(self) -> Response {
        let next = self.next.clone();
        paged(next, Json(self))
    }
}

/// An error (RFC 9457).
#[derive(Serialize, ToSchema)]
pub struct ProblemView {
    #[schema(example = "urn:gna:error:not_found")]
    r#type: String,
    #[schema(example = "Not Found")]
    title: String,
    #[schema(example = 404)]
    status: u16,
    /// What is wrong and what to do, for a person.
    detail: String,
    /// What is wrong, for a program; never changes its meaning.
    #[schema(example = "not_found")]
    code: String,
    /// The parameter or field that is meant.
    field: Option<String>,
    /// Also in the header `X-Request-Id`; the server's log has it.
    request_id: String,
}

/// Who decided or said something, when, and in which words.
#[derive(Serialize, ToSchema)]
pub struct NoteView {
    /// A user's or a token's id, or a part of Gna.
    by: String,
    #[schema(format = DateTime)]
    at: String,
    /// Plain text or Markdown, as it was sent: it may hold HTML, which must not be trusted.
    reason: Option<String>,
}

impl From<Note> for NoteView {
    fn from(note: Note) -> Self {
        Self {
            by: note.by,
            at: note.at.to_string(),
            reason: note.reason,
        }
    }
}

/// Why work on many records was given up.
#[derive(Serialize, ToSchema)]
pub struct FailureView {
    /// As of an error.
    #[schema(example = "bulk.too_many")]
    code: String,
    message: String,
}

impl From<Failure> for FailureView {
    fn from(failure: Failure) -> Self {
        Self {
            code: failure.code,
            message: failure.message,
        }
    }
}

/// Which page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters; they are read one by one"
)]
pub struct PageParams {
    /// 1 to 500.
    #[param(default = 50)]
    first: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// How recent what is found must be.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "describes the header; a layer reads it of every request"
)]
pub struct RecencyParams {
    /// `X-Gna-Position` of the answer to what was written before: the search index is asked once it has
    /// come so far. After 2 seconds it is asked all the same, and the answer has `X-Gna-Stale: true`.
    #[param(rename = "X-Gna-Position")]
    position: Option<String>,
}

/// Which organization.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters; they are read one by one"
)]
pub struct OrganizationParams {
    /// Slug or id; may be left out by those who belong to one.
    organization: Option<String>,
}

/// Which group.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters; they are read one by one"
)]
pub struct PlaceParams {
    /// Slug or id.
    organization: Option<String>,
    /// Slug (with its organization) or id. Not needed with a token that belongs to one group.
    group: Option<String>,
}

/// Reads what [`PlaceParams`] describes.
pub fn place(params: &mut Params) -> Result<Place> {
    Ok(Place {
        organization: params.one("organization")?,
        group: params.one("group")?,
    })
}
