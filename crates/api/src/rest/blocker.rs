//! Blockers: what keeps people from testing or repairing.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use gna_domain::Error;
use gna_domain::model::{Blocker, BlockerEntry, BlockerKind, BlockerStatus};
use gna_domain::policy::Action;
use gna_domain::port::store::Stored;
use gna_domain::rules::blocker::Command;
use gna_domain::service::blocker;
use gna_domain::service::scope::{self, Place};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::view::{ListView, NoteView, PageParams, PlaceParams, ProblemView, place};
use crate::auth::Auth;
use crate::extract::{self, Params, id};
use crate::problem::Problem;

/// Something that is in the way.
#[derive(Serialize, ToSchema)]
pub struct BlockerView {
    #[schema(example = "blo_0190f1d4a4d27c6b9d0e0f7a4a1b2c3d")]
    id: String,
    organization: String,
    group: String,
    /// Null: it is about all of the group.
    asset: Option<String>,
    #[schema(value_type = String, example = "ENVIRONMENT")]
    kind: BlockerKind,
    title: String,
    /// Plain text or Markdown, as it was sent: it may hold HTML, which must not be trusted.
    description: String,
    #[schema(value_type = String, example = "OPEN")]
    status: BlockerStatus,
    opened: NoteView,
    /// Who says that it is out of the way, and how.
    proposed: Option<NoteView>,
    solved: Option<NoteView>,
    #[schema(format = DateTime)]
    created: String,
    version: u64,
}

impl From<Stored<Blocker>> for BlockerView {
    fn from(stored: Stored<Blocker>) -> Self {
        let version = stored.version;
        let of = stored.value;
        Self {
            id: of.id.to_string(),
            organization: of.organization.to_string(),
            group: of.group.to_string(),
            asset: of.asset.map(|asset| asset.to_string()),
            kind: of.kind,
            title: of.title,
            description: of.description,
            status: of.status,
            opened: of.opened.into(),
            proposed: of.proposed.map(Into::into),
            solved: of.solved.map(Into::into),
            created: of.created.to_string(),
            version,
        }
    }
}

/// One line of a blocker's record.
#[derive(Serialize, ToSchema)]
pub struct BlockerEntryView {
    /// From 1, without gaps.
    number: u32,
    #[schema(example = "COMMENTED")]
    kind: &'static str,
    note: NoteView,
    /// The words, read as Markdown, as HTML that is safe to show: no scripts, no styles, no pictures.
    html: Option<String>,
}

impl From<Stored<BlockerEntry>> for BlockerEntryView {
    fn from(stored: Stored<BlockerEntry>) -> Self {
        let entry = stored.value;
        Self {
            number: entry.number,
            kind: entry.kind.as_str(),
            html: entry.note.reason.as_deref().map(crate::markdown::render),
            note: entry.note.into(),
        }
    }
}

/// Which blockers.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters; they are read one by one"
)]
pub struct StatusParams {
    /// `OPEN`, `PROPOSED` or `SOLVED`; all if left out.
    status: Option<String>,
}

