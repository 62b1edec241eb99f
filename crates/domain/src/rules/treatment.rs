//! What is being done about a vulnerability: worked on, accepted for a time, or accepted for good.
//!
//! A permanent acceptance takes two people. Until the second one has decided, the treatment stays
//! what it was: a refusal restores nothing because nothing was replaced, and nobody's build passes
//! on an acceptance that only one person wants.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::{Note, Policy, State, Treatment, Vulnerability, VulnerabilityEvent};
use crate::time::Timestamp;

/// Longest reason that a person may give for a decision, in bytes.
pub const REASON_LIMIT: usize = 2_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Its assignee begins to work on it.
    Start,
    /// The risk is borne until then.
    Accept { until: Timestamp },
    /// Asks for the risk to be borne for good.
    Request,
    /// Another person agrees to that.
    Approve,
    /// Another person does not.
    Reject,
    /// Who asked no longer does.
    Withdraw,
    /// Nothing is being done.
    Reset,
}

/// # Errors
/// `vulnerability.not_open`, `treatment.unchanged`, `treatment.no_assignee`, `treatment.pending`,
/// `acceptance.in_past`, `acceptance.too_long`, `acceptance.too_often`, `acceptance.severity`,
/// `acceptance.not_requested`, `approval.needs_person`, `approval.same_person`,
/// `approval.other_person`, `reason.required`.
pub fn decide(
    current: &Vulnerability,
    command: &Command,
    policy: &Policy,
    note: &Note,
) -> Result<Vec<VulnerabilityEvent>> {
    let triage = &current.triage;
    let decided = || note.clone();
    match command {
        Command::Approve | Command::Reject | Command::Withdraw => {
            return answer(current, command, policy, note);
        }
        _ if triage.acceptance_request.is_some() => {
            return Err(Error::conflict(
                "treatment.pending",
                "someone asked for it to be accepted permanently; decide on that, or have it withdrawn, first",
            ));
        }
        _ => {}
    }
    let treatment = match command {
        Command::Reset if triage.treatment == Treatment::Untreated => return unchanged(),
        Command::Reset => Treatment::Untreated,
        _ if !matches!(current.state, State::Open | State::Submitted) => {
            return Err(Error::conflict(
                "vulnerability.not_open",
                "it is not open: there is nothing to treat",
            ));
        }
        Command::Start if triage.assignee.is_none() => {
            return Err(Error::conflict(
                "treatment.no_assignee",
                "nobody is assigned to it; say who works on it",
            ));
        }
        Command::Start if matches!(triage.treatment, Treatment::InProgress { .. }) => {
            return unchanged();
        }
        Command::Start => Treatment::InProgress { decided: decided() },
        Command::Accept { until } => {
            reason(note)?;
            acceptable_until(current, *until, policy, note.at)?;
            Treatment::Accepted {
                until: *until,
                decided: decided(),
            }
        }
        _ => {
            if matches!(triage.treatment, Treatment::AcceptedPermanently { .. }) {
                return unchanged();
            }
            reason(note)?;
            acceptable_severity(current, policy)?;
            return Ok(vec![VulnerabilityEvent::AcceptanceRequested {
                request: decided(),
            }]);
        }
    };
    Ok(vec![VulnerabilityEvent::TreatmentChanged { treatment }])
}

/// What becomes of a request.
fn answer(
    current: &Vulnerability,
    command: &Command,
    policy: &Policy,
    note: &Note,
) -> Result<Vec<VulnerabilityEvent>> {
    let Some(request) = &current.triage.acceptance_request else {
        return Err(Error::conflict(
            "acceptance.not_requested",
            "nobody asked for it to be accepted permanently",
        ));
    };
    if *command == Command::Withdraw {
        return if request.is_same_person(note) {
            Ok(vec![VulnerabilityEvent::AcceptanceWithdrawn])
        } else {
            Err(Error::conflict(
                "approval.other_person",
                "only who made the request can withdraw it; you can reject it",
            ))
        };
    }
    second_person(request, note)?;
    if *command == Command::Reject {
        reason(note)?;
        return Ok(vec![VulnerabilityEvent::AcceptanceRejected]);
    }
    acceptable_severity(current, policy)?;
    let treatment = Treatment::AcceptedPermanently {
        decided: request.clone(),
        approved: note.clone(),
    };
    Ok(vec![VulnerabilityEvent::TreatmentChanged { treatment }])
}

