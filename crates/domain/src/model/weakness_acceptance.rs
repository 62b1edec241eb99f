//! Weakness acceptance: that an organization bears a weakness wherever it is found, decided once by two
//! people for all groups. The decisions are in [`crate::rules::weakness_acceptance`].

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::id::{AcceptanceRunId, GroupId, OrganizationId, RuleId};
use crate::page::Cursor;
use crate::port::store::{Entity, Key};
use crate::time::Timestamp;

use super::failure::Failure;
use super::triage::Note;

/// Most of one organization, whatever has become of them: each is read with every import.
pub const WEAKNESS_ACCEPTANCES_MAX: usize = 100;

/// What a weakness is recognised by in every group. Findings have an id in one group only, and titles
/// are each tool's own words; these names are what findings are found by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeaknessName {
    /// A class of weaknesses, by its number in the Common Weakness Enumeration.
    Cwe(u32),
    /// A public name (`CVE-2021-44228`) or a tool's rule (`semgrep:python.lang.exec`).
    Name(String),
}

impl std::fmt::Display for WeaknessName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cwe(number) => write!(f, "CWE-{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WeaknessAcceptanceStatus {
    /// Waits for its second person.
    Submitted,
    /// In force, until its date if it has one.
    Approved,
    Rejected,
    /// Was in force; what it set is taken back.
    Inactive,
}

impl WeaknessAcceptanceStatus {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "SUBMITTED",
            Self::Approved => "APPROVED",
            Self::Rejected => "REJECTED",
            Self::Inactive => "INACTIVE",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeaknessAcceptance {
    /// Of the kind of triage rules: history names either in the same way.
    pub id: RuleId,
    pub organization: OrganizationId,
    pub weakness: WeaknessName,
    /// None: for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Only vulnerabilities with one of these; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Only on assets with one of these; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asset_tags: Vec<String>,
    pub status: WeaknessAcceptanceStatus,
    /// Grows each time it is submitted. A vulnerability is decided on once by each version.
    pub version: u32,
    pub created: Timestamp,
    /// Who asks for it, with the reason.
    pub submitted: Note,
    /// Who approved or rejected it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Note>,
    /// Who made it inactive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Note>,
}

impl WeaknessAcceptance {
    #[must_use]
    pub fn key_of(organization: OrganizationId, id: RuleId) -> Key {
        Key::new(Self::COLLECTION, organization.to_string(), id.to_string())
    }
}

impl Entity for WeaknessAcceptance {
    const COLLECTION: &'static str = "weakness_acceptance";
    fn key(&self) -> Key {
        Self::key_of(self.organization, self.id)
    }
}

/// Written with each acceptance that an organization gets, so that of two at once only one finds the last
/// place free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeaknessAcceptanceBook {
    pub organization: OrganizationId,
}

impl WeaknessAcceptanceBook {
    #[must_use]
    pub fn key_of(organization: OrganizationId) -> Key {
        Key::new(Self::COLLECTION, organization.to_string(), "")
    }
}

impl Entity for WeaknessAcceptanceBook {
    const COLLECTION: &'static str = "weakness_acceptance_book";
    fn key(&self) -> Key {
        Self::key_of(self.organization)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AcceptanceRunStatus {
    /// Its job waits.
    Queued,
    Running,
    Complete,
    /// The acceptance was decided on otherwise meanwhile; what is counted stays.
    Stopped,
    /// Given up after several tries; what is counted stays.
    Failed,
}

impl AcceptanceRunStatus {
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Stopped | Self::Failed)
    }
}

/// An acceptance on its way over what there is, or back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AcceptanceRun {
    pub id: AcceptanceRunId,
    pub organization: OrganizationId,
    pub acceptance: RuleId,
    /// Of the acceptance; what is taken back is what it and those before it set.
    pub version: u32,
    /// Takes back what was set.
    pub back: bool,
    /// None: all groups of the organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    pub status: AcceptanceRunStatus,
    /// How many vulnerabilities it is to look at, as counted when it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    pub done: u64,
    pub changed: u64,
    /// What a policy or a vulnerability's state refused, by code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, u64>,
    /// The last vulnerability that it looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    pub created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Timestamp>,
}

impl AcceptanceRun {
    #[must_use]
    pub fn key_of(acceptance: RuleId, id: AcceptanceRunId) -> Key {
        Key::new(Self::COLLECTION, acceptance.to_string(), id.to_string())
    }
}

impl Entity for AcceptanceRun {
    const COLLECTION: &'static str = "acceptance_run";
    fn key(&self) -> Key {
        Self::key_of(self.acceptance, self.id)
    }
}
