//! VEX: what a decision means to those who use a product, in words that every VEX format has; in `claim.rs` and beside it what
//! the documents of others say.
//!
//! Only public names can be spoken about: a vulnerability without any has no statement. Neither
//! have those that say nothing about the product: rejected ones, those out of scope, what only tools
//! have set aside, and records that went into another.

pub mod apply;
pub mod claim;
mod csaf;
mod cyclonedx;
mod openvex;
pub mod read;
pub mod words;

use crate::model::{
    ClosedReason, FalsePositiveStatus, Note, State, Treatment, VexOrigin, Vulnerability,
};
use crate::time::Timestamp;

/// What can be said of a product and a vulnerability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Reported, and nobody has decided yet.
    UnderInvestigation,
    /// It is there, and someone works on it.
    BeingFixed,
    /// It is there, and its risk is borne: until then, or for good.
    Accepted(Option<Timestamp>),
    /// It was there and is gone.
    Fixed,
    /// It was never there: confirmed by a second person.
    FalsePositive,
}

/// One statement, with who decided when and why, as far as somebody did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statement<'a> {
    pub verdict: Verdict,
    pub note: Option<&'a Note>,
    /// Since when it holds.
    pub since: Timestamp,
    /// What another document said of it.
    pub origin: Option<&'a VexOrigin>,
}

impl<'a> Statement<'a> {
    #[must_use]
    pub fn reason(&self) -> Option<&'a str> {
        self.note.and_then(|note| note.reason.as_deref())
    }
}

/// What is said of a vulnerability at this moment; `None` where nothing can be.
#[must_use]
pub fn statement(value: &Vulnerability, now: Timestamp) -> Option<Statement<'_>> {
    if value.identifiers.is_empty() || value.merged_into.is_some() || value.is_suppressed() {
        return None;
    }
    match value.state {
        State::Rejected | State::Closed(ClosedReason::OutOfScope | ClosedReason::Duplicate) => None,
        State::Closed(ClosedReason::Fixed | ClosedReason::NotDetected | ClosedReason::Verified) => {
            Some(Statement {
                verdict: Verdict::Fixed,
                note: None,
                since: value.state_since,
                origin: None,
            })
        }
        State::Submitted | State::Open => Some(of_present(value, now)),
    }
}

fn of_present(value: &Vulnerability, now: Timestamp) -> Statement<'_> {
    if let Some(request) = &value.triage.false_positive
        && request.status == FalsePositiveStatus::Confirmed
    {
        // The requester gives the reason; the second person agrees.
        let since = request.decided.as_ref().unwrap_or(&request.requested).at;
        return Statement {
            verdict: Verdict::FalsePositive,
            note: Some(&request.requested),
            since,
            origin: request.origin.as_deref(),
        };
    }
    let treatment = &value.triage.treatment;
    let verdict = match treatment {
        Treatment::InProgress { .. } => Verdict::BeingFixed,
        _ if treatment.is_acceptance_at(now) => Verdict::Accepted(treatment.until()),
        _ => Verdict::UnderInvestigation,
    };
    let note = treatment
        .decided()
        .filter(|_| verdict != Verdict::UnderInvestigation);
    Statement {
        verdict,
        note,
        since: note.map_or(value.created, |note| note.at),
        origin: None,
    }
}
