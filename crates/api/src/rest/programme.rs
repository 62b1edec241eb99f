//! The programme in numbers, per group and organization. Numbers of the process itself are in [`super::metrics`].

use axum::Json;
use axum::extract::Path;
use gna_domain::model::{Group, Level};
use gna_domain::service::group;
use gna_domain::service::metrics::{self, Metrics};
use serde::Serialize;
use utoipa::ToSchema;

use super::organization::named;
use super::view::ProblemView;
use crate::auth::Auth;
use crate::extract::{Params, id};
use crate::problem::Problem;

/// One severity in numbers.
#[derive(Serialize, ToSchema)]
pub struct LevelMetricsView {
    #[schema(value_type = String, example = "CRITICAL")]
    level: Level,
    /// Open ones.
    open: i64,
    /// Open ones whose risk is accepted.
    accepted: i64,
    /// Open ones whose due date has passed.
    overdue: i64,
    /// Closed ones.
    closed: i64,
    /// Closed ones that were repaired: fixed, no longer detected, or verified.
    remediated: i64,
    /// Mean days that these took, from the default ref to their last closing.
    mean_days_to_remediate: Option<f64>,
}

/// What happened in one week.
#[derive(Serialize, ToSchema)]
pub struct WeekMetricsView {
    /// Its first moment: Monday, UTC.
    #[schema(format = DateTime)]
    week: String,
    /// Vulnerabilities that reached the default ref.
    created: i64,
    /// Vulnerabilities that were closed.
    closed: i64,
    /// Vulnerabilities that were opened again.
    reopened: i64,
}

/// What is on default refs and neither suppressed nor held for a false positive, in numbers.
#[derive(Serialize, ToSchema)]
pub struct MetricsView {
    /// Worst first.
    levels: Vec<LevelMetricsView>,
    /// Open ones.
    open: i64,
    /// Closed ones.
    closed: i64,
    /// Open ones whose risk is accepted: the acceptance debt.
    accepted: i64,
    /// Open ones whose due date has passed.
    overdue: i64,
    /// Sum of 4 to the power of (score - 4) over open ones (CVSSF).
    risk_exposure: f64,
    /// Of that, what is accepted.
    accepted_exposure: f64,
    /// Share, 0.0 to 1.0, of open and closed ones that did not pass their due date; null without any.
    sla_compliance: Option<f64>,
    /// Mean days to repair, over all severities; null where nothing was repaired.
    mean_days_to_remediate: Option<f64>,
    /// The last two years by week, oldest first; weeks without a change are left out.
    weeks: Vec<WeekMetricsView>,
}

impl From<Metrics> for MetricsView {
    fn from(all: Metrics) -> Self {
        Self {
            levels: all
                .levels
                .iter()
                .map(|of| LevelMetricsView {
                    level: of.level,
                    open: of.open,
                    accepted: of.accepted,
                    overdue: of.overdue,
                    closed: of.closed,
                    remediated: of.remediated,
                    mean_days_to_remediate: of.mean_days_to_remediate,
                })
                .collect(),
            open: all.open,
            closed: all.closed,
            accepted: all.accepted,
            overdue: all.overdue,
            risk_exposure: all.risk_exposure,
            accepted_exposure: all.accepted_exposure,
            sla_compliance: all.sla_compliance,
            mean_days_to_remediate: all.mean_days_to_remediate,
            weeks: all
                .weeks
                .into_iter()
                .map(|(week, flow)| WeekMetricsView {
                    week: week.to_string(),
                    created: flow.created,
                    closed: flow.closed,
                    reopened: flow.reopened,
                })
                .collect(),
        }
    }
}

/// A group in numbers. Needs `vulnerability.read`.
#[utoipa::path(get, path = "/api/v2/groups/{group}/metrics", tag = "organizations", params(("group" = String, Path)),
    responses((status = 200, body = MetricsView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn of_group(
    auth: Auth,
    Path(text): Path<String>,
    params: Params,
) -> Result<Json<MetricsView>, Problem> {
    params.done()?;
    let found = group::require(auth.ctx(), id::<Group>(auth.ctx(), &text)?).await?;
    let all = metrics::of_group(auth.ctx(), found.organization, found.id).await?;
    Ok(Json(all.into()))
}

/// An organization in numbers, over the groups whose vulnerabilities the caller may see.
#[utoipa::path(get, path = "/api/v2/organizations/{organization}/metrics", tag = "organizations", params(("organization" = String, Path)),
    responses((status = 200, body = MetricsView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn of_organization(
    auth: Auth,
    Path(name): Path<String>,
    params: Params,
) -> Result<Json<MetricsView>, Problem> {
    params.done()?;
    let found = named(auth.ctx(), &name).await?;
    let all = metrics::of_organization(auth.ctx(), found.id).await?;
    Ok(Json(all.into()))
}
