//! The triage desk: every decision that a person may take on one vulnerability, through one door.
//!
//! The workflows have files of their own ([`super::treatment`], [`super::false_positive`],
//! [`super::verification`], [`super::decide`]); here are the plain facts (who is responsible, a
//! severity of one's own, a ticket), and what becomes of all of it when two records become one.

use serde::{Deserialize, Serialize};

use super::lifecycle::{apply_all, resettle_severity};
use super::{decide, false_positive, treatment, verification};
use crate::error::{Error, Result};
use crate::id::{BlockerId, RefId, UserId};
use crate::model::{
    Cvss, FalsePositive, FalsePositiveStatus, Level, Note, OwnSeverity, Policy, Treatment, Triage,
    Vulnerability, VulnerabilityEvent,
};
use crate::policy::Action;

/// Longest address of a ticket, in bytes.
const TICKET_LIMIT: usize = 2_000;

/// A decision on one vulnerability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Close, reopen, review, tag.
    State(decide::Decision),
    Treatment(treatment::Command),
    /// Assigns it and says that the assignee works on it, in one step.
    StartWith(UserId),
    FalsePositive(false_positive::Command),
    Verification(verification::Command),
    /// None: nobody is responsible any more.
    Assign(Option<UserId>),
    /// None: the sources' severity counts again.
    Rate(Option<Rating>),
    /// None: removes the link.
    Link(Option<String>),
}

/// A severity as a person states it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rating {
    /// A CVSS vector of any version; the score follows from it.
    Vector(String),
    /// 0.0 to 10.0.
    Score(f64),
}

impl Command {
    /// What the caller must be allowed to do.
    #[must_use]
    pub fn action(&self) -> Action {
        use decide::Decision;
        match self {
            Self::State(Decision::Tag { .. }) => Action::VulnerabilityTag,
            Self::Treatment(treatment::Command::Approve | treatment::Command::Reject) => {
                Action::AcceptanceApprove
            }
            Self::Treatment(_)
            | Self::StartWith(_)
            | Self::FalsePositive(
                false_positive::Command::Request | false_positive::Command::Withdraw,
            )
            | Self::Verification(verification::Command::Request)
            | Self::Assign(_)
            | Self::Link(_) => Action::VulnerabilityTreat,
            Self::State(_) | Self::FalsePositive(_) | Self::Verification(_) | Self::Rate(_) => {
                Action::VulnerabilityDecide
            }
        }
    }

    /// What the audit log calls it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        use decide::Decision as D;
        use false_positive::Command as F;
        use treatment::Command as T;
        use verification::Command as V;
        match self {
            Self::State(D::Confirm) => "vulnerability.confirmed",
            Self::State(D::Reject) => "vulnerability.rejected",
            Self::State(D::Resubmit) => "vulnerability.resubmitted",
            Self::State(D::Close(_)) => "vulnerability.closed",
            Self::State(D::Reopen) => "vulnerability.reopened",
            Self::State(D::Tag { .. }) => "vulnerability.tagged",
            Self::Treatment(T::Start) | Self::StartWith(_) => "treatment.started",
            Self::Treatment(T::Accept { .. }) => "acceptance.granted",
            Self::Treatment(T::Request) => "acceptance.requested",
            Self::Treatment(T::Approve) => "acceptance.approved",
            Self::Treatment(T::Reject) => "acceptance.rejected",
            Self::Treatment(T::Withdraw) => "acceptance.withdrawn",
            Self::Treatment(T::Reset) => "treatment.reset",
            Self::FalsePositive(F::Request) => "false_positive.requested",
            Self::FalsePositive(F::Confirm) => "false_positive.confirmed",
            Self::FalsePositive(F::Reject) => "false_positive.rejected",
            Self::FalsePositive(F::Withdraw) => "false_positive.withdrawn",
            Self::Verification(V::Request) => "verification.requested",
            Self::Verification(V::Hold | V::HoldFor(_)) => "verification.held",
            Self::Verification(V::Resume) => "verification.resumed",
            Self::Verification(V::Verify(_)) => "verification.verified",
            Self::Assign(_) => "vulnerability.assigned",
            Self::Rate(_) => "severity.rated",
            Self::Link(_) => "ticket.linked",
        }
    }

    /// The blocker that its retest is to wait for; it must be loaded and asked, and still stand when
    /// the decision is committed.
    #[must_use]
    pub fn blocker(&self) -> Option<BlockerId> {
        match self {
            Self::Verification(verification::Command::HoldFor(blocker)) => Some(*blocker),
            _ => None,
        }
    }

    /// The person who is to be responsible, whose right to be that must be checked.
    #[must_use]
    pub fn assignee(&self) -> Option<UserId> {
        match self {
            Self::StartWith(user) | Self::Assign(Some(user)) => Some(*user),
            _ => None,
        }
    }
}