/// What time alone does: an acceptance past its date ends, a request that nobody decided on lapses.
#[must_use]
pub fn elapse(current: &Vulnerability, policy: &Policy, now: Timestamp) -> Vec<VulnerabilityEvent> {
    let mut events = Vec::new();
    if current.merged_into.is_some() {
        return events;
    }
    if expires(current).is_some_and(|at| at <= now) {
        events.push(VulnerabilityEvent::AcceptanceExpired);
    }
    if lapses(current, policy).is_some_and(|at| at <= now) {
        events.push(VulnerabilityEvent::AcceptanceLapsed);
    }
    events
}

/// When its acceptance ends.
#[must_use]
pub fn expires(current: &Vulnerability) -> Option<Timestamp> {
    current.triage.treatment.until()
}

/// When a request for permanent acceptance lapses.
#[must_use]
pub fn lapses(current: &Vulnerability, policy: &Policy) -> Option<Timestamp> {
    let request = current.triage.acceptance_request.as_ref()?;
    (policy.acceptance_request_days != 0).then(|| {
        request
            .at
            .plus_days(i64::from(policy.acceptance_request_days))
    })
}

/// Whether the policy lets it be accepted until then, decided at `now`.
///
/// # Errors
/// `treatment.unchanged`, `acceptance.in_past`, `acceptance.too_long`, `acceptance.too_often`,
/// `acceptance.severity`.
pub fn acceptable_until(
    current: &Vulnerability,
    until: Timestamp,
    policy: &Policy,
    now: Timestamp,
) -> Result<()> {
    if current.triage.treatment.until() == Some(until) {
        return unchanged().map(|_| ());
    }
    if until <= now {
        return Err(
            Error::invalid("acceptance.in_past", "an acceptance ends in the future")
                .on_field("until"),
        );
    }
    let days = policy.max_acceptance_days;
    if days != 0 && until > now.plus_days(i64::from(days)) {
        return Err(Error::invalid(
            "acceptance.too_long",
            format!("the policy lets an acceptance last {days} days at most"),
        )
        .on_field("until"));
    }
    if policy.max_acceptances != 0 && current.triage.acceptances >= policy.max_acceptances {
        return Err(Error::conflict(
            "acceptance.too_often",
            format!(
                "it was accepted {} times already, as often as the policy allows",
                current.triage.acceptances
            ),
        ));
    }
    acceptable_severity(current, policy)
}

/// # Errors
/// `acceptance.severity`.
pub fn acceptable_severity(current: &Vulnerability, policy: &Policy) -> Result<()> {
    let (min, max) = (
        policy.acceptance_min_severity,
        policy.acceptance_max_severity,
    );
    if (min..=max).contains(&current.severity.score) {
        Ok(())
    } else {
        Err(Error::conflict(
            "acceptance.severity",
            format!("the policy lets severities from {min:.1} to {max:.1} be accepted"),
        ))
    }
}

/// A decision on someone's request must be another person's.
pub(super) fn second_person(request: &Note, note: &Note) -> Result<()> {
    if !note.is_of_a_person() {
        return Err(Error::conflict(
            "approval.needs_person",
            "a person must decide on it, not a machine's token",
        ));
    }
    if request.is_same_person(note) {
        return Err(Error::conflict(
            "approval.same_person",
            "another person than the one who asked must decide on it",
        ));
    }
    Ok(())
}

/// A decision that others will ask about needs its reason.
pub(super) fn reason(note: &Note) -> Result<()> {
    if note.reason.is_none() {
        return Err(
            Error::invalid("reason.required", "say why; it is kept in the history")
                .on_field("reason"),
        );
    }
    Ok(())
}

/// # Errors
/// `reason.too_long`.
pub(super) fn reason_length(note: &Note) -> Result<()> {
    if note.reason.as_ref().map_or(0, String::len) > REASON_LIMIT {
        return Err(Error::limit(
            "reason.too_long",
            format!("a reason has at most {REASON_LIMIT} bytes"),
        )
        .on_field("reason"));
    }
    Ok(())
}

fn unchanged() -> Result<Vec<VulnerabilityEvent>> {
    Err(Error::conflict(
        "treatment.unchanged",
        "it is treated that way already",
    ))
}
