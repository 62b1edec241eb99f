//! Notices: what the caller wants to be told by e-mail, and unsubscribing without signing in.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use gna_domain::model::{DigestDays, NoticeKind, NoticePreferences, NoticeRule};
use gna_domain::service::notice::preferences::{self, PreferencesChange};
use gna_domain::service::notice::unsubscribe;
use gna_domain::{Actor, Ctx, Grants};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

use super::view::ProblemView;
use crate::auth::Auth;
use crate::extract::{self, Params};
use crate::problem::Problem;
use crate::state::AppState;

/// What a person wants to be told by e-mail.
#[derive(Serialize, ToSchema)]
pub struct NoticePreferencesView {
    /// By kind: `ASSIGNED`, `NEW`, `CLOSED`, `DUE`, `REQUEST`, `COMMENT`, `REPORT`. Each has `when`
    /// (`NEVER`, `AT_ONCE`, `DIGEST`) and `min_level`.
    #[schema(value_type = Object)]
    rules: BTreeMap<NoticeKind, NoticeRule>,
    /// `DAILY`, `WORKDAYS` or `WEEKLY`.
    #[schema(value_type = String, example = "WORKDAYS")]
    days: DigestDays,
    /// Full hour of the digest, 0 to 23, in the zone.
    hour: u8,
    #[schema(example = "Europe/Berlin")]
    zone: String,
    /// Nothing is sent at all.
    muted: bool,
}

impl From<NoticePreferences> for NoticePreferencesView {
    fn from(of: NoticePreferences) -> Self {
        Self {
            rules: of.rules,
            days: of.days,
            hour: of.hour,
            zone: of.zone,
            muted: of.muted,
        }
    }
}

/// What is to be changed; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticePreferencesChange {
    /// The kinds that are to be changed.
    #[serde(default)]
    #[schema(value_type = Object)]
    rules: BTreeMap<NoticeKind, NoticeRule>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    days: Option<DigestDays>,
    #[serde(default)]
    hour: Option<u8>,
    #[serde(default)]
    zone: Option<String>,
    #[serde(default)]
    muted: Option<bool>,
}

/// What a letter's head has.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters; they are read one by one"
)]
pub struct UnsubscribeParams {
    user: String,
    token: String,
}

/// The caller's own preferences.
#[utoipa::path(get, path = "/api/v2/notices/preferences", tag = "notices",
    responses((status = 200, body = NoticePreferencesView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn show(auth: Auth) -> Result<Json<NoticePreferencesView>, Problem> {
    Ok(Json(preferences::own(auth.ctx()).await?.into()))
}

/// Changes the caller's own preferences; for people with a session.
#[utoipa::path(patch, path = "/api/v2/notices/preferences", tag = "notices", request_body = NoticePreferencesChange,
    responses((status = 200, body = NoticePreferencesView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn update(
    auth: Auth,
    extract::Json(wanted): extract::Json<NoticePreferencesChange>,
) -> Result<Json<NoticePreferencesView>, Problem> {
    let change = PreferencesChange {
        rules: wanted.rules,
        days: wanted.days,
        hour: wanted.hour,
        zone: wanted.zone,
        muted: wanted.muted,
    };
    Ok(Json(preferences::change(auth.ctx(), change).await?.into()))
}

/// Ends all notices to a person (RFC 8058). Mail programs call it with what a letter's head has.
#[utoipa::path(post, path = "/api/v2/notices/unsubscribe", tag = "notices", params(UnsubscribeParams), security(()),
    responses((status = 204), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn unsubscribe(
    State(state): State<AppState>,
    mut params: Params,
) -> Result<StatusCode, Problem> {
    let ctx = Ctx::new(state.ports.clone(), Actor::Anonymous, Grants::default());
    let user = params.one("user")?.unwrap_or_default();
    let token = params.one("token")?.unwrap_or_default();
    params.done()?;
    unsubscribe::unsubscribe(&ctx, &user, &token).await?;
    Ok(StatusCode::NO_CONTENT)
}
