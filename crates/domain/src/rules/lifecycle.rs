//! What a vulnerability becomes when something happens to it: pure functions on values.
//!
//! [`apply`] is the only way a vulnerability changes; [`settle`] says what follows from what the
//! sources show (state, severity, default ref). Services commit the events and the result together.

use crate::id::RefId;
use crate::model::{
    AppliedRule, ClosedReason, OWN_SEVERITY, Severity, Source, State, Treatment,
    VerificationOutcome, VerificationStatus, Vulnerability, VulnerabilityEvent,
};
use crate::time::Timestamp;

/// The value after one event.
#[must_use]
pub fn apply(current: &Vulnerability, event: &VulnerabilityEvent, at: Timestamp) -> Vulnerability {
    use VulnerabilityEvent as E;
    let mut next = current.clone();
    match event {
        E::Created { value } => return value.as_ref().clone(),
        E::Seen { source } => put_source(&mut next.sources, source),
        E::Gone {
            tool,
            rule,
            r#ref,
            category,
            last,
            sighting,
        } => {
            let gone = next
                .sources
                .iter_mut()
                .filter(|source| &source.tool == tool && &source.rule == rule)
                .flat_map(|source| source.presence.iter_mut())
                .filter(|presence| {
                    presence.r#ref == *r#ref
                        && presence.category == *category
                        && presence.gone.is_none()
                });
            for presence in gone {
                presence.last.clone_from(last);
                presence.gone = Some(sighting.clone());
            }
        }
        E::StateChanged { state } => {
            next.state = *state;
            next.state_since = at;
            if *state == State::Open {
                // A new term begins; what was said of the last one is over.
                next.sla = None;
            }
            if matches!(state, State::Closed(_)) {
                answer_verification(&mut next);
            }
        }
        E::Moved { location } => next.location = location.as_ref().clone(),
        E::SeverityChanged { severity } => next.severity = severity.clone(),
        E::KeysLearned {
            keys,
            identifiers,
            cwes,
        } => {
            next.keys = sorted(union(&current.keys, keys));
            next.identifiers = sorted(union(&current.identifiers, identifiers));
            next.cwes = sorted(union(&current.cwes, cwes));
        }
        E::ReachedDefaultRef => {
            next.on_default_ref = true;
            next.on_default_ref_since = Some(at);
        }
        E::LeftDefaultRef => {
            next.on_default_ref = false;
            next.on_default_ref_since = None;
        }
        E::SlaNoticed { notice } => next.sla = Some(*notice),
        E::Tagged { tags } => next.tags.clone_from(tags),
        E::Absorbed { other } => next.absorbed = union(&current.absorbed, &[*other]),
        E::MergedInto { into } => next.merged_into = Some(*into),
        E::Unmerged { other } => {
            next.absorbed.retain(|id| id != other);
            next.merged_into = next.merged_into.filter(|into| into != other);
            next.kept_apart = union(&current.kept_apart, &[*other]);
        }
        E::FindingChanged { finding } => next.finding = *finding,
        E::RuleApplied { rule, version, .. } => {
            next.rules.retain(|applied| applied.rule != *rule);
            next.rules.push(AppliedRule {
                rule: *rule,
                version: *version,
            });
        }
        _ => apply_triage(&mut next, event),
    }
    next
}

/// The events of people's decisions.
fn apply_triage(next: &mut Vulnerability, event: &VulnerabilityEvent) {
    use VulnerabilityEvent as E;
    let triage = &mut next.triage;
    match event {
        E::TreatmentChanged { treatment } => {
            if matches!(treatment, Treatment::Accepted { .. }) {
                triage.acceptances = triage.acceptances.saturating_add(1);
            }
            triage.treatment = treatment.clone();
            triage.acceptance_request = None;
        }
        E::AcceptanceExpired => triage.treatment = Treatment::Untreated,
        E::AcceptanceRequested { request } => triage.acceptance_request = Some(request.clone()),
        E::AcceptanceRejected | E::AcceptanceWithdrawn | E::AcceptanceLapsed => {
            triage.acceptance_request = None;
        }
        E::FalsePositiveChanged { false_positive } => {
            triage.false_positive.clone_from(false_positive);
        }
        E::VerificationChanged { verification } => triage.verification = Some(verification.clone()),
        E::Assigned { assignee } => triage.assignee = *assignee,
        E::SeverityRated { severity } => triage.severity.clone_from(severity),
        E::TicketLinked { ticket } => triage.ticket.clone_from(ticket),
        E::TriageMerged { triage: merged } => *triage = merged.as_ref().clone(),
        _ => {}
    }
}

/// What is closed needs no retest any more: whatever closed it has answered the question.
fn answer_verification(next: &mut Vulnerability) {
    if let Some(verification) = next
        .triage
        .verification
        .as_mut()
        .filter(|verification| verification.is_pending())
    {
        verification.status = VerificationStatus::Verified;
        verification.held = None;
        verification.outcome = Some(VerificationOutcome::Closed);
    }
}

