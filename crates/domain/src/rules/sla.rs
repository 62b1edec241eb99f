//! Due dates, and what time alone does to a vulnerability.
//!
//! The clock of an open vulnerability starts when it reaches the default ref, and anew when it is
//! opened again. The days are the policy's for its severity. What is accepted, held for a false
//! positive or set aside by its tools keeps its due date and is not announced.

use crate::model::{Level, Policy, SlaNotice, State, Treatment, Vulnerability, VulnerabilityEvent};
use crate::rules::treatment;
use crate::time::Timestamp;

/// When it must be repaired; `None` where it is not open, was never on the default ref, or the
/// policy sets no term for its severity.
#[must_use]
pub fn due(value: &Vulnerability, policy: &Policy) -> Option<Timestamp> {
    if value.state != State::Open || !value.on_default_ref || value.merged_into.is_some() {
        return None;
    }
    let days = match value.severity.level {
        Level::Critical => policy.sla_days_critical,
        Level::High => policy.sla_days_high,
        Level::Medium => policy.sla_days_medium,
        Level::Low => policy.sla_days_low,
        Level::Info => policy.sla_days_info,
    };
    let start = value
        .on_default_ref_since
        .map_or(value.state_since, |since| since.max(value.state_since));
    (days != 0).then(|| start.plus_days(i64::from(days)))
}

/// The first thing that time alone has done to it by `now` and that was not noted yet: an acceptance
/// that ended, a request that lapsed, a due date that comes near or has passed. One at a time, so
/// that each is a change of its own; ask again after noting it.
#[must_use]
pub fn elapse(
    value: &Vulnerability,
    policy: &Policy,
    now: Timestamp,
) -> Option<VulnerabilityEvent> {
    treatment::elapse(value, policy, now)
        .into_iter()
        .next()
        .or_else(|| {
            announcement(value, policy).and_then(|(at, event)| (at <= now).then_some(event))
        })
}

/// When [`elapse`] will next have something to say, if nothing else happens.
#[must_use]
pub fn next_moment(value: &Vulnerability, policy: &Policy) -> Option<Timestamp> {
    if value.merged_into.is_some() {
        return None;
    }
    let announced = announcement(value, policy).map(|(at, _)| at);
    [
        treatment::expires(value),
        treatment::lapses(value, policy),
        announced,
    ]
    .into_iter()
    .flatten()
    .min()
}

/// What is to be said next about its due date, and when.
fn announcement(value: &Vulnerability, policy: &Policy) -> Option<(Timestamp, VulnerabilityEvent)> {
    let due = due(value, policy)?;
    let triage = &value.triage;
    // What is accepted for a time is looked at again when that ends.
    let is_accepted = matches!(
        triage.treatment,
        Treatment::Accepted { .. } | Treatment::AcceptedPermanently { .. }
    );
    if is_accepted || triage.is_false_positive() || value.is_suppressed() {
        return None;
    }
    let told = value.sla.as_ref().filter(|told| told.due == due);
    if told.is_some_and(|told| told.breached) {
        return None;
    }
    let breach = (
        due,
        VulnerabilityEvent::SlaNoticed {
            notice: SlaNotice {
                due,
                breached: true,
            },
        },
    );
    if told.is_some() || policy.sla_soon_days == 0 {
        return Some(breach);
    }
    let soon = due.plus_days(-i64::from(policy.sla_soon_days));
    // A term that is shorter than the time of the announcement is announced when it begins.
    Some((
        soon,
        VulnerabilityEvent::SlaNoticed {
            notice: SlaNotice {
                due,
                breached: false,
            },
        },
    ))
}
