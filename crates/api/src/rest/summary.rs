//! Periodic reports by e-mail: the caller's subscriptions.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use gna_domain::model::{Group, ReportEvery, ReportSubscription};
use gna_domain::port::store::Stored;
use gna_domain::service::notice::summary::{self, Wish};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::{ListView, ProblemView};
use crate::auth::Auth;
use crate::extract::{self, id};
use crate::problem::Problem;

/// That the caller gets a periodic report on a group.
#[derive(Serialize, ToSchema)]
pub struct SubscriptionView {
    /// Id of the group.
    group: String,
    organization: String,
    /// `DAY`, `WEEK` or `MONTH`.
    #[schema(value_type = String, example = "WEEK")]
    every: ReportEvery,
    hour: u8,
    zone: String,
    #[schema(format = DateTime)]
    next: String,
}

impl From<Stored<ReportSubscription>> for SubscriptionView {
    fn from(stored: Stored<ReportSubscription>) -> Self {
        let of = stored.value;
        Self {
            group: of.group.to_string(),
            organization: of.organization.to_string(),
            every: of.every,
            hour: of.hour,
            zone: of.zone,
            next: of.next.to_string(),
        }
    }
}

/// When it comes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionBody {
    /// `DAY`, `WEEK` (on Mondays) or `MONTH` (on the first).
    #[serde(default)]
    #[schema(value_type = String, example = "WEEK")]
    every: ReportEvery,
    /// Full hour, 0 to 23, in the zone.
    #[serde(default = "seven")]
    #[schema(default = 7)]
    hour: u8,
    #[serde(default = "utc")]
    #[schema(default = "UTC")]
    zone: String,
}

fn seven() -> u8 {
    7
}

fn utc() -> String {
    "UTC".to_owned()
}

/// The caller's subscriptions.
#[utoipa::path(get, path = "/api/v2/notices/subscriptions", tag = "notices",
    responses((status = 200, body = ListView<SubscriptionView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(auth: Auth) -> Result<Json<ListView<SubscriptionView>>, Problem> {
    let all = summary::list(auth.ctx()).await?;
    let views = all.into_iter().map(SubscriptionView::from).collect();
    Ok(Json(ListView::whole(views)))
}

/// The caller gets a periodic report on a group, in place of one before; for people with a session.
/// Needs `group.read`.
#[utoipa::path(post, path = "/api/v2/groups/{group}/subscription", tag = "notices", params(("group" = String, Path)), request_body = SubscriptionBody,
    responses((status = 200, body = SubscriptionView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn subscribe(
    auth: Auth,
    Path(text): Path<String>,
    extract::Json(body): extract::Json<SubscriptionBody>,
) -> Result<Json<SubscriptionView>, Problem> {
    let wish = Wish {
        group: id::<Group>(auth.ctx(), &text)?,
        every: body.every,
        hour: body.hour,
        zone: body.zone,
    };
    Ok(Json(summary::subscribe(auth.ctx(), &wish).await?.into()))
}

/// Ends the caller's subscription to a group.
#[utoipa::path(delete, path = "/api/v2/groups/{group}/subscription", tag = "notices", params(("group" = String, Path)),
    responses((status = 204), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn unsubscribe(auth: Auth, Path(text): Path<String>) -> Result<StatusCode, Problem> {
    let group = id::<Group>(auth.ctx(), &text)?;
    summary::unsubscribe(auth.ctx(), group).await?;
    Ok(StatusCode::NO_CONTENT)
}