/// The events of a decision; empty when it changes nothing.
///
/// # Errors
/// `vulnerability.merged`, `reason.too_long`, `treatment.needs_assignee`, `severity.vector`, `severity.score`,
/// `ticket.malformed`, and those of the workflows.
pub fn decide(
    current: &Vulnerability,
    command: &Command,
    policy: &Policy,
    default_ref: RefId,
    note: &Note,
) -> Result<Vec<VulnerabilityEvent>> {
    if current.merged_into.is_some() {
        return Err(Error::conflict(
            "vulnerability.merged",
            "it was merged into another one; decide there",
        ));
    }
    treatment::reason_length(note)?;
    match command {
        Command::State(decision) => decide::decide(current, decision, default_ref),
        Command::Treatment(command) => treatment::decide(current, command, policy, note),
        Command::StartWith(user) => start_with(current, *user, policy, note),
        Command::FalsePositive(command) => false_positive::decide(current, *command, note),
        Command::Verification(command) => verification::decide(current, *command, note),
        Command::Assign(assignee) => assign(current, *assignee),
        Command::Rate(rating) => rate(current, rating.as_ref(), note),
        Command::Link(ticket) => link(current, ticket.as_deref()),
    }
}

fn start_with(
    current: &Vulnerability,
    user: UserId,
    policy: &Policy,
    note: &Note,
) -> Result<Vec<VulnerabilityEvent>> {
    let mut events = assign(current, Some(user))?;
    let assigned = apply_all(current, &events, note.at);
    match treatment::decide(&assigned, &treatment::Command::Start, policy, note) {
        Ok(started) => events.extend(started),
        // It is in progress: a new assignee takes it over.
        Err(refusal) if refusal.code() == "treatment.unchanged" && !events.is_empty() => {}
        Err(refusal) => return Err(refusal),
    }
    Ok(events)
}

fn assign(current: &Vulnerability, assignee: Option<UserId>) -> Result<Vec<VulnerabilityEvent>> {
    if assignee == current.triage.assignee {
        return Ok(Vec::new());
    }
    if assignee.is_none() && matches!(current.triage.treatment, Treatment::InProgress { .. }) {
        return Err(Error::conflict(
            "treatment.needs_assignee",
            "someone must be responsible for what is in progress; reset the treatment first",
        ));
    }
    Ok(vec![VulnerabilityEvent::Assigned { assignee }])
}

fn rate(
    current: &Vulnerability,
    rating: Option<&Rating>,
    note: &Note,
) -> Result<Vec<VulnerabilityEvent>> {
    let severity = rating.map(own_severity).transpose()?;
    if severity == current.triage.severity {
        return Ok(Vec::new());
    }
    let mut events = vec![VulnerabilityEvent::SeverityRated { severity }];
    events.extend(resettle_severity(&apply_all(current, &events, note.at)));
    Ok(events)
}

/// # Errors
/// `severity.vector`, `severity.score`.
pub fn own_severity(rating: &Rating) -> Result<OwnSeverity> {
    match rating {
        Rating::Vector(text) => {
            let cvss = Cvss::parse(text).ok_or_else(|| {
                Error::invalid(
                    "severity.vector",
                    "that is no whole CVSS vector of version 2, 3.0, 3.1 or 4.0",
                )
                .on_field("vector")
            })?;
            Ok(OwnSeverity {
                level: Level::from_score(cvss.score),
                score: cvss.score,
                vector: Some(cvss.vector),
            })
        }
        Rating::Score(score) if (0.0..=10.0).contains(score) => {
            // A tenth is all the precision a score has.
            let score = (score * 10.0).round() / 10.0;
            Ok(OwnSeverity {
                level: Level::from_score(score),
                score,
                vector: None,
            })
        }
        Rating::Score(_) => {
            Err(Error::invalid("severity.score", "a score is from 0.0 to 10.0").on_field("score"))
        }
    }
}

