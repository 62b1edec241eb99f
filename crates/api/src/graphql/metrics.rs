//! A group or an organization in numbers.

use async_graphql::SimpleObject;
use gna_domain::service::metrics;

use super::enums::SeverityLevel;
use super::scalar::DateTime;

/// One severity in numbers.
#[derive(SimpleObject)]
pub struct LevelMetrics {
    /// The severity.
    pub level: SeverityLevel,
    /// Open ones.
    pub open: i64,
    /// Open ones whose risk is accepted.
    pub accepted: i64,
    /// Open ones whose due date has passed.
    pub overdue: i64,
    /// Closed ones.
    pub closed: i64,
    /// Closed ones that were repaired: fixed, no longer detected, or verified.
    pub remediated: i64,
    /// Mean days that these took, from the default ref to their last closing.
    pub mean_days_to_remediate: Option<f64>,
}

/// What happened in one week.
#[derive(SimpleObject)]
pub struct WeekMetrics {
    /// Its first moment: Monday, UTC.
    pub week: DateTime,
    /// Vulnerabilities that reached the default ref.
    pub created: i64,
    /// Vulnerabilities that were closed.
    pub closed: i64,
    /// Vulnerabilities that were opened again.
    pub reopened: i64,
}

/// A group or an organization in numbers: what is on default refs and neither suppressed nor held for a
/// false positive. Kept with every change, never counted when it is asked for.
#[derive(SimpleObject)]
pub struct Metrics {
    /// By severity, worst first.
    pub levels: Vec<LevelMetrics>,
    /// Open ones.
    pub open: i64,
    /// Closed ones.
    pub closed: i64,
    /// Open ones whose risk is accepted: the acceptance debt.
    pub accepted: i64,
    /// Open ones whose due date has passed.
    pub overdue: i64,
    /// Sum of 4 to the power of (score - 4) over open ones (CVSSF).
    pub risk_exposure: f64,
    /// Of that, what is accepted.
    pub accepted_exposure: f64,
    /// Share, 0.0 to 1.0, of open and closed ones that did not pass their due date; null without any.
    pub sla_compliance: Option<f64>,
    /// Mean days to repair, over all severities; null where nothing was repaired.
    pub mean_days_to_remediate: Option<f64>,
    /// The last two years by week, oldest first; weeks without a change are left out.
    pub weeks: Vec<WeekMetrics>,
}

impl From<metrics::Metrics> for Metrics {
    fn from(all: metrics::Metrics) -> Self {
        Self {
            levels: all
                .levels
                .iter()
                .map(|of| LevelMetrics {
                    level: of.level.into(),
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
                .map(|(week, flow)| WeekMetrics {
                    week: week.into(),
                    created: flow.created,
                    closed: flow.closed,
                    reopened: flow.reopened,
                })
                .collect(),
        }
    }
}
