//! Taking over what a VEX document says of one vulnerability. Its author is the first of the two whom a
//! false positive or an acceptance for good takes; whoever imports it is the second and answers for it.

use super::Verdict;
use super::claim::{Claim, Document, Says, author_label, kept};
use crate::error::{Error, Result};
use crate::model::{
    FalsePositive, FalsePositiveStatus, Note, Policy, State, Treatment, VexOrigin, Vulnerability,
    VulnerabilityEvent,
};
use crate::rules::treatment::{self, acceptable_severity};

/// The events of a claim; empty where it is that way already. `note` is the importer's.
///
/// # Errors
/// `vulnerability.merged`, `vulnerability.not_open`, `vex.rejected`, `approval.needs_person`,
/// `treatment.no_assignee`, `treatment.pending`, and what the policy refuses of acceptances.
pub fn decide(
    current: &Vulnerability,
    document: &Document,
    claim: &Claim,
    policy: &Policy,
    note: &Note,
) -> Result<Vec<VulnerabilityEvent>> {
    if current.merged_into.is_some() {
        return Err(Error::conflict(
            "vulnerability.merged",
            "it was merged into another one; decide there",
        ));
    }
    match &claim.says {
        Says::Nothing => Ok(Vec::new()),
        Says::NotAffected {
            justification,
            impact,
        } => {
            let said = VexOrigin {
                format: document.format,
                document: document.id.clone(),
                author: document.author.clone(),
                status: claim.status.clone(),
                justification: justification.clone(),
                statement: impact.clone(),
            };
            not_affected(current, said, note)
        }
        Says::Decided { verdict, reason } => {
            let reason = reason.as_deref().unwrap_or("the document says so");
            let author = Note {
                by: author_label(&document.author),
                person: None,
                at: note.at,
                reason: Some(reason.to_owned()),
            };
            match verdict {
                Verdict::BeingFixed => being_fixed(current, policy, author, note),
                Verdict::Accepted(Some(until)) => {
                    if current.triage.treatment.until() == Some(*until) {
                        return Ok(Vec::new());
                    }
                    let command = treatment::Command::Accept { until: *until };
                    treatment::decide(current, &command, policy, &author)
                }
                Verdict::Accepted(None) => for_good(current, policy, author, note),
                Verdict::UnderInvestigation | Verdict::Fixed | Verdict::FalsePositive => {
                    Ok(Vec::new())
                }
            }
        }
    }
}

fn is_open(current: &Vulnerability) -> Result<()> {
    match current.state {
        State::Open | State::Submitted => Ok(()),
        State::Rejected | State::Closed(_) => Err(Error::conflict(
            "vulnerability.not_open",
            "it is not open: there is nothing to decide about it",
        )),
    }
}

fn is_answered_for(note: &Note) -> Result<()> {
    if note.is_of_a_person() {
        return Ok(());
    }
    Err(Error::conflict(
        "approval.needs_person",
        "a person must decide on it, not a machine's token",
    ))
}

fn not_affected(
    current: &Vulnerability,
    said: VexOrigin,
    note: &Note,
) -> Result<Vec<VulnerabilityEvent>> {
    let known = current.triage.false_positive.as_ref();
    match known.map(|known| known.status) {
        Some(FalsePositiveStatus::Confirmed) => return Ok(Vec::new()),
        // A document that is imported every night must not undo what a person decided.
        Some(FalsePositiveStatus::Rejected) => {
            return Err(Error::conflict(
                "vex.rejected",
                "a person decided that it is no false positive; ask for it by hand to have it decided anew",
            ));
        }
        Some(FalsePositiveStatus::Requested) | None => {}
    }
    is_open(current)?;
    is_answered_for(note)?;
    let word = said.justification.as_deref();
    let reason = match (word, said.statement.as_deref()) {
        (Some(word), Some(text)) => format!("{word}: {text}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => said.status.clone(),
    };
    let request = Note {
        by: author_label(&said.author),
        person: None,
        at: note.at,
        reason: Some(kept(&reason)),
    };
    Ok(vec![VulnerabilityEvent::FalsePositiveChanged {
        false_positive: Some(FalsePositive {
            status: FalsePositiveStatus::Confirmed,
            requested: request,
            decided: Some(note.clone()),
            origin: Some(Box::new(said)),
        }),
    }])
}

fn for_good(
    current: &Vulnerability,
    policy: &Policy,
    author: Note,
    note: &Note,
) -> Result<Vec<VulnerabilityEvent>> {
    let triage = &current.triage;
    if matches!(triage.treatment, Treatment::AcceptedPermanently { .. }) {
        return Ok(Vec::new());
    }
    if triage.acceptance_request.is_some() {
        return Err(Error::conflict(
            "treatment.pending",
            "someone asked for it to be accepted permanently; decide on that, or have it withdrawn, first",
        ));
    }
    is_open(current)?;
    is_answered_for(note)?;
    acceptable_severity(current, policy)?;
    Ok(vec![VulnerabilityEvent::TreatmentChanged {
        treatment: Treatment::AcceptedPermanently {
            decided: author,
            approved: note.clone(),
        },
    }])
}

/// Someone must be responsible for what is in progress: whoever imports it, where nobody is.
fn being_fixed(
    current: &Vulnerability,
    policy: &Policy,
    author: Note,
    note: &Note,
) -> Result<Vec<VulnerabilityEvent>> {
    if matches!(current.triage.treatment, Treatment::InProgress { .. }) {
        return Ok(Vec::new());
    }
    let mut events = Vec::new();
    if let (None, Some(person)) = (current.triage.assignee, note.person) {
        events.push(VulnerabilityEvent::Assigned {
            assignee: Some(person),
        });
    }
    let assigned = crate::rules::lifecycle::apply_all(current, &events, note.at);
    let start = treatment::Command::Start;
    events.extend(treatment::decide(&assigned, &start, policy, &author)?);
    Ok(events)
}