fn link(current: &Vulnerability, ticket: Option<&str>) -> Result<Vec<VulnerabilityEvent>> {
    let ticket = ticket.map(str::trim).filter(|text| !text.is_empty());
    if let Some(text) = ticket {
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"));
        let has_host = rest.is_some_and(|rest| {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            !host.is_empty() && !host.contains('@')
        });
        let has_odd = text
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"'));
        if !has_host || has_odd || text.len() > TICKET_LIMIT {
            return Err(Error::invalid(
                "ticket.malformed",
                format!("a ticket is an http or https address of at most {TICKET_LIMIT} bytes, without a password in it"),
            )
            .on_field("url"));
        }
    }
    if ticket == current.triage.ticket.as_deref() {
        return Ok(Vec::new());
    }
    Ok(vec![VulnerabilityEvent::TicketLinked {
        ticket: ticket.map(str::to_owned),
    }])
}

/// What two records' decisions come to when they turn out to be one vulnerability: what sets aside
/// less wins. An acceptance or a false positive of one of them does not silence the other; of two
/// acceptances the one that ends first stays. Of severities the higher one stays.
#[must_use]
pub fn merged(survivor: &Triage, other: &Triage) -> Triage {
    let first_of = |mine: &Treatment, theirs: &Treatment| {
        if strictness(theirs) < strictness(mine) {
            theirs.clone()
        } else {
            mine.clone()
        }
    };
    let treatment = first_of(&survivor.treatment, &other.treatment);
    let in_progress = |triage: &Triage| matches!(triage.treatment, Treatment::InProgress { .. });
    // Who works on it stays responsible, whichever record they were assigned on.
    let assignee = match (in_progress(survivor), in_progress(other)) {
        (false, true) => other.assignee.or(survivor.assignee),
        _ => survivor.assignee.or(other.assignee),
    };
    let verification = match (&survivor.verification, &other.verification) {
        (Some(mine), Some(theirs)) if !mine.is_pending() && theirs.is_pending() => Some(theirs),
        (Some(mine), _) => Some(mine),
        (None, theirs) => theirs.as_ref(),
    };
    let severity = [&survivor.severity, &other.severity]
        .into_iter()
        .flatten()
        .max_by(|a, b| a.score.total_cmp(&b.score));
    Triage {
        acceptance_request: survivor
            .acceptance_request
            .as_ref()
            .or(other.acceptance_request.as_ref())
            .filter(|_| !matches!(treatment, Treatment::AcceptedPermanently { .. }))
            .cloned(),
        treatment,
        acceptances: survivor.acceptances.max(other.acceptances),
        assignee,
        false_positive: merged_false_positive(survivor, other),
        verification: verification.cloned(),
        severity: severity.cloned(),
        ticket: survivor.ticket.clone().or_else(|| other.ticket.clone()),
    }
}

/// Less accepted comes first; of what is not accepted, what someone works on says more.
fn strictness(treatment: &Treatment) -> (u8, i64) {
    match treatment {
        Treatment::InProgress { .. } => (0, 0),
        Treatment::Untreated => (1, 0),
        Treatment::Accepted { until, .. } => (2, until.millis()),
        Treatment::AcceptedPermanently { .. } => (3, 0),
    }
}

fn merged_false_positive(survivor: &Triage, other: &Triage) -> Option<FalsePositive> {
    let rank = |request: &FalsePositive| match request.status {
        FalsePositiveStatus::Rejected => 0,
        FalsePositiveStatus::Requested => 1,
        FalsePositiveStatus::Confirmed => 2,
    };
    match (&survivor.false_positive, &other.false_positive) {
        (Some(mine), Some(theirs)) if rank(theirs) < rank(mine) => Some(theirs.clone()),
        (Some(mine), Some(_)) => Some(mine.clone()),
        // The other one was never held for a false positive: a refusal stays, a request falls.
        (Some(only), None) | (None, Some(only)) => {
            (only.status == FalsePositiveStatus::Rejected).then(|| only.clone())
        }
        (None, None) => None,
    }
}