/// The blockers of a group, newest first.
#[utoipa::path(get, path = "/api/v2/blockers", tag = "blockers", params(PlaceParams, StatusParams, PageParams),
    responses((status = 200, body = ListView<BlockerView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(auth: Auth, mut params: Params) -> Result<ListView<BlockerView>, Problem> {
    let place = place(&mut params)?;
    let status = params.read("status", "OPEN, PROPOSED or SOLVED", |text| {
        BlockerStatus::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
    })?;
    let page = params.page()?;
    params.done()?;
    let group = scope::one(auth.ctx(), &place, Action::BlockerRead).await?;
    let page = blocker::of_group(auth.ctx(), &group, status, page).await?;
    Ok(ListView::page(page, BlockerView::from))
}

/// What is in the way.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBlocker {
    /// Slug or id.
    organization: Option<String>,
    /// Slug or id. Not needed with a token that belongs to one group.
    group: Option<String>,
    /// Id of the asset; left out: it is about all of the group.
    asset: Option<String>,
    /// `ENVIRONMENT`, `CREDENTIALS`, `NETWORK`, `BUILD`, `DATA`, `AUTHORIZATION`, `SCOPE`,
    /// `SUSPENDED` or `OTHER`.
    #[serde(default)]
    #[schema(value_type = String, example = "ENVIRONMENT")]
    kind: BlockerKind,
    /// One line of at most 200 bytes.
    title: String,
    /// Plain text or Markdown, at most 10,000 bytes.
    #[serde(default)]
    description: String,
}

/// Says that something is in the way.
#[utoipa::path(post, path = "/api/v2/blockers", tag = "blockers", request_body = NewBlocker,
    responses((status = 201, body = BlockerView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn create(
    auth: Auth,
    extract::Json(new): extract::Json<NewBlocker>,
) -> Result<(StatusCode, Json<BlockerView>), Problem> {
    let place = Place {
        organization: new.organization,
        group: new.group,
    };
    let group = scope::one(auth.ctx(), &place, Action::BlockerWrite).await?;
    let asset = new.asset.map(|asset| asset.parse()).transpose();
    let input = blocker::OpenBlocker {
        kind: new.kind,
        title: new.title,
        description: new.description,
        asset: asset.map_err(|error: Error| error.on_field("asset"))?,
    };
    let opened = blocker::open(auth.ctx(), &group, input).await?;
    Ok((StatusCode::CREATED, Json(opened.into())))
}

/// One blocker.
#[utoipa::path(get, path = "/api/v2/blockers/{blocker}", tag = "blockers", params(("blocker" = String, Path)),
    responses((status = 200, body = BlockerView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn show(auth: Auth, Path(blocker): Path<String>) -> Result<Json<BlockerView>, Problem> {
    let id = id::<Blocker>(auth.ctx(), &blocker)?;
    Ok(Json(blocker::require(auth.ctx(), id).await?.into()))
}

/// Other words; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangedBlocker {
    #[schema(value_type = Option<String>, example = "NETWORK")]
    kind: Option<BlockerKind>,
    /// One line of at most 200 bytes.
    title: Option<String>,
    /// Plain text or Markdown, at most 10,000 bytes.
    description: Option<String>,
    /// The version that was seen, to lose no race.
    expected_version: Option<u64>,
}

/// Changes what it says.
#[utoipa::path(patch, path = "/api/v2/blockers/{blocker}", tag = "blockers", params(("blocker" = String, Path)), request_body = ChangedBlocker,
    responses((status = 200, body = BlockerView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn update(
    auth: Auth,
    Path(blocker): Path<String>,
    extract::Json(body): extract::Json<ChangedBlocker>,
) -> Result<Json<BlockerView>, Problem> {
    let command = Command::Change {
        kind: body.kind,
        title: body.title,
        description: body.description,
    };
    act(&auth, &blocker, command, None, body.expected_version).await
}

/// Something to say.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockerWord {
    /// Plain text or Markdown. A comment has at most 20,000 bytes, all others 2,000.
    text: String,
    /// The version that was seen, to lose no race.
    expected_version: Option<u64>,
}

async fn act(
    auth: &Auth,
    blocker: &str,
    command: Command,
    text: Option<&str>,
    expected: Option<u64>,
) -> Result<Json<BlockerView>, Problem> {
    let id = id::<Blocker>(auth.ctx(), blocker)?;
    let after = blocker::act(auth.ctx(), id, &command, text, expected).await?;
    Ok(Json(after.into()))
}

async fn say(
    auth: &Auth,
    blocker: &str,
    command: Command,
    word: &BlockerWord,
) -> Result<Json<BlockerView>, Problem> {
    act(
        auth,
        blocker,
        command,
        Some(&word.text),
        word.expected_version,
    )
    .await
}

/// What happened to it and what was said about it, oldest first.
#[utoipa::path(get, path = "/api/v2/blockers/{blocker}/entries", tag = "blockers", params(("blocker" = String, Path), PageParams),
    responses((status = 200, body = ListView<BlockerEntryView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn entries(
    auth: Auth,
    Path(blocker): Path<String>,
    mut params: Params,
) -> Result<ListView<BlockerEntryView>, Problem> {
    let id = id::<Blocker>(auth.ctx(), &blocker)?;
    let page = params.page()?;
    params.done()?;
    blocker::require(auth.ctx(), id).await?;
    let page = blocker::entries(auth.ctx(), id, page).await?;
    Ok(ListView::page(page, BlockerEntryView::from))
}

/// Says something about it, also after it is solved.
#[utoipa::path(post, path = "/api/v2/blockers/{blocker}/comments", tag = "blockers", params(("blocker" = String, Path)), request_body = BlockerWord,
    responses((status = 200, body = BlockerView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn comment(
    auth: Auth,
    Path(blocker): Path<String>,
    extract::Json(body): extract::Json<BlockerWord>,
) -> Result<Json<BlockerView>, Problem> {
    say(&auth, &blocker, Command::Comment, &body).await
}

/// Says that it is out of the way, and how; somebody who may solve it answers.
#[utoipa::path(post, path = "/api/v2/blockers/{blocker}/propose", tag = "blockers", params(("blocker" = String, Path)), request_body = BlockerWord,
    responses((status = 200, body = BlockerView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn propose(
    auth: Auth,
    Path(blocker): Path<String>,
    extract::Json(body): extract::Json<BlockerWord>,
) -> Result<Json<BlockerView>, Problem> {
    say(&auth, &blocker, Command::Propose, &body).await
}

/// Says that it is in the way all the same, and why.
#[utoipa::path(post, path = "/api/v2/blockers/{blocker}/reject", tag = "blockers", params(("blocker" = String, Path)), request_body = BlockerWord,
    responses((status = 200, body = BlockerView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn reject(
    auth: Auth,
    Path(blocker): Path<String>,
    extract::Json(body): extract::Json<BlockerWord>,
) -> Result<Json<BlockerView>, Problem> {
    say(&auth, &blocker, Command::Reject, &body).await
}

/// Says that it is out of the way for good, and how. The retests that wait for it go on soon after.
#[utoipa::path(post, path = "/api/v2/blockers/{blocker}/solve", tag = "blockers", params(("blocker" = String, Path)), request_body = BlockerWord,
    responses((status = 200, body = BlockerView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn solve(
    auth: Auth,
    Path(blocker): Path<String>,
    extract::Json(body): extract::Json<BlockerWord>,
) -> Result<Json<BlockerView>, Problem> {
    say(&auth, &blocker, Command::Solve, &body).await
}