/// The value that a history gives. The first event must be `Created`; `None` otherwise.
#[must_use]
pub fn replay<'a>(
    events: impl IntoIterator<Item = (&'a VulnerabilityEvent, Timestamp)>,
) -> Option<Vulnerability> {
    let mut events = events.into_iter();
    let first = match events.next()? {
        (VulnerabilityEvent::Created { value }, _) => value.as_ref().clone(),
        _ => return None,
    };
    Some(events.fold(first, |value, (event, at)| apply(&value, event, at)))
}

/// Applies events one after the other.
#[must_use]
pub fn apply_all(
    current: &Vulnerability,
    events: &[VulnerabilityEvent],
    at: Timestamp,
) -> Vulnerability {
    events
        .iter()
        .fold(current.clone(), |value, event| apply(&value, event, at))
}

/// What of the vulnerability's own fields must follow from its sources, as events: whether it has
/// reached the default ref, its state, its shown severity.
///
/// The state follows the default ref once the vulnerability was seen there, and any ref before.
/// Only `FIXED`, `NOT_DETECTED` and `VERIFIED` ones reopen on sight.
#[must_use]
pub fn settle(current: &Vulnerability, default_ref: RefId) -> Vec<VulnerabilityEvent> {
    let mut events = Vec::new();
    if current.merged_into.is_some() {
        return events;
    }
    let on_default = current
        .presences()
        .any(|presence| presence.r#ref == default_ref);
    match (current.on_default_ref, on_default) {
        (false, true) => events.push(VulnerabilityEvent::ReachedDefaultRef),
        (true, false) => events.push(VulnerabilityEvent::LeftDefaultRef),
        _ => {}
    }
    let present = if on_default {
        current.is_present_on(default_ref)
    } else {
        current.is_present()
    };
    let state = match (current.state, present) {
        (State::Closed(reason), true) if reason.reopens_on_sight() => Some(State::Open),
        (State::Open | State::Submitted, false) => Some(State::Closed(ClosedReason::NotDetected)),
        _ => None,
    };
    events.extend(state.map(|state| VulnerabilityEvent::StateChanged { state }));
    events.extend(resettle_severity(current));
    events
}

/// The shown severity, where it must change.
#[must_use]
pub fn resettle_severity(current: &Vulnerability) -> Option<VulnerabilityEvent> {
    severity_of(current)
        .filter(|severity| *severity != current.severity)
        .map(|severity| VulnerabilityEvent::SeverityChanged { severity })
}

/// The severity that is to be shown: a person's own before any source's.
#[must_use]
pub fn severity_of(value: &Vulnerability) -> Option<Severity> {
    match &value.triage.severity {
        Some(own) => Some(Severity {
            level: own.level,
            score: own.score,
            vector: own.vector.clone(),
            tool: OWN_SEVERITY.to_owned(),
        }),
        None => shown_severity(&value.sources),
    }
}

/// The severity of the source that is trusted most. In order: sources that still show it before
/// ones that do not; a CVSS vector (the newer version of the standard first) before a stated word
/// before a default; then the higher score; then the tool's name, so that the order of imports
/// never decides.
#[must_use]
pub fn shown_severity(sources: &[Source]) -> Option<Severity> {
    let best = sources.iter().max_by(|a, b| {
        (a.is_present(), trust(a))
            .cmp(&(b.is_present(), trust(b)))
            .then(a.score.total_cmp(&b.score))
            .then_with(|| (&b.tool, &b.rule).cmp(&(&a.tool, &a.rule)))
    })?;
    Some(Severity {
        level: best.level,
        score: best.score,
        vector: best.vector.clone(),
        tool: best.tool.clone(),
    })
}

fn trust(source: &Source) -> u8 {
    use crate::import::SeverityBasis;
    match (source.vector.as_deref(), source.basis) {
        (Some(vector), _) if vector.starts_with("CVSS:4") => 5,
        (Some(vector), _) if vector.starts_with("CVSS:3") => 4,
        (Some(_), _) => 3,
        (None, SeverityBasis::Score) => 2,
        (None, SeverityBasis::Stated) => 1,
        (None, SeverityBasis::Default) => 0,
    }
}

/// Replaces the source with the same tool and rule, or adds it; sources stay in the order of their names.
fn put_source(sources: &mut Vec<Source>, source: &Source) {
    match sources
        .binary_search_by(|known| (&known.tool, &known.rule).cmp(&(&source.tool, &source.rule)))
    {
        Ok(at) => {
            if let Some(known) = sources.get_mut(at) {
                *known = source.clone();
            }
        }
        Err(at) => sources.insert(at, source.clone()),
    }
}

/// Names are kept in order, so that it does not show which import brought which.
fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

/// What is in either, first those of `a`, without repeats.
pub fn union<T: PartialEq + Clone>(a: &[T], b: &[T]) -> Vec<T> {
    let mut all = a.to_vec();
    for item in b {
        if !all.contains(item) {
            all.push(item.clone());
        }
    }
    all
}
