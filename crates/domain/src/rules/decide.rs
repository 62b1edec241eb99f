//! What a person may decide about a vulnerability, and what follows: pure rules with their refusals.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::RefId;
use crate::model::{ClosedReason, State, Vulnerability, VulnerabilityEvent, normal_tags};

/// A person's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// A submitted one is right.
    Confirm,
    /// A submitted one is wrong.
    Reject,
    /// A rejected one is to be looked at again.
    Resubmit,
    Close(ClosedReason),
    Reopen,
    Tag {
        add: Vec<String>,
        remove: Vec<String>,
    },
}

/// The events of a decision; empty when it changes nothing.
///
/// # Errors
/// `vulnerability.merged`, `vulnerability.not_submitted`, `vulnerability.not_open`,
/// `vulnerability.not_closed`, `vulnerability.not_rejected`, `vulnerability.close_reason`,
/// `vulnerability.gone`, and those of tags.
pub fn decide(
    current: &Vulnerability,
    decision: &Decision,
    default_ref: RefId,
) -> Result<Vec<VulnerabilityEvent>> {
    if current.merged_into.is_some() {
        return Err(refuse(
            "vulnerability.merged",
            "it was merged into another one; decide there",
        ));
    }
    let state = match (decision, current.state) {
        (Decision::Confirm, State::Submitted) => State::Open,
        (Decision::Reject, State::Submitted) => State::Rejected,
        (Decision::Confirm | Decision::Reject, _) => {
            return Err(refuse(
                "vulnerability.not_submitted",
                "only a submitted one is reviewed",
            ));
        }
        (Decision::Resubmit, State::Rejected) => State::Submitted,
        (Decision::Resubmit, _) => {
            return Err(refuse(
                "vulnerability.not_rejected",
                "only a rejected one is submitted again",
            ));
        }
        (Decision::Close(reason), _)
            if !matches!(reason, ClosedReason::Fixed | ClosedReason::OutOfScope) =>
        {
            return Err(refuse(
                "vulnerability.close_reason",
                "a person closes as FIXED or OUT_OF_SCOPE; the other reasons are found out",
            ));
        }
        (Decision::Close(reason), State::Open | State::Submitted) => State::Closed(*reason),
        (Decision::Close(_), _) => return Err(refuse("vulnerability.not_open", "it is not open")),
        (Decision::Reopen, State::Closed(_)) => {
            let shown = if current.on_default_ref {
                current.is_present_on(default_ref)
            } else {
                current.is_present()
            };
            if !shown {
                return Err(refuse(
                    "vulnerability.gone",
                    "no report shows it any more; it opens by itself when one does",
                ));
            }
            State::Open
        }
        (Decision::Reopen, _) => {
            return Err(refuse("vulnerability.not_closed", "it is not closed"));
        }
        (Decision::Tag { add, remove }, _) => return tags(current, add, remove),
    };
    Ok(vec![VulnerabilityEvent::StateChanged { state }])
}

fn refuse(code: &'static str, message: &str) -> Error {
    Error::conflict(code, message)
}

fn tags(
    current: &Vulnerability,
    add: &[String],
    remove: &[String],
) -> Result<Vec<VulnerabilityEvent>> {
    let remove = normal_tags(remove)?;
    let kept = current.tags.iter().filter(|tag| !remove.contains(tag));
    let tags = normal_tags(kept.chain(add))?;
    Ok(if tags == current.tags {
        Vec::new()
    } else {
        vec![VulnerabilityEvent::Tagged { tags }]
    })
}
