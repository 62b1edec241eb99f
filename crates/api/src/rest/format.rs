//! The report formats that can be read.

use axum::extract::State;
use gna_domain::import::{Category, FormatInfo};
use serde::Serialize;
use utoipa::ToSchema;

use super::view::{ListView, ProblemView};
use crate::auth::{Auth, signed_out};
use crate::problem::Problem;
use crate::state::AppState;

/// A format.
#[derive(Serialize, ToSchema)]
pub struct FormatView {
    /// What uploads name it by.
    #[schema(example = "trivy")]
    name: String,
    #[schema(example = "Trivy JSON")]
    title: String,
    /// The tool its reports come from where they do not say.
    tool: String,
    #[schema(value_type = String, example = "SCA")]
    category: Category,
    /// Which fields make two findings the same, in words.
    identity: String,
    /// Whether reports of any size are read in little memory.
    streams: bool,
}

impl From<FormatInfo> for FormatView {
    fn from(info: FormatInfo) -> Self {
        Self {
            name: info.name,
            title: info.title,
            tool: info.tool,
            category: info.category,
            identity: info.identity,
            streams: info.streams,
        }
    }
}

/// All formats, by name.
#[utoipa::path(get, path = "/api/v2/formats", tag = "reports",
    responses((status = 200, body = ListView<FormatView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(
    auth: Auth,
    State(state): State<AppState>,
) -> Result<ListView<FormatView>, Problem> {
    if auth.ctx().actor == gna_domain::Actor::Anonymous {
        return Err(signed_out().into());
    }
    let formats = state.ports.parsing.formats();
    Ok(ListView::whole(
        formats.into_iter().map(FormatView::from).collect(),
    ))
}
