//! Triage: what people decided about a vulnerability, beside what reports say about it.
//!
//! Three workflows and a few plain facts. Each is one embedded value; its past is in the history.
//! The rules are in [`crate::rules::treatment`], [`crate::rules::false_positive`],
//! [`crate::rules::verification`] and [`crate::rules::desk`].

use serde::{Deserialize, Serialize};

use crate::ctx::Actor;
use crate::id::{BlockerId, UserId};
use crate::time::Timestamp;

use super::severity::Level;
use super::vex::VexOrigin;

/// Who decided something, when, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// [`Actor::label`].
    pub by: String,
    /// The person behind it; none for a group's token and for Gna itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<UserId>,
    pub at: Timestamp,
    /// In a person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Note {
    /// What an actor says at a moment. A reason of blanks is none.
    #[must_use]
    pub fn new(actor: &Actor, at: Timestamp, reason: Option<&str>) -> Self {
        Self {
            by: actor.label(),
            person: actor.user(),
            at,
            reason: reason
                .map(str::trim)
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
        }
    }

    /// Whether a person answers for it. A machine's token is nobody's second pair of eyes; the
    /// operator at the machine is a person, although Gna does not know which.
    #[must_use]
    pub fn is_of_a_person(&self) -> bool {
        self.person.is_some() || self.by == Actor::LocalOperator.label()
    }

    /// Whether the same person stands behind both, also through different tokens.
    #[must_use]
    pub fn is_same_person(&self, other: &Self) -> bool {
        match (self.person, other.person) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => self.by == other.by,
        }
    }
}

/// What is being done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", tag = "status")]
pub enum Treatment {
    /// Nothing was decided.
    #[default]
    Untreated,
    /// Its assignee works on it.
    InProgress { decided: Note },
    /// The risk is borne until then; from then on it counts as untreated.
    Accepted { until: Timestamp, decided: Note },
    /// The risk is borne for good, as asked for by one person and approved by another.
    AcceptedPermanently { decided: Note, approved: Note },
}

impl Treatment {
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Untreated => "UNTREATED",
            Self::InProgress { .. } => "IN_PROGRESS",
            Self::Accepted { .. } => "ACCEPTED",
            Self::AcceptedPermanently { .. } => "ACCEPTED_PERMANENTLY",
        }
    }

    /// Who decided on it.
    #[must_use]
    pub fn decided(&self) -> Option<&Note> {
        match self {
            Self::Untreated => None,
            Self::InProgress { decided }
            | Self::Accepted { decided, .. }
            | Self::AcceptedPermanently { decided, .. } => Some(decided),
        }
    }

    /// When an acceptance ends by itself.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Accepted { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// Whether the risk is accepted at that moment, also when its end was not yet noted.
    #[must_use]
    pub fn is_acceptance_at(&self, now: Timestamp) -> bool {
        match self {
            Self::Untreated | Self::InProgress { .. } => false,
            Self::Accepted { until, .. } => now < *until,
            Self::AcceptedPermanently { .. } => true,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FalsePositiveStatus {
    Requested,
    Confirmed,
    Rejected,
}

impl FalsePositiveStatus {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::Confirmed => "CONFIRMED",
            Self::Rejected => "REJECTED",
        }
    }
}

/// That someone holds it for a false positive, and what another person says to that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FalsePositive {
    pub status: FalsePositiveStatus,
    pub requested: Note,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Note>,
    /// The document that it was taken over from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Box<VexOrigin>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VerificationStatus {
    Requested,
    /// Something blocks the retest.
    OnHold,
    Verified,
}

impl VerificationStatus {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::OnHold => "ON_HOLD",
            Self::Verified => "VERIFIED",
        }
    }
}

/// What a retest found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VerificationOutcome {
    Open,
    Closed,
}

/// A retest: asked for, perhaps blocked for a while, done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    pub status: VerificationStatus,
    pub requested: Note,
    /// What blocks it, while it is on hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Note>,
    /// The blocker that it waits for, where there is a record of what blocks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocker: Option<BlockerId>,
    /// Once it is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<VerificationOutcome>,
    /// Who verified it; none where a report answered the question by no longer showing it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Note>,
    /// How many retests were asked for so far, this one included.
    pub cycle: u32,
}

impl Verification {
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.status != VerificationStatus::Verified
    }
}

/// A severity that a person gave it, trusted before that of any source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnSeverity {
    pub level: Level,
    /// 0.0 to 10.0.
    pub score: f64,
    /// The CVSS vector that the score was computed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<String>,
}

/// Everything that people decided about one vulnerability.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Triage {
    #[serde(default, skip_serializing_if = "is_untreated")]
    pub treatment: Treatment,
    /// That someone asked for it to be accepted permanently, while nobody has decided. The
    /// treatment stays what it was until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceptance_request: Option<Note>,
    /// How often it was accepted for a time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub acceptances: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub false_positive: Option<FalsePositive>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<OwnSeverity>,
    /// Address of the ticket in another system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

fn is_untreated(treatment: &Treatment) -> bool {
    *treatment == Treatment::Untreated
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Triage {
    /// Nobody has decided anything.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        *self == Self::default()
    }

    #[must_use]
    pub fn false_positive_status(&self) -> Option<FalsePositiveStatus> {
        self.false_positive.as_ref().map(|request| request.status)
    }

    /// Held for a false positive by at least one person, and refuted by none: it breaks no build and
    /// is left out of ordinary lists.
    #[must_use]
    pub fn is_false_positive(&self) -> bool {
        matches!(
            self.false_positive_status(),
            Some(FalsePositiveStatus::Requested | FalsePositiveStatus::Confirmed)
        )
    }

    #[must_use]
    pub fn is_verification_pending(&self) -> bool {
        self.verification
            .as_ref()
            .is_some_and(Verification::is_pending)
    }
}
