//! Holding something for a false positive: one person asks, another confirms or rejects.
//!
//! From the request on it breaks no build and is left out of ordinary lists, until it is rejected.

use serde::{Deserialize, Serialize};

use super::treatment::{reason, second_person};
use crate::error::{Error, Result};
use crate::model::{
    FalsePositive, FalsePositiveStatus as Status, Note, State, Vulnerability, VulnerabilityEvent,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    Request,
    /// Another person agrees.
    Confirm,
    /// Another person does not; also of a confirmed one that turned out to be real.
    Reject,
    /// Who asked no longer does.
    Withdraw,
}

/// # Errors
/// `vulnerability.not_open`, `false_positive.pending`, `false_positive.confirmed`,
/// `false_positive.not_requested`, `approval.needs_person`, `approval.same_person`,
/// `approval.other_person`, `reason.required`.
pub fn decide(
    current: &Vulnerability,
    command: Command,
    note: &Note,
) -> Result<Vec<VulnerabilityEvent>> {
    let known = current.triage.false_positive.as_ref();
    let status = known.map(|known| known.status);
    let next = match (command, known) {
        (Command::Request, _) if status == Some(Status::Requested) => {
            return Err(Error::conflict(
                "false_positive.pending",
                "someone asked for that already; another person must decide",
            ));
        }
        (Command::Request, _) if status == Some(Status::Confirmed) => {
            return Err(Error::conflict(
                "false_positive.confirmed",
                "it is a confirmed false positive already",
            ));
        }
        (Command::Request, _) => {
            if !matches!(current.state, State::Open | State::Submitted) {
                return Err(Error::conflict(
                    "vulnerability.not_open",
                    "it is not open: there is nothing to hold for a false positive",
                ));
            }
            reason(note)?;
            Some(FalsePositive {
                status: Status::Requested,
                requested: note.clone(),
                decided: None,
                origin: None,
            })
        }
        (Command::Confirm, Some(known)) if known.status == Status::Requested => {
            second_person(&known.requested, note)?;
            Some(FalsePositive {
                status: Status::Confirmed,
                decided: Some(note.clone()),
                ..known.clone()
            })
        }
        (Command::Reject, Some(known)) if known.status != Status::Rejected => {
            if known.status == Status::Requested {
                second_person(&known.requested, note)?;
            }
            reason(note)?;
            Some(FalsePositive {
                status: Status::Rejected,
                decided: Some(note.clone()),
                ..known.clone()
            })
        }
        (Command::Withdraw, Some(known)) if known.status == Status::Requested => {
            if !known.requested.is_same_person(note) {
                return Err(Error::conflict(
                    "approval.other_person",
                    "only who made the request can withdraw it; you can reject it",
                ));
            }
            None
        }
        _ => {
            return Err(Error::conflict(
                "false_positive.not_requested",
                "there is no such request that waits to be decided on",
            ));
        }
    };
    Ok(vec![VulnerabilityEvent::FalsePositiveChanged {
        false_positive: next,
    }])
}
