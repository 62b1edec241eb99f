//! Retests: asked for, perhaps on hold while something blocks them, then answered.

use serde::{Deserialize, Serialize};

use super::treatment::reason;
use crate::error::{Error, Result};
use crate::id::BlockerId;
use crate::model::{
    ClosedReason, FalsePositiveStatus, Note, State, Verification, VerificationOutcome,
    VerificationStatus as Status, Vulnerability, VulnerabilityEvent,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Someone says that it is repaired and asks for a look.
    Request,
    /// Something blocks it, as the reason says.
    Hold,
    /// It waits for this blocker; whether it may, [`super::blocker::may_hold`] says.
    HoldFor(BlockerId),
    /// Nothing does any more.
    Resume,
    /// It was looked at: still open, or closed as `VERIFIED`.
    Verify(VerificationOutcome),
}

/// # Errors
/// `vulnerability.not_open`, `verification.false_positive`, `verification.pending`,
/// `verification.not_requested`, `verification.on_hold`, `verification.not_on_hold`,
/// `reason.required`.
pub fn decide(
    current: &Vulnerability,
    command: Command,
    note: &Note,
) -> Result<Vec<VulnerabilityEvent>> {
    let known = current.triage.verification.as_ref();
    if command == Command::Request {
        return request(current, note);
    }
    let Some(known) = known.filter(|known| known.is_pending()) else {
        return Err(Error::conflict(
            "verification.not_requested",
            "nobody asked for it to be verified",
        ));
    };
    let mut next = known.clone();
    let mut state = None;
    match (command, known.status) {
        (Command::Hold, Status::Requested) => {
            reason(note)?;
            next.status = Status::OnHold;
            next.held = Some(note.clone());
        }
        (Command::HoldFor(blocker), _) => {
            if known.blocker == Some(blocker) {
                return Ok(Vec::new());
            }
            next.status = Status::OnHold;
            next.held = Some(note.clone());
            next.blocker = Some(blocker);
        }
        (Command::Resume, Status::OnHold) => {
            next.status = Status::Requested;
            next.held = None;
            next.blocker = None;
        }
        (Command::Resume, _) => {
            return Err(Error::conflict(
                "verification.not_on_hold",
                "its verification is not on hold",
            ));
        }
        (Command::Verify(outcome), Status::Requested) => {
            next.status = Status::Verified;
            next.outcome = Some(outcome);
            next.verified = Some(note.clone());
            if outcome == VerificationOutcome::Closed {
                state = Some(State::Closed(ClosedReason::Verified));
            }
        }
        _ => {
            return Err(Error::conflict(
                "verification.on_hold",
                "its verification is on hold; resume it first",
            ));
        }
    }
    let verified = VulnerabilityEvent::VerificationChanged { verification: next };
    let closed = state.map(|state| VulnerabilityEvent::StateChanged { state });
    Ok([verified].into_iter().chain(closed).collect())
}

fn request(current: &Vulnerability, note: &Note) -> Result<Vec<VulnerabilityEvent>> {
    if current.state != State::Open {
        return Err(Error::conflict(
            "vulnerability.not_open",
            "it is not open: there is nothing to verify",
        ));
    }
    if current.triage.false_positive_status() == Some(FalsePositiveStatus::Confirmed) {
        return Err(Error::conflict(
            "verification.false_positive",
            "it is a confirmed false positive: there is nothing to verify",
        ));
    }
    let known = current.triage.verification.as_ref();
    if known.is_some_and(Verification::is_pending) {
        return Err(Error::conflict(
            "verification.pending",
            "someone asked for that already",
        ));
    }
    reason(note)?;
    let verification = Verification {
        status: Status::Requested,
        requested: note.clone(),
        held: None,
        blocker: None,
        outcome: None,
        verified: None,
        cycle: known.map_or(0, |known| known.cycle).saturating_add(1),
    };
    Ok(vec![VulnerabilityEvent::VerificationChanged {
        verification,
    }])
}
