//! Triage rules: decisions that are taken by themselves where a condition holds.
//!
//! The rules of an organization or a group are one record, in their order: they are read with every
//! import, changed rarely, and an order that two people change at once must not come out mixed. The
//! decisions themselves are in [`crate::rules::triage_rule`].

use serde::{Deserialize, Serialize};

use crate::id::{GroupId, OrganizationId, RuleId, TriageRunId, UserId, VulnerabilityId};
use crate::port::store::{ById, Entity, Key};
use crate::rules::desk::Rating;
use crate::time::Timestamp;

use super::failure::Failure;
use super::membership::Scope;

/// Most rules of one organization or group.
pub const RULES_MAX: usize = 50;

/// Vulnerabilities that a run names for each rule.
pub const EXAMPLES_MAX: usize = 10;

/// What a rule says is being done about a vulnerability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleTreatment {
    /// The rule's assignee works on it.
    InProgress,
    /// The risk is borne for so many days.
    Accept { days: u32 },
    /// A person is asked to accept it for good; no rule does that alone.
    RequestPermanentAcceptance,
}

/// What a rule does. At least one of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleActions {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub treatment: Option<RuleTreatment>,
    /// Added to those it has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Rating>,
    /// It is a false positive, with the rule as its author.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suppress: bool,
}

impl RuleActions {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TriageRule {
    pub id: RuleId,
    /// 1 to 200 characters, for people.
    pub name: String,
    /// In CEL: [`crate::rules::condition`].
    pub condition: String,
    pub actions: RuleActions,
    /// Why, kept in the history of what it decides.
    pub reason: String,
    pub enabled: bool,
    /// Grows with each change of its condition, actions or reason. A vulnerability is decided on once
    /// by each version.
    pub version: u32,
    pub changed: Timestamp,
    /// [`crate::Actor::label`] of who changed it last.
    pub by: String,
}

/// The rules of one organization or group, first one first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleBook {
    pub organization: OrganizationId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    pub rules: Vec<TriageRule>,
}

impl RuleBook {
    #[must_use]
    pub fn key_of(scope: Scope) -> Key {
        let of = match scope {
            Scope::Instance => String::new(),
            Scope::Organization(organization) => organization.to_string(),
            Scope::Group(group) => group.to_string(),
        };
        Key::new(Self::COLLECTION, of, "")
    }
}

impl Entity for RuleBook {
    const COLLECTION: &'static str = "triage_rules";
    fn key(&self) -> Key {
        Self::key_of(
            self.group
                .map_or_else(|| Scope::Organization(self.organization), Scope::Group),
        )
    }
}

/// That a rule decided on a vulnerability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedRule {
    pub rule: RuleId,
    pub version: u32,
}

/// What one rule came to in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleOutcome {
    pub rule: RuleId,
    pub name: String,
    pub version: u32,
    /// Where its condition holds and it has not decided before.
    pub matched: u64,
    /// Of these, where it changes something.
    pub changed: u64,
    /// Of these, where a policy or the vulnerability's state refuses one of its actions.
    pub refused: u64,
    /// Where its condition could not be evaluated.
    pub failed: u64,
    /// The first ones that it changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<VulnerabilityId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TriageRunStatus {
    /// Its job waits.
    Queued,
    Running,
    Complete,
    /// Given up after several tries; what is counted stays.
    Failed,
}

impl TriageRunStatus {
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Failed)
    }
}

/// Rules applied to, or tried on, the open vulnerabilities of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TriageRun {
    pub id: TriageRunId,
    pub organization: OrganizationId,
    pub group: GroupId,
    /// [`crate::Actor::label`] of who asked for it.
    pub by: String,
    /// Only counts; nothing is changed.
    pub dry: bool,
    /// The rules as they were when it was asked for.
    pub rules: Vec<TriageRule>,
    pub status: TriageRunStatus,
    /// How many vulnerabilities it is about; known once they were listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    pub done: u64,
    pub changed: u64,
    /// In the order of the rules.
    pub outcomes: Vec<RuleOutcome>,
    pub created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Timestamp>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

impl TriageRun {
    /// The blob with the ids, in the order in which they are looked at.
    #[must_use]
    pub fn plan_blob(&self) -> String {
        format!("triage-run/{}", self.id)
    }
}

impl Entity for TriageRun {
    const COLLECTION: &'static str = "triage_run";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
}

impl ById for TriageRun {
    type Id = TriageRunId;
    fn id(&self) -> TriageRunId {
        self.id
    }
}
