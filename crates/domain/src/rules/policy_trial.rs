//! What another policy would change about a vulnerability, told before anybody sets it.

use serde::{Deserialize, Serialize};

use super::gate::{Candidate, Judgement, Limits, Terms, judge};
use super::treatment::{acceptable_severity, acceptable_until};
use super::{sla, treatment};
use crate::error::Result;
use crate::model::{Policy, PolicyOverride, Treatment, Vulnerability};
use crate::time::Timestamp;

/// One thing that would change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Effect {
    /// It gets a due date.
    GetsDueDate,
    LosesDueDate,
    DueSooner,
    DueLater,
    /// Its due date would have passed already.
    BecomesOverdue,
    NoLongerOverdue,
    /// It could be accepted for a day and can't now.
    BecomesAcceptable,
    NoLongerAcceptable,
    /// It is accepted as the policy would no longer allow. The acceptance stays until its end.
    AcceptanceOutside,
    /// The request to accept it for good would lapse at once.
    RequestLapses,
    /// It would break the gate on its default ref.
    BreaksGate,
    /// It would no longer break it.
    SparedByGate,
}

impl Effect {
    pub const ALL: [Self; 12] = [
        Self::GetsDueDate,
        Self::LosesDueDate,
        Self::DueSooner,
        Self::DueLater,
        Self::BecomesOverdue,
        Self::NoLongerOverdue,
        Self::BecomesAcceptable,
        Self::NoLongerAcceptable,
        Self::AcceptanceOutside,
        Self::RequestLapses,
        Self::BreaksGate,
        Self::SparedByGate,
    ];
}

/// The terms that apply in a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    policy: Policy,
    terms: Terms,
}

impl Applied {
    /// # Errors
    /// `gate.contradiction`.
    pub fn new(organization: &PolicyOverride, group: &PolicyOverride) -> Result<Self> {
        let limits = Limits::of_policy(organization, group);
        Ok(Self {
            policy: Policy::effective(organization, group),
            terms: Limits::agreed(&limits, &Limits::default(), false)?,
        })
    }
}

/// What would be another outcome for it at that moment.
#[must_use]
pub fn effects(
    value: &Vulnerability,
    before: &Applied,
    after: &Applied,
    now: Timestamp,
) -> Vec<Effect> {
    let mut effects = Vec::new();
    let due = |applied: &Applied| sla::due(value, &applied.policy);
    match (due(before), due(after)) {
        (None, Some(_)) => effects.push(Effect::GetsDueDate),
        (Some(_), None) => effects.push(Effect::LosesDueDate),
        (Some(was), Some(is)) if is < was => effects.push(Effect::DueSooner),
        (Some(was), Some(is)) if is > was => effects.push(Effect::DueLater),
        _ => {}
    }
    let overdue = |applied: &Applied| due(applied).is_some_and(|due| due <= now);
    let acceptable =
        |applied: &Applied| acceptable_until(value, now.plus_days(1), &applied.policy, now).is_ok();
    let outside = |applied: &Applied| outside(value, &applied.policy);
    let lapses =
        |applied: &Applied| treatment::lapses(value, &applied.policy).is_some_and(|at| at <= now);
    let breaks = |applied: &Applied| {
        value.on_default_ref
            && judge(&Candidate::of(value, false, now), &applied.terms, now) == Judgement::Breaks
    };
    let mut turns = |was: bool, is: bool, on: Option<Effect>, off: Option<Effect>| match (was, is) {
        (false, true) => effects.extend(on),
        (true, false) => effects.extend(off),
        _ => {}
    };
    turns(
        overdue(before),
        overdue(after),
        Some(Effect::BecomesOverdue),
        Some(Effect::NoLongerOverdue),
    );
    turns(
        acceptable(before),
        acceptable(after),
        Some(Effect::BecomesAcceptable),
        Some(Effect::NoLongerAcceptable),
    );
    turns(
        outside(before),
        outside(after),
        Some(Effect::AcceptanceOutside),
        None,
    );
    turns(
        lapses(before),
        lapses(after),
        Some(Effect::RequestLapses),
        None,
    );
    turns(
        breaks(before),
        breaks(after),
        Some(Effect::BreaksGate),
        Some(Effect::SparedByGate),
    );
    effects
}

/// Whether its acceptance is one that the policy would not grant.
fn outside(value: &Vulnerability, policy: &Policy) -> bool {
    match &value.triage.treatment {
        Treatment::Accepted { until, decided } => {
            let days = policy.max_acceptance_days;
            acceptable_severity(value, policy).is_err()
                || (days != 0 && *until > decided.at.plus_days(i64::from(days)))
        }
        Treatment::AcceptedPermanently { .. } => acceptable_severity(value, policy).is_err(),
        Treatment::Untreated | Treatment::InProgress { .. } => false,
    }
}
