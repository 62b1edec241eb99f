//! Records a change of a vulnerability: value, history and feed event in one change set.

use crate::error::Result;
use crate::id::ReportId;
use crate::model::{
    BlockerHold, ClosedReason, HistoryEntry, State, Vulnerability, VulnerabilityEvent,
};
use crate::port::store::{ChangeSet, Event, Stored};
use crate::rules::lifecycle::apply_all;
use crate::time::Timestamp;

/// Who changes something, when, and because of what.
#[derive(Clone, Debug)]
pub struct Cause {
    /// [`crate::Actor::label`].
    pub actor: String,
    pub at: Timestamp,
    pub report: Option<ReportId>,
    /// In a person's words.
    pub reason: Option<String>,
}

/// Adds the change to `changes` and answers the value after it. The first change of a vulnerability
/// also writes the history row of its creation, so that what never changes has no history to store.
///
/// # Errors
/// Only if a value can't be written as JSON.
pub fn record(
    changes: &mut ChangeSet,
    current: &Stored<Vulnerability>,
    events: Vec<VulnerabilityEvent>,
    cause: &Cause,
) -> Result<Vulnerability> {
    let next = apply_all(&current.value, &events, cause.at);
    if current.version == 1 && has_no_history(&current.value) {
        changes.create(&creation(&current.value), None)?;
    }
    let event = Event::named(feed_name(&events));
    changes.update(current, &next, Some(event))?;
    let entry = HistoryEntry {
        vulnerability: next.id,
        version: current.version + 1,
        at: cause.at,
        actor: cause.actor.clone(),
        report: cause.report,
        reason: cause.reason.clone(),
        events,
    };
    changes.create(&entry, None)?;
    hold(changes, &current.value, &next)?;
    Ok(next)
}

/// Keeps the list of what waits for a blocker in step.
fn hold(changes: &mut ChangeSet, before: &Vulnerability, after: &Vulnerability) -> Result<()> {
    let (was, is) = (before.blocker(), after.blocker());
    if was == is {
        return Ok(());
    }
    let of = |blocker| BlockerHold {
        blocker,
        vulnerability: after.id,
    };
    if let Some(was) = was {
        changes.delete(&of(was).stored(), None);
    }
    if let Some(is) = is {
        changes.create(&of(is), None)?;
    }
    Ok(())
}

/// Whether the row of its creation is not written yet, of one that never changed. Where rules decided
/// on it as it was created, that row was written with it: it tells more than the value does.
#[must_use]
pub fn has_no_history(value: &Vulnerability) -> bool {
    value.rules.is_empty()
}

/// Adds a new vulnerability on which rules decided at once.
///
/// # Errors
/// Only if a value can't be written as JSON.
pub fn record_born(
    changes: &mut ChangeSet,
    born: &Vulnerability,
    decided: Vec<VulnerabilityEvent>,
) -> Result<Vulnerability> {
    let next = apply_all(born, &decided, born.created);
    changes.create(&next, Some(Event::named("vulnerability.created")))?;
    if !decided.is_empty() {
        let mut entry = creation(born);
        entry.events.extend(decided);
        changes.create(&entry, None)?;
    }
    Ok(next)
}

/// The history row of a creation; also what the API shows of a vulnerability that never changed.
#[must_use]
pub fn creation(value: &Vulnerability) -> HistoryEntry {
    HistoryEntry {
        vulnerability: value.id,
        version: 1,
        at: value.created,
        actor: "system:import".to_owned(),
        report: Some(value.created_by),
        reason: None,
        events: vec![VulnerabilityEvent::Created {
            value: Box::new(value.clone()),
        }],
    }
}

/// The feed's name for a change: a change of state if there is one, else the first event.
fn feed_name(events: &[VulnerabilityEvent]) -> String {
    let state = events.iter().rev().find_map(|event| match event {
        VulnerabilityEvent::StateChanged { state: State::Open } => Some("vulnerability.opened"),
        VulnerabilityEvent::StateChanged {
            state: State::Closed(ClosedReason::Duplicate),
        } => Some("vulnerability.merged"),
        VulnerabilityEvent::StateChanged {
            state: State::Closed(_),
        } => Some("vulnerability.closed"),
        VulnerabilityEvent::StateChanged {
            state: State::Rejected,
        } => Some("vulnerability.rejected"),
        VulnerabilityEvent::StateChanged {
            state: State::Submitted,
        } => Some("vulnerability.submitted"),
        _ => None,
    });
    state.map_or_else(
        || {
            format!(
                "vulnerability.{}",
                events.first().map_or("changed", VulnerabilityEvent::name)
            )
        },
        str::to_owned,
    )
}
