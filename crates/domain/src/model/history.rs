//! History: every change of a vulnerability as the events it consists of. Append-only; the current
//! value is always what replaying them gives ([`crate::rules::lifecycle::replay`]).

use serde::{Deserialize, Serialize};

use crate::id::{EvidenceId, FindingId, RefId, ReportId, RuleId, UserId, VulnerabilityId};
use crate::import::Category;
use crate::port::store::{Entity, Key};
use crate::time::Timestamp;

use super::location::Location;
use super::triage::{
    FalsePositive, FalsePositiveStatus, Note, OwnSeverity, Treatment, Triage, Verification,
    VerificationStatus,
};
use super::vulnerability::{
    IdentityKey, Severity, Sighting, SlaNotice, Source, State, Vulnerability,
};

/// One thing that happened to a vulnerability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum VulnerabilityEvent {
    /// The value as it was created. Written together with the first change, not before.
    Created {
        value: Box<Vulnerability>,
    },
    /// A source shows it: a new source, a new ref, or other words about it. The source as it is now.
    Seen {
        source: Box<Source>,
    },
    /// A source no longer shows it on a ref.
    Gone {
        tool: String,
        rule: String,
        r#ref: RefId,
        category: Category,
        /// The last report that showed it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<Sighting>,
        /// The first that did not.
        sighting: Sighting,
    },
    StateChanged {
        state: State,
    },
    Moved {
        location: Box<Location>,
    },
    SeverityChanged {
        severity: Severity,
    },
    /// More names it is recognised by.
    KeysLearned {
        keys: Vec<IdentityKey>,
        identifiers: Vec<String>,
        cwes: Vec<u32>,
    },
    ReachedDefaultRef,
    /// Another ref became the default one, on which it was never seen.
    LeftDefaultRef,
    Tagged {
        tags: Vec<String>,
    },
    /// Another vulnerability turned out to be this one.
    Absorbed {
        other: VulnerabilityId,
    },
    /// It turned out to be another one.
    MergedInto {
        into: VulnerabilityId,
    },
    /// The merge was taken back; what the other brought is in the next events.
    Unmerged {
        other: VulnerabilityId,
    },
    /// Its finding turned out to be another one.
    FindingChanged {
        finding: FindingId,
    },
    /// What is being done about it; a request for acceptance that waited is answered by it.
    TreatmentChanged {
        treatment: Treatment,
    },
    /// Its acceptance came to its end.
    AcceptanceExpired,
    /// Someone asks for it to be accepted permanently.
    AcceptanceRequested {
        request: Note,
    },
    /// Another person refused; the treatment stays what it was.
    AcceptanceRejected,
    /// The request was taken back by who made it.
    AcceptanceWithdrawn,
    /// Nobody decided on the request in time.
    AcceptanceLapsed,
    /// None: the request was taken back.
    FalsePositiveChanged {
        false_positive: Option<FalsePositive>,
    },
    VerificationChanged {
        verification: Verification,
    },
    /// None: nobody is responsible any more.
    Assigned {
        assignee: Option<UserId>,
    },
    /// None: the sources' severity counts again.
    SeverityRated {
        severity: Option<OwnSeverity>,
    },
    /// None: the link was removed.
    TicketLinked {
        ticket: Option<String>,
    },
    /// Somebody added a file.
    EvidenceAdded {
        evidence: EvidenceId,
        name: String,
    },
    /// Somebody removed a file.
    EvidenceRemoved {
        evidence: EvidenceId,
        name: String,
    },
    /// Its due date came near, or passed.
    SlaNoticed {
        notice: SlaNotice,
    },
    /// A triage rule decided; what it changed stands before it.
    RuleApplied {
        rule: RuleId,
        version: u32,
        name: String,
        /// Codes of what a policy or the vulnerability's state refused.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        refused: Vec<String>,
    },
    /// What was decided about two that became one, or that are two again.
    TriageMerged {
        triage: Box<Triage>,
    },
}

impl VulnerabilityEvent {
    /// Stable name, as the API and the feed show it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::Seen { .. } => "seen",
            Self::Gone { .. } => "gone",
            Self::StateChanged {
                state: State::Closed(_),
            } => "closed",
            Self::StateChanged { state: State::Open } => "opened",
            Self::StateChanged {
                state: State::Submitted,
            } => "submitted",
            Self::StateChanged {
                state: State::Rejected,
            } => "rejected",
            Self::Moved { .. } => "moved",
            Self::SeverityChanged { .. } => "severity_changed",
            Self::KeysLearned { .. } => "keys_learned",
            Self::ReachedDefaultRef => "reached_default_ref",
            Self::LeftDefaultRef => "left_default_ref",
            Self::Tagged { .. } => "tagged",
            Self::Absorbed { .. } => "absorbed",
            Self::MergedInto { .. } => "merged_into",
            Self::Unmerged { .. } => "unmerged",
            Self::FindingChanged { .. } => "finding_changed",
            Self::TreatmentChanged { .. } => "treatment_changed",
            Self::AcceptanceExpired => "acceptance_expired",
            Self::AcceptanceRequested { .. } => "acceptance_requested",
            Self::AcceptanceRejected => "acceptance_rejected",
            Self::AcceptanceWithdrawn => "acceptance_withdrawn",
            Self::AcceptanceLapsed => "acceptance_lapsed",
            Self::FalsePositiveChanged { false_positive } => {
                match false_positive.as_ref().map(|request| request.status) {
                    Some(FalsePositiveStatus::Requested) => "false_positive_requested",
                    Some(FalsePositiveStatus::Confirmed) => "false_positive_confirmed",
                    Some(FalsePositiveStatus::Rejected) => "false_positive_rejected",
                    None => "false_positive_withdrawn",
                }
            }
            Self::VerificationChanged { verification } => match verification.status {
                VerificationStatus::Requested => "verification_requested",
                VerificationStatus::OnHold => "verification_held",
                VerificationStatus::Verified => "verified",
            },
            Self::Assigned { assignee: Some(_) } => "assigned",
            Self::Assigned { assignee: None } => "unassigned",
            Self::SeverityRated { .. } => "severity_rated",
            Self::TicketLinked { .. } => "ticket_linked",
            Self::EvidenceAdded { .. } => "evidence_added",
            Self::EvidenceRemoved { .. } => "evidence_removed",
            Self::SlaNoticed { notice } if notice.breached => "sla_breached",
            Self::SlaNoticed { .. } => "due_soon",
            Self::RuleApplied { .. } => "rule_applied",
            Self::TriageMerged { .. } => "triage_merged",
        }
    }
}

/// One committed change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    pub vulnerability: VulnerabilityId,
    /// The vulnerability's version after the change; 1 is its creation.
    pub version: u64,
    pub at: Timestamp,
    /// [`crate::Actor::label`].
    pub actor: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportId>,
    /// Why, in a person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub events: Vec<VulnerabilityEvent>,
}

impl HistoryEntry {
    #[must_use]
    pub fn key_of(vulnerability: VulnerabilityId, version: u64) -> Key {
        Key::new(
            Self::COLLECTION,
            vulnerability.to_string(),
            format!("{version:010}"),
        )
    }
}

impl Entity for HistoryEntry {
    const COLLECTION: &'static str = "history";
    fn key(&self) -> Key {
        Self::key_of(self.vulnerability, self.version)
    }
}
